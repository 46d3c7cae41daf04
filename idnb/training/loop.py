"""One loop for every learned encoder.

What a step does is in `idnb.training.step`; here are time, checkpoints, log, panels, a clean stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor
from tqdm.auto import tqdm

from idnb.training.logs import CsvLog, StopFlag

if TYPE_CHECKING:
    from accelerate import Accelerator

    from idnb.models.contour_encoder import ContourEncoder
    from idnb.models.stylegan2 import Generator
    from idnb.training.config import EncoderConfig
    from idnb.training.critic import Critic
    from idnb.training.losses import EncoderLoss
    from idnb.training.pair_data import PairData

__all__ = ["train_encoder"]

LOG_EVERY = 20  # steps


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
    critic: Critic | None = None,
) -> ContourEncoder:
    """Train an encoder, or go on where `out` stopped, until all images of the phases have been shown.

    encoder: fresh; a checkpoint in `out` is loaded into it. generator: frozen. data, loss, config: see there.
    out: folder for checkpoint.pt, log.csv and panel_*.png. accelerator: device, precision, processes; None makes one.
    minutes: stop after so much time, without an error. save_minutes: time between checkpoints and panels.
    panel: draws a picture [3, H, W] of an encoder's work, or None for none. critic: for a loss in which realism has a
    weight; it learns along, and its state is part of the checkpoint.
    Returns the encoder to keep, in eval mode: the moving average where there is one.
    Raises InputError on a foreign checkpoint and when a loss is no longer a number; KeyboardInterrupt after Ctrl-C,
    once the checkpoint is written.
    """
    from idnb.training.run import EncoderRun

    run = EncoderRun(encoder, generator, data, loss, config, Path(out), accelerator, critic)
    run.load(report)
    log = CsvLog(run.out / "log.csv", run.COLUMNS, run.steps_done) if run.leads else None
    began = saved = time.perf_counter()
    before = run.images
    rows: list[dict[str, float]] = []
    with (
        StopFlag() as stop,
        tqdm(
            total=config.images,
            initial=min(run.images, config.images),
            desc=f"{encoder.kind} encoder",
            unit="image",
            mininterval=2.0,
            disable=not run.leads,
        ) as bar,
    ):
        stopping = False
        while run.images < config.images and not stopping:
            over = minutes is not None and time.perf_counter() - began > 60 * minutes
            row, stopping = run.step(stop.raised or over)
            if run.accelerator.num_processes == 1:  # nobody else has to be told first
                stopping = stopping or stop.raised
            rows.append(row)
            bar.update(min(run.images, config.images) - bar.n)
            seconds = time.perf_counter() - began
            if run.steps_done % LOG_EVERY == 0 or run.images >= config.images or stopping:
                means = {name: round(sum(r[name] for r in rows) / len(rows), 4) for name in row}
                rows.clear()
                bar.set_postfix({name: means[name] for name in ("total", "perceptual", "identity")})
                if log:
                    log.add(
                        step=run.steps_done - 1,
                        images=run.images,
                        seconds=round(seconds, 1),
                        images_per_second=round((run.images - before) / seconds, 2),
                        rate=f"{config.rate_at(run.images):.3e}",
                        **means,
                    )
            if time.perf_counter() - saved > 60 * save_minutes and not stopping:
                run.save(panel)
                saved = time.perf_counter()
    run.save(panel)
    if stop.raised:
        report(f"stopped after {run.images:,} images; the same command goes on from there")
        raise KeyboardInterrupt
    return run.kept.eval()
