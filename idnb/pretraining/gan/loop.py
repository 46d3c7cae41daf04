"""The loop around `GanTraining`: checkpoints, log, sample sheets, growing, a clean stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor
from tqdm.auto import tqdm

from idnb.core.checkpoints import read_run, save_run, taking_up, to_go_on
from idnb.core.errors import InputError
from idnb.env import keep_freed_memory
from idnb.faces.real_images import RealImages
from idnb.models.stylegan2 import Generator
from idnb.pretraining.gan.growing import GrowingTraining
from idnb.training.logs import CsvLog, StopFlag

__all__ = ["train_gan"]

COLUMNS = ("step", "images", "size", "seconds")  # and those of the training


def train_gan(
    training: GrowingTraining,
    read_images: Callable[[int], Tensor],
    out: Path,
    minutes: float | None = None,
    save_minutes: float = 5.0,
    report: Callable[[str], None] = print,
) -> Generator:
    """Train, or go on where `out` stopped, until all images of the phases have been shown.

    training: fresh; a checkpoint in `out` is loaded into it.
    read_images: gives the pictures of a size in pixels, [N, size, size, 3] uint8.
    out: folder for checkpoint.pt, log.csv and samples_*.png.
    minutes: stop after so much time, as Ctrl-C would, without an error. save_minutes: time between checkpoints.
    Returns the average generator.
    Raises InputError when a loss is no longer a number; KeyboardInterrupt after Ctrl-C, once the checkpoint is written.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, config = out / "checkpoint.pt", training.config
    if checkpoint.is_file():
        state = read_run(checkpoint)
        with taking_up(checkpoint):
            training.load(state)
        report(f"going on from {training.images:,} of {config.total_images:,} images")
    keep_freed_memory()
    log = CsvLog(out / "log.csv", COLUMNS + training.columns, training.step)
    began = saved = time.perf_counter()
    real = None
    sums: dict[str, list[float]] = {}

    def save() -> None:
        save_run(training.state(), checkpoint)
        training.draw_sheets(out / f"samples_{training.images // 1000:06d}k.png")

    with (
        StopFlag() as stop,
        tqdm(
            total=config.total_images,
            initial=training.images,
            desc=type(training).__name__,
            unit="image",
            mininterval=5.0,
        ) as bar,
    ):
        while training.images < config.total_images:
            while training.size < config.size_at(training.images):
                training.grow()
                report(f"grown to {training.size} px after {training.images:,} images")
            if real is None or real.pixels.shape[1] != training.picture_size:
                real = RealImages(read_images(training.picture_size))
            for name, value in training.run_step(real).items():
                sums.setdefault(name, []).append(value)
                if not math.isfinite(value):
                    raise InputError(
                        f"{name} is {value} at step {training.step}: lower --learning-rate; {to_go_on(checkpoint)}"
                    )
            bar.update(config.batch)
            if training.step % 50 == 0:
                means = {name: round(sum(values) / len(values), 4) for name, values in sums.items()}
                sums.clear()
                seconds = round(time.perf_counter() - began, 1)
                log.add(step=training.step, images=training.images, size=training.size, seconds=seconds, **means)
                bar.set_postfix({"size": training.size, **means})
            now = time.perf_counter()
            over = minutes is not None and now - began > 60 * minutes
            if stop.raised or over or now - saved > 60 * save_minutes:
                save()
                saved = now
            if stop.raised:
                report(f"stopped after {training.images:,} images; the same command goes on from there")
                raise KeyboardInterrupt
            if over:
                break
    save()
    return training.average
