"""A generator that grows, in the training loop: pictures of the right size, growing in time, sheets of samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from idnb.env import keep_freed_memory
from idnb.faces.real_images import RealImages
from idnb.models.stylegan2 import Generator
from idnb.pretraining.gan.growing import GrowingTraining
from idnb.training.loop import Training, run_training

__all__ = ["Growth", "train_gan"]


class Growth(Training):
    """The training of a generator as the loop sees it.

    training: which networks, and what a step is. read_images: see `train_gan`.
    """

    unit = "image"
    log_every = 50

    def __init__(
        self, training: GrowingTraining, read_images: Callable[[int], Tensor], report: Callable[[str], None] = print
    ) -> None:
        self.training, self.read_images, self.report = training, read_images, report
        self.title, self.total = type(training).__name__, training.config.total_images
        self.columns = self.shown = ("size", *training.columns)
        self.real: RealImages | None = None

    @property
    def step(self) -> int:  # type: ignore[override]
        """Steps done."""
        return self.training.step

    @property
    def done(self) -> int:
        """Images shown so far."""
        return self.training.images

    def run_step(self) -> dict[str, float]:
        """Grow where it is time, then one step on pictures of the size that is trained at."""
        training = self.training
        while training.size < training.config.size_at(training.images):
            training.grow()
            self.report(f"grown to {training.size} px after {training.images:,} images")
        if self.real is None or self.real.pixels.shape[1] != training.picture_size:
            self.real = RealImages(self.read_images(training.picture_size))
        return {"size": training.size, **training.run_step(self.real)}

    def describe(self) -> dict[str, Any]:
        """Which training it is, at which sizes."""
        return {"training": self.title, "preset": self.training.preset.name}

    def state(self) -> dict[str, Any]:
        """That of the training."""
        return self.training.state()

    def load(self, state: dict[str, Any]) -> str:
        """Into the training."""
        self.training.load(state)
        return ""

    def draw(self, out: Path) -> None:
        """A sheet of samples."""
        self.training.draw_sheets(out / f"samples_{self.training.images // 1000:06d}k.png")


def train_gan(
    training: GrowingTraining,
    read_images: Callable[[int], Tensor],
    out: str | Path,
    minutes: float | None = None,
    save_minutes: float = 5.0,
    report: Callable[[str], None] = print,
) -> Generator:
    """Train, or go on where `out` stopped, until all images of the phases have been shown.

    training: fresh; a checkpoint in `out` is loaded into it.
    read_images: gives the pictures of a size in pixels, [N, size, size, 3] uint8.
    out: folder for checkpoint.pt, log.csv and samples_*.png. minutes, save_minutes, report: as of `run_training`.
    Returns the generator's moving average. Raises as `run_training`.
    """
    keep_freed_memory()
    run_training(Growth(training, read_images, report), out, minutes, save_minutes, report)
    return training.ema
