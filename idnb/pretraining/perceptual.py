"""The features behind the bundled perceptual distance: training, and how well the distance orders corruptions.

The network learns to read off an image all that was put into it: the label map, the numbers of person, pose, light and
background, and how strongly it was blurred, darkened, tinted and made noisy. Features that know all this notice when
two images differ in any of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.models.perceptual import WIDTHS, FaceFeatureDistance, FaceFeatures
from idnb.pretraining.data import IdentityData
from idnb.training.loop import Training

__all__ = ["KINDS", "FeatureTraining", "corrupt", "known_numbers", "ordering"]

KINDS = ("blur", "noise", "brightness", "tint", "pixels")


def known_numbers(parameters: dict[str, np.ndarray]) -> Tensor:
    """Every numeric parameter that varies, [N, K], standardised and clipped to three standard deviations."""
    columns = []
    for values in parameters.values():
        if np.issubdtype(values.dtype, np.number) and values.std() > 1e-6:
            columns.append(np.clip((values - values.mean()) / values.std(), -3, 3))
    if not columns:
        raise InputError("the set has no numeric parameters; is it made by `idnb render`?")
    return torch.as_tensor(np.stack(columns, axis=1), dtype=torch.float32)


def corrupt(images: Tensor, kind: str, strength: Tensor, generator: torch.Generator) -> Tensor:
    """One kind of corruption.

    images: [B, 3, H, W] in [-1, 1]; kind: one of KINDS; strength: [B], 0 none to 1 strong.
    """
    s = strength.view(-1, 1, 1, 1)
    if kind == "noise":
        return (images + 0.4 * s * torch.randn(images.shape, generator=generator)).clamp(-1, 1)
    if kind == "brightness":
        sign = torch.randint(0, 2, (len(images), 1, 1, 1), generator=generator) * 2.0 - 1.0
        return ((images + 1) * torch.exp(0.7 * s * sign) - 1).clamp(-1, 1)
    if kind == "tint":
        direction = F.normalize(torch.randn(len(images), 3, 1, 1, generator=generator), dim=1)
        return (images + 0.5 * s * direction).clamp(-1, 1)
    soft = images
    if kind == "blur":
        for _ in range(4):
            soft = F.avg_pool2d(F.pad(soft, (1, 1, 1, 1), mode="replicate"), 3, 1)  # [B, 3, H, W]
    else:
        side = images.shape[-1]
        soft = F.interpolate(F.adaptive_avg_pool2d(images, side // 6), size=side, mode="nearest")
    return torch.lerp(images, soft, s)


class FeatureTraining(Training):
    """The training of the features on images, label maps, known numbers [N, K] and damage that it is told of.

    steps: of `batch` images. seed: of weights and draws.
    """

    title = "perceptual"
    columns = shown = ("loss",)
    remedy = "use another --seed or other --data, and another --out"

    def __init__(self, data: IdentityData, numbers: Tensor, steps: int, seed: int, batch: int = 64) -> None:
        self.data, self.numbers, self.total, self.seed, self.batch = data, numbers, steps, seed, batch
        torch.manual_seed(seed)
        self.random = torch.Generator().manual_seed(seed)
        self.features = FaceFeatures()
        self.read_numbers = nn.Linear(2 * sum(WIDTHS), numbers.shape[1] + len(KINDS))
        self.read_parts = nn.Conv2d(sum(WIDTHS[:3]), 19, 1)
        networks = (self.features, self.read_numbers, self.read_parts)
        parameters = [parameter for network in networks for parameter in network.parameters()]
        self.optimiser = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
        self.rate = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, 2e-3, total_steps=steps)

    def run_step(self) -> dict[str, float]:
        """One batch, corrupted. Returns the loss."""
        random, batch = self.random, self.batch
        rows = torch.randint(0, len(self.data.identity), (batch,), generator=random)
        images = self.data.images[rows].float() / 127.5 - 1.0  # [B, 3, 64, 64]
        strength = torch.rand(batch, len(KINDS), generator=random)
        strength = strength * (torch.rand(strength.shape, generator=random) < 0.25)
        for column, kind in enumerate(KINDS):
            images = corrupt(images, kind, strength[:, column], random)
        maps = self.features(images.contiguous(memory_format=torch.channels_last))
        means = [part for m in maps for part in (m.mean((2, 3)), m.amax((2, 3)))]
        guess = self.read_numbers(torch.cat(means, 1))  # [B, K + kinds]
        half = [F.avg_pool2d(maps[0], 2), maps[1], F.interpolate(maps[2], scale_factor=2.0)]
        parts = self.read_parts(torch.cat(half, 1))  # [B, 19, 32, 32]
        loss = F.mse_loss(guess, torch.cat([self.numbers[rows], 3 * strength], 1))
        loss = loss + F.cross_entropy(parts, self.data.label_maps[rows, ::2, ::2].long())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.rate.step()
        self.step += 1
        return {"loss": loss.item()}

    def describe(self) -> dict[str, Any]:
        """Settings and people of the run."""
        settings = {"steps": self.total, "seed": self.seed, "batch": self.batch}
        return {**settings, "images": len(self.data.identity), "numbers": self.numbers.shape[1]}

    def parts(self) -> dict[str, Any]:
        """The networks, the optimiser and its rate, the place in the random numbers."""
        names = ("features", "read_numbers", "read_parts", "optimiser", "rate", "random")
        return {name: getattr(self, name) for name in names}


@torch.inference_mode()
def ordering(distance: FaceFeatureDistance, data: IdentityData, seed: int, count: int = 300) -> dict[str, Any]:
    """How sensibly the distance orders corruptions, beside mean squared error.

    Monotonic: share of images whose distance grows with the strength of corruption, 0.25 < 0.5 < 1, for each kind.
    Person before shift: share of images where another person at the same place is farther than the same image shifted
    by two pixels. An eye says so at once; pixelwise error often says the opposite.
    """
    generator = torch.Generator().manual_seed(seed)
    images = data.images[:count].float() / 127.5 - 1.0
    other = data.images[-count:].float() / 127.5 - 1.0
    shifted = torch.roll(images, 2, dims=3)

    def squared(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().mean(dim=(1, 2, 3))

    figures: dict[str, Any] = {"images": len(images)}
    for kind in KINDS:
        steps = [
            distance(images, corrupt(images, kind, torch.full((len(images),), s), generator.manual_seed(seed)))
            for s in (0.25, 0.5, 1.0)
        ]
        good = (steps[0] < steps[1]) & (steps[1] < steps[2])
        figures[f"monotonic_{kind}"] = round(good.float().mean().item(), 3)
    for name, measure in (("", distance), ("_squared_error", squared)):
        farther = measure(images, other) > measure(images, shifted)
        figures[f"person_before_shift{name}"] = round(farther.float().mean().item(), 3)
    return figures
