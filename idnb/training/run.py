"""The training of an encoder: moving average, optimiser, state, and what a step needs.

Everything random comes from (seed, step, process) alone, so a run that was interrupted goes on bit by bit as if it had
not been. Device, mixed precision and several processes are `accelerate`'s; gradients are averaged over processes once a
step.

Paper: section 3.1 (Adam, constant rate of 1e-4, batch of 8).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from idnb.core.checkpoints import counter, load_optimizer
from idnb.core.errors import InputError
from idnb.core.images import save_png
from idnb.core.tensor_files import load_strictly
from idnb.models.contour_encoder import ContourEncoder
from idnb.models.stylegan2 import Generator
from idnb.training.config import EncoderConfig
from idnb.training.loop import Training, run_training
from idnb.training.losses import EncoderLoss
from idnb.training.pair_data import PairBatch, PairData
from idnb.training.parallel import average_gradients
from idnb.training.step import TERMS, run_step

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["EncoderRun", "train_encoder"]


class EncoderRun(Training):
    """The state of a run: networks, optimiser, counters.

    encoder: what is trained. ema: its moving average, which is kept; the encoder itself where there is none. images,
    step: so far, over all processes. batch: images a step, over all processes. leads: whether this process writes
    files. panel: draws a picture [3, H, W] of an encoder's work, or None for none.
    """

    unit = "image"
    columns = ("rate", *TERMS, "identity_first", "identity_last", "perceptual_first", "perceptual_last")
    shown = ("total", "perceptual", "identity")
    log_every = 20

    def __init__(
        self,
        encoder: ContourEncoder,
        generator: Generator,
        data: PairData,
        loss: EncoderLoss,
        config: EncoderConfig,
        accelerator: Accelerator | None = None,
        panel: Callable[[ContourEncoder], Tensor] | None = None,
    ) -> None:
        if data.kind != encoder.kind or data.preset != encoder.preset:
            raise InputError(
                f"data: {data.kind} contours of preset {data.preset.name!r}; the encoder reads {encoder.kind} contours "
                f"of preset {encoder.preset.name!r}"
            )
        if accelerator is None:
            from accelerate import Accelerator

            accelerator = Accelerator()
        self.accelerator, self.config, self.data = accelerator, config, data
        self.panel = panel
        self.title, self.total = f"{encoder.kind} encoder", config.images
        self.leads = accelerator.is_main_process
        self.batch = config.batch * config.accumulate * accelerator.num_processes
        self.images = self.step = 0
        device = accelerator.device
        self.encoder = encoder.to(device=device)
        self.encoder.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.encoder).eval().requires_grad_(False) if config.ema else self.encoder
        self.generator = generator.to(device).eval().requires_grad_(False)
        self.generator.checkpoint = config.checkpoint
        self.generator.compute_dtype = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
        self.loss = loss.to(device)
        self.loss.to(memory_format=torch.channels_last)
        self.loss.perceptual.to(self.generator.compute_dtype)  # frozen, so it may be kept in the type it computes in
        self.parameters = [p for p in self.encoder.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(self.parameters, lr=config.learning_rate, betas=(0.9, 0.999), foreach=True)
        self.optimizer = accelerator.prepare(optimizer)

    @property
    def done(self) -> int:
        """Images shown so far."""
        return self.images

    def run_step(self) -> dict[str, float]:
        """One step on all processes. Returns the rate and the loss terms, averaged over refinements and processes."""
        config, phase = self.config, self.config.phase_at(self.images)
        place = self.step * 4096 + self.accelerator.process_index
        random = torch.Generator().manual_seed(config.seed * 1_000_000_007 + place)
        torch.manual_seed(config.seed * 7_919 + place)  # for encoders with dropout
        self.encoder.train()
        self.optimizer.zero_grad(set_to_none=True)
        parts = []
        for _ in range(config.accumulate):
            batch = self.data.draw(config.batch, random, config.p_same_identity)
            batch = PairBatch(*(part.to(self.accelerator.device) for part in batch))
            networks = (self.encoder, self.generator, self.loss)
            step = run_step(*networks, batch, phase, random, self.accelerator, config.accumulate)
            parts.append(step)
        rows = [
            {name: sum(row[name] for row in step) / len(step) for name in TERMS} for step in zip(*parts, strict=True)
        ]
        metrics = {name: sum(row[name] for row in rows) / len(rows) for name in TERMS}
        for name in ("identity", "perceptual"):
            metrics |= {f"{name}_first": rows[0][name], f"{name}_last": rows[-1][name]}
        numbers = self._mean(torch.tensor([*metrics.values()], device=self.accelerator.device))
        rate = config.rate_at(self.images)
        metrics = {"rate": rate, **dict(zip(metrics, numbers.tolist(), strict=True))}
        average_gradients(self.parameters, self.accelerator)
        self._average_buffers()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.accelerator.clip_grad_norm_(self.parameters, config.clip)
        self.optimizer.step()
        self.images += self.batch
        self.step += 1
        self._update_ema()
        return metrics

    def agree(self, wish: bool) -> bool:
        """Whether any process has the wish."""
        if self.accelerator.num_processes == 1:  # nobody else has to be told
            return wish
        return bool(self._mean(torch.tensor(float(wish), device=self.accelerator.device)) > 0)

    def _mean(self, tensor: Tensor) -> Tensor:
        """The mean over processes."""
        return self.accelerator.reduce(tensor, "mean") if self.accelerator.num_processes > 1 else tensor

    @torch.no_grad()
    def _average_buffers(self) -> None:
        for buffer in self.encoder.buffers():  # running statistics, where they are learnt
            if buffer.is_floating_point() and self.accelerator.num_processes > 1:
                buffer.copy_(self._mean(buffer))

    @torch.no_grad()
    def _update_ema(self) -> None:
        if self.ema is self.encoder:
            return
        half_life = min(self.config.ema, max(1.0, 0.1 * self.images))
        share = 1 - 0.5 ** (self.batch / half_life)
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.encoder.parameters()), share)
        for mean, now in zip(self.ema.buffers(), self.encoder.buffers(), strict=True):
            mean.copy_(now)

    def describe(self) -> dict[str, Any]:
        """What a checkpoint must share with a run that takes it up."""
        encoder = self.encoder
        return {
            "encoder": type(encoder).__name__,
            "kind": encoder.kind,
            "preset": encoder.preset.name,
            "options": dict(getattr(encoder, "options", {})),
        }

    def state(self) -> dict[str, Any]:
        """Weights, optimiser, counters."""
        state = {
            "weights": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "images": self.images,
            "step": self.step,
            "config": asdict(self.config),
        }
        if self.ema is not self.encoder:
            state["trained"] = self.encoder.state_dict()
        if self.accelerator.scaler is not None:
            state["scaler"] = self.accelerator.scaler.state_dict()
        return state

    def load(self, state: dict[str, Any]) -> str:
        """Take up a state; settings may have changed since. Returns which have."""
        load_strictly(self.encoder, state.get("trained", state["weights"]), "checkpoint, weights")
        if self.ema is not self.encoder:
            load_strictly(self.ema, state["weights"], "checkpoint, weights")
        load_optimizer(self.optimizer, state["optimizer"])
        if "scaler" in state and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.images, self.step = counter(state, "images"), counter(state, "step")
        changed = [key for key, value in asdict(self.config).items() if state["config"].get(key) != value]
        return f"changed since: {', '.join(changed)}" if changed else ""

    def draw(self, out: Path) -> None:
        """A panel of what the moving average makes of some pairs."""
        if self.panel is not None:
            save_png(self.panel(self.ema.eval()), out / f"panel_{self.images // 1000:06d}k.png")


def train_encoder(
    encoder: ContourEncoder,
    generator: Generator,
    data: PairData,
    loss: EncoderLoss,
    config: EncoderConfig,
    out: str | Path,
    accelerator: Accelerator | None = None,
    minutes: float | None = None,
    save_minutes: float = 5.0,
    report: Callable[[str], None] = print,
    panel: Callable[[ContourEncoder], Tensor] | None = None,
) -> ContourEncoder:
    """Train an encoder, or go on where `out` stopped, until all images of the phases have been shown.

    encoder: fresh; a checkpoint in `out` is loaded into it. generator: frozen. data, loss, config: see there.
    out: folder for checkpoint.pt, log.csv and panel_*.png. accelerator: device, precision, processes; None makes one.
    minutes, save_minutes, report: as of `run_training`.
    panel: draws a picture [3, H, W] of an encoder's work, or None for none.
    Returns the encoder to keep, in eval mode: the moving average where there is one. Raises as `run_training`.
    """
    dtype = generator.compute_dtype
    run = EncoderRun(encoder, generator, data, loss, config, accelerator, panel)
    run_training(run, out, minutes, save_minutes, report)
    run.accelerator.wait_for_everyone()
    generator.compute_dtype = dtype  # a caller that measures next does so in the type it loaded
    return run.ema.eval()
