"""What a long run does before its first step: look at every file it will need, and say what it will cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.faces.photo_faces import PhotoFaces
from idnb.faces.sources import load_faces

if TYPE_CHECKING:
    from accelerate import Accelerator

    from idnb.training.run import EncoderConfig

__all__ = ["checked_sets", "say_estimate"]


def checked_sets(names: Sequence[str], kind: str, report: Callable[[str], None] = print) -> list[Any]:
    """Open the sets of a training run; of CelebAMask-HQ the training split, unless another is named.

    names: as for `idnb.load_faces`. kind: of contour. report: takes lines of text.
    Raises InputError with one report of all that is missing or broken in a folder of photographs.
    """
    sets = []
    for name in names:
        faces = load_faces(name, otherwise="train")
        if isinstance(faces, PhotoFaces):
            if contour_kind(kind).needs_label_map and not faces.has_label_maps:
                raise InputError(f"{faces!r} has no label maps, which {kind} contours are; see data/README.md")
            found = faces.check(labels=kind != "low_res")
            found.require()
            report(found.text(limit=3))
        sets.append(faces)
    return sets


def say_estimate(
    config: EncoderConfig, preset: Preset, kind: str, accelerator: Accelerator, report: Callable[[str], None] = print
) -> None:
    """Say what the dual encoder's run will cost in memory and time; see `idnb.training.cost`.

    config: of the run. preset, kind: of the encoder. accelerator: its device, precision and processes. report: takes
    lines of text.
    """
    from idnb.cli.estimate import run_estimate
    from idnb.training.cost import step_cost

    dtype = torch.float32 if accelerator.mixed_precision in (None, "no") else torch.bfloat16
    cost = step_cost(preset.name, kind, config.checkpoint, dtype)
    steps = max(phase.steps for phase in config.phases)
    images = config.images // accelerator.num_processes  # that one process shows
    report(run_estimate(cost, config.batch, steps, images, accelerator.device))
    if config.accumulate > 1 or accelerator.num_processes > 1:
        step = config.batch * config.accumulate * accelerator.num_processes
        report(f"  a step          {step} images: {config.accumulate} batches on {accelerator.num_processes} processes")
