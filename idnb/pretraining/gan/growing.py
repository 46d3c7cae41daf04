"""A training of a generator that starts at a low resolution and grows.

It keeps a moving average of the generator, and draws noise and batch of every step from (seed, step) alone, so a run
that was interrupted goes on exactly as if it had not been.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from idnb.core.checkpoints import counter, load_part
from idnb.core.errors import InputError
from idnb.core.images import save_png, sheet
from idnb.core.presets import Preset
from idnb.faces.real_images import RealImages
from idnb.models.stylegan2 import Generator

__all__ = [
    "GanConfig",
    "GrowingTraining",
    "grow_generator",
    "parse_phases",
    "sample_sheet",
]


def parse_phases(text: str) -> tuple[tuple[int, int], ...]:
    """`"64:150000,128:100000"` -> ((64, 150000), (128, 100000)). Raises InputError for anything else."""
    try:
        phases = tuple((int(size), int(images)) for size, images in (part.split(":") for part in text.split(",")))
    except ValueError as error:
        raise InputError(f"--phases {text!r}: expected SIZE:IMAGES,SIZE:IMAGES such as 64:150000,128:100000") from error
    sizes = [size for size, _ in phases]
    if not all(4 <= size <= 1024 and size.bit_count() == 1 and 1 <= images <= 1_000_000_000 for size, images in phases):
        raise InputError(f"--phases {text!r}: sizes are 4, 8, 16 and so on to 1024, images 1 to 1,000,000,000")
    if any(after != 2 * before for before, after in pairwise(sizes)):
        raise InputError(f"--phases {text!r}: each size must be twice the one before")
    return phases


@dataclass(frozen=True)
class GanConfig:
    """What a training run is made of.

    phases: (size in pixels, images shown) one after the other; each size is twice the one before.
    batch: images a step. learning_rate: of Adam. ema_share: half-life of the moving average as a share of the images
    seen, at most ema_images. adversarial: images at the end during which a discriminator learns along. seed: of weights
    and of every step.
    """

    phases: tuple[tuple[int, int], ...]
    batch: int = 16
    learning_rate: float = 4e-3
    ema_share: float = 0.05
    ema_images: int = 10_000
    adversarial: int = 0
    seed: int = 1

    def size_at(self, images: int) -> int:
        """The resolution to train at after so many images."""
        for size, count in self.phases:
            if images < count:
                return size
            images -= count
        return self.phases[-1][0]

    @property
    def total_images(self) -> int:
        """Images of all phases."""
        return sum(count for _, count in self.phases)

    def ema_decay(self, images: int) -> float:
        """What is left of the moving average (ema) in one step, after so many images."""
        half_life = min(self.ema_images, max(1.0, images * self.ema_share))
        return 0.5 ** (self.batch / half_life)


@torch.no_grad()
def sample_sheet(generator: Generator, path: Path, rows: int = 4, columns: int = 8, seed: int = 0) -> None:
    """Write a sheet of samples: the upper half at truncation 0.7, the lower half without truncation.

    generator: in eval mode. path: of the PNG. rows: of each half. columns: pictures a row. seed: of z.
    """
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(rows * columns, generator.style_dim, generator=random).to(generator.w_avg.device)
    images = [generator(part, truncation_psi=psi) for psi in (0.7, 1.0) for part in z.split(16)]
    save_png(sheet(torch.cat(images), columns), path)


def grow_generator(generator: Generator, preset: Preset) -> Generator:
    """A generator of twice the side that makes the same pictures, enlarged: its new to-RGB layer starts at zero.

    generator: trained at half the size. preset: gives the channels. Returns a new generator.
    """
    grown = Generator.from_preset(preset, 2 * generator.size)
    grown.load_state_dict(generator.state_dict(), strict=False)  # what the old one lacks is the new top block
    with torch.no_grad():
        grown.get_parameter(f"to_rgbs.{len(grown.to_rgbs) - 1}.conv.weight").zero_()
    return grown


class GrowingTraining:
    """The state of a run of a generator that grows; subclasses bring the networks beside it and `run_step`.

    preset: sizes. config: the run. codes: [N, P], the codes of the real pictures (idnb.pretraining.gan.codes). device:
    where to compute. bf16: feature maps in bfloat16, where it is fast.
    Attributes: generator, ema (its moving average, which is kept), step, images.
    """

    columns: tuple[str, ...]  # the metrics that `run_step` returns
    stateful: tuple[str, ...]  # attributes with a state dict: networks and optimizers

    def __init__(
        self, preset: Preset, config: GanConfig, codes: Tensor, device: torch.device | str, bf16: bool
    ) -> None:
        self.preset, self.config, self.codes = preset, config, codes
        self.device, self.bf16 = torch.device(device), bf16
        self.step = self.images = 0
        torch.manual_seed(config.seed)
        self.generator = Generator.from_preset(preset, config.phases[0][0]).to(self.device)
        self.generator.compute_dtype = torch.bfloat16 if bf16 else torch.float32
        self.ema = copy.deepcopy(self.generator).eval().requires_grad_(False)

    @property
    def picture_size(self) -> int:
        """The size at which `run_step` wants the pictures."""
        return self.size

    def draw_sheets(self, path: Path) -> None:
        """Write what the averages can do by now. path: of the sheet of samples; others lie beside it."""
        sample_sheet(self.ema, path)

    @property
    def size(self) -> int:
        """The resolution trained at now."""
        return self.generator.size

    def grow(self) -> None:
        """Double the resolution of the generator and of its moving average; all weights they have go on."""
        torch.manual_seed(self.config.seed + self.size)
        self.generator = grow_generator(self.generator, self.preset).to(self.device)
        self.generator.compute_dtype = torch.bfloat16 if self.bf16 else torch.float32
        ema = grow_generator(self.ema, self.preset)
        # Where there is nothing to average yet, it takes the new weights.
        new = {k: v for k, v in self.generator.state_dict().items() if k not in self.ema.state_dict()}
        ema.load_state_dict(new, strict=False)
        self.ema = ema.to(self.device).eval().requires_grad_(False)

    def run_step(self, real: RealImages) -> dict[str, float]:
        """One step on one batch of pictures of the current size; returns its metrics by name."""
        raise NotImplementedError

    def random_of_step(self) -> torch.Generator:
        """The source of everything random in this step."""
        return torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)

    def known_codes(self, real: RealImages) -> Tensor:
        """The codes [N, P] of the pictures.

        Raises InputError when there are not as many pictures as codes.
        """
        if len(real) != len(self.codes):
            raise InputError(
                f"{len(real)} pictures, but {len(self.codes)} codes: did the set grow meanwhile? Start again, with "
                "--people for the number that was there"
            )
        return self.codes

    @torch.no_grad()
    def count_step(self) -> None:
        """Count one step, and move the moving average."""
        self.step += 1
        self.images += self.config.batch
        decay = self.config.ema_decay(self.images)
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - decay)
        self.ema.w_avg.copy_(self.generator.w_avg)

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on bit by bit."""
        parts = {name: getattr(self, name).state_dict() for name in self.stateful}
        counts = {"step": self.step, "images": self.images}
        return {**parts, **counts, "size": self.size, "preset": self.preset.name, "config": asdict(self.config)}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a state. Raises InputError when it belongs to another preset or to other phases."""
        if state["preset"] != self.preset.name:
            raise InputError(f"the checkpoint belongs to preset {state['preset']!r}, not to {self.preset.name!r}")
        size = counter(state, "size")
        if size > self.preset.image_size:
            raise InputError(f"the checkpoint is at {size} px, preset {self.preset.name!r} ends at less")
        while self.size < size:
            self.grow()
        if self.size != size:
            raise InputError(f"the checkpoint is at {size} px, the phases start at {self.size} px")
        for name in self.stateful:
            part = getattr(self, name)
            rates = [group["lr"] for group in getattr(part, "param_groups", [])]
            load_part(part, state[name], name)
            for group, rate in zip(getattr(part, "param_groups", []), rates, strict=True):
                group["lr"] = rate  # a run that goes on may be given another one
        self.step, self.images = counter(state, "step"), counter(state, "images")
