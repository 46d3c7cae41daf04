"""A step of training an encoder, and the state of a run.

A step: draw a batch; compute what depends on the identity image once; then, for each refinement step, change the code,
generate, compare, and go backward at once. The picture is fed back without its graph, so memory stays that of a single
refinement step. The gradient that all refinement steps leave on the identity features goes back through the identity
encoder once, at the end: the sum of gradients is the gradient of the sum.

Everything random comes from (seed, step, process) alone, so a run that was interrupted goes on bit by bit as if it had
not been. Device, mixed precision and several processes are `accelerate`'s; gradients are averaged over processes once a
step.

Paper: section 3.1 (Adam, constant rate of 1e-4, batch of 8); feedback without gradient as in ReStyle.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.images import save_png
from idnb.models.encoder import Code, ContourEncoder, to_size
from idnb.models.stylegan2 import Generator
from idnb.training.critic import Critic, average_gradients
from idnb.training.loop import save_atomically
from idnb.training.losses import EncoderLoss
from idnb.training.pair_data import PairBatch, PairData

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["EncoderConfig", "EncoderRun", "Phase", "run_step"]

TERMS = ("total", "l2", "perceptual", "identity", "w_norm", "chromaticity", "latent_norm", "realism")


@dataclass(frozen=True)
class Phase:
    """A stretch of training: refinement steps, images shown, and up to which size in pixels faces are generated.

    size: stopping the generator at 64 of 128 px leaves out its most expensive layers, but what it shows there is not
    the whole picture made smaller, and may show another person. None generates whole faces, as the paper does.
    """

    steps: int
    images: int
    size: int | None = None


@dataclass(frozen=True)
class EncoderConfig:
    """What a training run is made of; the defaults are the paper's where it names them.

    phases: one after the other. batch: images at once in a process. accumulate: batches a step and process; their
    gradients are averaged, so that 4 x 2 images make the step of 8 where 8 do not fit. checkpoint: compute the
    generator's feature maps again in the backward pass (`Generator.checkpoint`). learning_rate: of Adam. warmup: images
    over which the rate rises. decay: share of the run at its end over which it falls to zero; 0 keeps it constant.
    same_share: chance of a pair that shows one person twice. average: half-life in images of the moving average of the
    weights that is kept; 0 keeps the weights themselves. clip: longest gradient. seed: of weights, pairs and views.
    """

    phases: tuple[Phase, ...] = (Phase(5, 500_000),)
    batch: int = 8
    learning_rate: float = 1e-4
    warmup: int = 0
    decay: float = 0.0
    same_share: float = 0.25
    average: float = 0.0
    clip: float = 10.0
    seed: int = 1
    accumulate: int = 1
    checkpoint: bool = False

    @property
    def images(self) -> int:
        """Images of all phases."""
        return sum(phase.images for phase in self.phases)

    def phase_at(self, images: int) -> Phase:
        """The phase after so many images."""
        for phase in self.phases:
            if images < phase.images:
                return phase
            images -= phase.images
        return self.phases[-1]

    def rate_at(self, images: int) -> float:
        """The learning rate after so many images."""
        rate = self.learning_rate * min(1.0, (images + self.batch) / max(1, self.warmup))
        left = (self.images - images) / max(1.0, self.decay * self.images)
        return rate * (0.5 - 0.5 * math.cos(math.pi * max(0.0, min(1.0, left)))) if self.decay else rate


def picture_of(generator: Generator, code: Code, encoder_size: int, size: int | None = None) -> Tensor:
    """The generator's picture of a code at the encoder's size, [B, 3, S, S]; `size` stops the generator there."""
    for stage in generator.stages(code.w_plus, code.input_latent):
        if stage.resolution == size:
            break
    return to_size(stage.rgb, encoder_size)


def run_step(
    encoder: ContourEncoder,
    generator: Generator,
    loss: EncoderLoss,
    batch: PairBatch,
    phase: Phase,
    random: torch.Generator,
    accelerator: Accelerator,
    batches: int = 1,
    critic: Critic | None = None,
) -> list[dict[str, float]]:
    """Gradients of one batch, added to those of the encoder's parameters.

    batch: on the right device. random: source of the views. batches: over which the step's gradient is averaged.
    critic: learns along, where realism has a weight; it judges the last refinement step, which is the answer.
    Returns the loss terms of each refinement step.
    """
    targets = loss.targets(batch.photo, batch.x_id)
    with accelerator.autocast():
        identity = encoder.encode_identity(batch.x_id)
    # A copy of the identity features without graph collects the gradients of all refinement steps.
    seen = [part.detach().requires_grad_(part.requires_grad) for part in identity]
    code, y_hat = encoder.start(generator, len(batch.photo))
    constant = code.input_latent
    rows = []
    for look in range(phase.steps):
        asked = critic if look == phase.steps - 1 else None
        with accelerator.autocast():
            code = encoder.refine(batch.contour_input, seen, y_hat, code.detach())
        size = encoder.preset.encoder_size
        shown = picture_of(generator, code, asked.size if asked else size, phase.size)
        picture = to_size(shown, size)
        change = None if code.input_latent is None or constant is None else code.input_latent - constant
        realism = asked(shown, random, accelerator) if asked else None
        terms = loss(picture, targets, code.w_plus, generator.w_avg, random, change, realism)
        accelerator.backward(terms["total"] / (phase.steps * batches))
        y_hat = picture.detach()
        rows.append({name: term.item() for name, term in terms.items()})
    learnt = [(part, copied.grad) for part, copied in zip(identity, seen, strict=True) if copied.grad is not None]
    if learnt:
        torch.autograd.backward([part for part, _ in learnt], [gradient for _, gradient in learnt])
    return rows


class EncoderRun:
    """The state of a run: networks, optimiser, counters.

    encoder: what is trained. kept: what is kept of it. critic: of the realism term, where it has a weight. images,
    steps_done: so far, over all processes. batch: images a step, over all processes. leads: whether this process writes
    files.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = (
        *("step", "images", "seconds", "images_per_second", "rate"),
        *TERMS,
        *("identity_first", "identity_last", "perceptual_first", "perceptual_last"),
    )

    def __init__(
        self,
        encoder: ContourEncoder,
        generator: Generator,
        data: PairData,
        loss: EncoderLoss,
        config: EncoderConfig,
        out: Path,
        accelerator: Accelerator | None = None,
        critic: Critic | None = None,
    ) -> None:
        if (critic is not None) != (loss.weights.realism > 0):
            raise InputError(
                "realism: a weight above 0 and a critic (idnb.training.critic.build_critic) belong together"
            )
        if data.kind != encoder.kind or data.preset != encoder.preset:
            raise InputError(
                f"data: {data.kind} contours of preset {data.preset.name!r}; the encoder reads {encoder.kind} contours "
                f"of preset {encoder.preset.name!r}"
            )
        if accelerator is None:
            from accelerate import Accelerator

            accelerator = Accelerator()
        self.accelerator, self.out, self.config, self.data = accelerator, out, config, data
        self.critic = critic
        self.leads = accelerator.is_main_process
        self.batch = config.batch * config.accumulate * accelerator.num_processes
        self.images = self.steps_done = 0
        out.mkdir(parents=True, exist_ok=True)
        device = accelerator.device
        self.encoder = encoder.to(device=device)
        self.encoder.to(memory_format=torch.channels_last)
        self.kept = copy.deepcopy(self.encoder).eval().requires_grad_(False) if config.average else self.encoder
        self.generator = generator.to(device).eval().requires_grad_(False)
        self.generator.checkpoint = config.checkpoint
        self.generator.compute_dtype = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
        self.loss = loss.to(device)
        self.loss.to(memory_format=torch.channels_last)
        self.parameters = [p for p in self.encoder.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(self.parameters, lr=config.learning_rate, betas=(0.9, 0.999), foreach=True)
        self.optimizer = accelerator.prepare(optimizer)

    def step(self, wish_to_stop: bool = False) -> tuple[dict[str, float], bool]:
        """One step on all processes.

        wish_to_stop: whether this process wants to stop after it.
        Returns the loss terms, averaged over refinement steps and processes, and whether any process wants to stop.
        """
        config, phase = self.config, self.config.phase_at(self.images)
        place = self.steps_done * 4096 + self.accelerator.process_index
        random = torch.Generator().manual_seed(config.seed * 1_000_000_007 + place)
        torch.manual_seed(config.seed * 7_919 + place)  # for encoders with dropout
        self.encoder.train()
        self.optimizer.zero_grad(set_to_none=True)
        parts = []
        for _ in range(config.accumulate):
            batch = self.data.draw(config.batch, random, config.same_share)
            batch = PairBatch(*(part.to(self.accelerator.device) for part in batch))
            networks = (self.encoder, self.generator, self.loss)
            step = run_step(*networks, batch, phase, random, self.accelerator, config.accumulate, self.critic)
            parts.append(step)
        rows = [
            {name: sum(row[name] for row in step) / len(step) for name in TERMS} for step in zip(*parts, strict=True)
        ]
        figures = {name: sum(row[name] for row in rows) / len(rows) for name in TERMS}
        for name in ("identity", "perceptual"):
            figures |= {f"{name}_first": rows[0][name], f"{name}_last": rows[-1][name]}
        numbers = self._mean(torch.tensor([*figures.values(), float(wish_to_stop)], device=self.accelerator.device))
        figures = dict(zip(figures, numbers.tolist(), strict=False))
        for name, value in figures.items():
            if not math.isfinite(value):
                raise InputError(
                    f"{name} is {value} at step {self.steps_done}, after {self.images:,} images: lower --learning-rate "
                    f"or --clip; {self.out / 'checkpoint.pt'} is whole, the same command goes on from there"
                )
        average_gradients(self.parameters, self.accelerator)
        self._average_buffers()
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate_at(self.images)
        self.accelerator.clip_grad_norm_(self.parameters, config.clip)
        self.optimizer.step()
        self.images += self.batch
        self.steps_done += 1
        self._update_kept()
        return figures, bool(numbers[-1] > 0)

    def _mean(self, tensor: Tensor) -> Tensor:
        """The mean over processes."""
        return self.accelerator.reduce(tensor, "mean") if self.accelerator.num_processes > 1 else tensor

    @torch.no_grad()
    def _average_buffers(self) -> None:
        for buffer in self.encoder.buffers():  # running statistics, where they are learnt
            if buffer.is_floating_point() and self.accelerator.num_processes > 1:
                buffer.copy_(self._mean(buffer))

    @torch.no_grad()
    def _update_kept(self) -> None:
        if self.kept is self.encoder:
            return
        half_life = min(self.config.average, max(1.0, 0.1 * self.images))
        share = 1 - 0.5 ** (self.batch / half_life)
        torch._foreach_lerp_(list(self.kept.parameters()), list(self.encoder.parameters()), share)
        for kept, now in zip(self.kept.buffers(), self.encoder.buffers(), strict=True):
            kept.copy_(now)

    def describe(self) -> dict[str, Any]:
        """What a checkpoint must share with a run that takes it up."""
        encoder = self.encoder
        return {
            "encoder": type(encoder).__name__,
            "kind": encoder.kind,
            "preset": encoder.preset.name,
            "options": dict(getattr(encoder, "options", {})),
        }

    def save(self, panel: Callable[[ContourEncoder], Tensor] | None = None) -> None:
        """Write checkpoint and panel; only the process that leads writes."""
        if self.leads:
            state = {
                "weights": self.kept.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "images": self.images,
                "step": self.steps_done,
                "description": self.describe(),
                "config": asdict(self.config),
            }
            if self.kept is not self.encoder:
                state["trained"] = self.encoder.state_dict()
            if self.critic is not None:
                state["critic"] = self.critic.state_dict()
            if self.accelerator.scaler is not None:
                state["scaler"] = self.accelerator.scaler.state_dict()
            save_atomically(state, self.out / "checkpoint.pt")
            if panel is not None:
                save_png(panel(self.kept.eval()), self.out / f"panel_{self.images // 1000:06d}k.png")
        self.accelerator.wait_for_everyone()

    def load(self, report: Callable[[str], None] = print) -> None:
        """Take up the checkpoint in `out`, if there is one. Raises InputError when it belongs to another run."""
        path = self.out / "checkpoint.pt"
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)  # "cpu:0" is no place to load to
            description = state["description"]
        except Exception as error:  # torch.load has many exception types; the cause is chained
            raise InputError(f"{path}: damaged, or not a checkpoint of this command; choose another --out") from error
        if description != self.describe():
            wanted, found = ({**d, **d["options"]} for d in (self.describe(), description))
            differing = [key for key in wanted if key != "options" and wanted[key] != found.get(key)]
            told = ", ".join(f"{key} {found.get(key)!r} for {wanted[key]!r}" for key in differing)
            raise InputError(f"{path}: belongs to another run ({told}); choose another --out")
        self.encoder.load_state_dict(state.get("trained", state["weights"]))
        if self.kept is not self.encoder:
            self.kept.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        if "critic" in state and self.critic is not None:
            self.critic.load_state_dict(state["critic"])
        if "scaler" in state and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.images, self.steps_done = state["images"], state["step"]
        changed = [key for key, value in asdict(self.config).items() if state["config"].get(key) != value]
        note = f"; changed since: {', '.join(changed)}" if changed else ""
        if self.leads:
            report(f"going on from {self.images:,} of {self.config.images:,} images{note}")
