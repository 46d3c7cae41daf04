"""The generator's training from its first step to its last: warm-up, mapping network, adversarial phases."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from idnb.faces.real_images import RealImages
from idnb.pretraining.gan.adversarial import GanTraining
from idnb.pretraining.gan.loop import train_gan
from idnb.pretraining.gan.warmup import WarmUp
from idnb.training.loop import CHECKPOINT

__all__ = ["train_generator"]


def train_generator(
    training: GanTraining,
    read_images: Callable[[int], Tensor],
    out: str | Path,
    warm_up: tuple[tuple[int, int], ...] = (),
    minutes: float | None = None,
    save_minutes: float = 5.0,
    report: Callable[[str], None] = print,
) -> bool:
    """Train, or go on where `out` stopped, through all stages.

    training: fresh; it knows the codes of the pictures where there is a warm-up. read_images, minutes, save_minutes,
    report: as of `train_gan`; the time is that of all stages together. out: folder, with one in it for each stage
    before the adversarial one. warm_up: phases of it, (size, images) each; none begins with nothing.
    Returns whether the adversarial stage has begun. Raises as `run_training`.
    """
    out, ends = Path(out), None if minutes is None else time.monotonic() + 60 * minutes

    def left() -> float | None:
        return None if ends is None else (ends - time.monotonic()) / 60

    if warm_up and training.codes is not None and not (out / CHECKPOINT).is_file():
        config = replace(training.config, phases=warm_up)
        first = WarmUp(training.preset, config, training.codes, training.device, training.bf16)
        train_gan(first, read_images, out / "warm_up", left(), save_minutes, report)
        if first.images < config.total_images:
            report(f"{first.images:,} images of the warm-up shown; the same command goes on from there")
            return False
        real = RealImages(read_images(training.size))
        if not training.start_from(first, real, out / "mapping", left(), save_minutes, report):
            report("the mapping network has not learnt all yet; the same command goes on from there")
            return False
    train_gan(training, read_images, out, left(), save_minutes, report)
    return True
