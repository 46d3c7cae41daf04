"""What a run will cost, in words: memory and time here and on GPUs that others have."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from idnb.core.presets import Preset
from idnb.training.cost import RESERVE, TRANSIENT, StepCost, step_cost

if TYPE_CHECKING:
    from accelerate import Accelerator

    from idnb.training.config import EncoderConfig

__all__ = [
    "CONV_SHARE",
    "GPUS",
    "UTILISATION",
    "Gpu",
    "describe",
    "fit_table",
    "machine_speed",
    "run_estimate",
    "say_estimate",
]

UTILISATION = 0.3
"""Share of the data sheet's speed that a training step is assumed to reach. An assumption, not a measurement."""

CONV_SHARE = 0.5
"""Share of the speed of one plain convolution, measured on this machine, that a whole step is assumed to reach."""


@dataclass(frozen=True)
class Gpu:
    """A GPU by its data sheet: usable memory in bytes; operations a second in float32 and in mixed precision."""

    name: str
    memory: float
    single: float
    mixed: float
    count: int = 1


GPUS = (
    Gpu("T4 16 GB", 15e9, 8.1e12, 65e12),
    Gpu("A100 40 GB", 40e9, 19.5e12, 312e12),
    Gpu("8 x A100 40 GB", 40e9, 19.5e12, 312e12, 8),
)


def describe(cost: StepCost) -> list[str]:
    """What a step costs, in lines of text."""
    parts = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in cost.kept.items())
    parts += f", one block again {cost.again / 1e9:.2f}" if cost.again else ""
    checkpointed = ", generator checkpointed" if cost.checkpoint else ""
    return [
        f"preset {cost.preset}, {cost.kind} contours, {str(cost.dtype)[6:]}{checkpointed}",
        f"  parameters      {cost.trained / 1e6:.1f} M trained, {cost.frozen / 1e6:.1f} M frozen",
        f"  fixed           {cost.fixed / 1e9:.2f} GB: weights, gradients, Adam, frozen networks",
        f"  each sample     {cost.per_sample / 1e9:.2f} GB at the peak; kept: {parts}",
        f"  operations      {cost.operations / 1e12:.3g} TFLOP a sample and refinement step",
    ]


def run_estimate(cost: StepCost, batch: int, steps: int, images: int, device: torch.device) -> str:
    """Memory and time of a run on this machine, as text.

    cost: see `step_cost`. batch: images at once. steps: refinement steps. images: of the run. device: where it runs;
    its speed is measured with one convolution, which takes under a second.
    """
    memory = cost.memory(batch) + (RESERVE if device.type == "cuda" else 0.0)
    speed = CONV_SHARE * machine_speed(device, cost.dtype)
    seconds = batch * steps * cost.operations / speed
    there = _memory_of(device)
    verdict = "" if there is None else f" of {there / 1e9:.0f} GB" + ("" if memory < 0.95 * there else ": DOES NOT FIT")
    lines = [
        *describe(cost),
        f"  batch of {batch:<6d} {memory / 1e9:.1f} GB{verdict}",
        f"  on this {device.type:<8s} about {_round(seconds)} s a step of {steps} refinements, "
        f"{_duration(seconds * images / batch)} for {images:,} images (from one convolution: a rough guess)",
    ]
    if "DOES NOT FIT" in verdict:
        fits = cost.largest_batch(there) if there is not None else 0
        lines.append(
            f"  what helps: --batch {max(1, fits)} --accumulate {math.ceil(batch / max(1, fits))}, --checkpoint"
        )
    return "\n".join(lines)


def fit_table(preset: str, kind: str, batch: int, steps: int, images: int) -> str:
    """What fits on GPUs that are not here: computed from the bytes a sample keeps and from data sheets."""
    head = "| GPU | precision | generator | largest batch | a step of " + f"{batch} | {images:,} images |"
    lines = [
        f"Computed, not run on these GPUs: bytes kept for the backward pass x {TRANSIENT} (measured on a CPU), 1 GB "
        f"put aside on each GPU, and {UTILISATION:.0%} of the data sheet's speed.",
        "",
        head,
        "|---|---|---|---|---|---|",
    ]
    for gpu in GPUS:
        for dtype, speed, name in ((torch.float32, gpu.single, "float32"), (torch.bfloat16, gpu.mixed, "mixed")):
            for checkpoint in (False, True):
                cost = step_cost(preset, kind, checkpoint, dtype)
                fits = cost.largest_batch(gpu.memory)
                each = math.ceil(batch / gpu.count)
                seconds = each * steps * cost.operations / (UTILISATION * speed)
                batches = math.ceil(each / fits) if fits else 0
                how = (
                    "fits" if batches == 1 else f"{batches} x {math.ceil(each / batches)} accumulated" if fits else "-"
                )
                share = f"{each} each" if gpu.count > 1 else f"{each}"
                cells = [gpu.name, name, "checkpointed" if checkpoint else "as it is"]
                cells += [f"{fits} on a GPU" if gpu.count > 1 else f"{fits}", f"{share}: {how}, {_round(seconds)} s"]
                cells += [_duration(seconds * images / batch) if fits else "-"]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


@torch.no_grad()
def machine_speed(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Operations a second of one 3 x 3 convolution with 128 channels at 64 px; the best of three."""
    x = torch.randn(1, 128, 64, 64, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 3, 3, device=device, dtype=dtype)
    best = math.inf
    for _ in range(4):  # the first one warms up
        _wait(device)
        began = time.perf_counter()
        torch.nn.functional.conv2d(x, weight, padding=1)
        _wait(device)
        best = min(best, time.perf_counter() - began)
    return 2 * 128 * 128 * 9 * 64 * 64 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory_of(device: torch.device) -> float | None:
    """Bytes of memory of a device; of this machine for the CPU."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    from idnb.env import memory_gb

    there = memory_gb()
    return None if there is None else 1e9 * there


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{_round(seconds / size)} {unit}"
    return f"{_round(seconds)} seconds"


def _round(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


def say_estimate(
    config: EncoderConfig, preset: Preset, kind: str, accelerator: Accelerator, report: Callable[[str], None] = print
) -> None:
    """Say what the dual encoder's run will cost in memory and time; see `idnb.training.cost`.

    config: of the run. preset, kind: of the encoder. accelerator: its device, precision and processes. report: takes
    lines of text.
    """
    dtype = torch.float32 if accelerator.mixed_precision in (None, "no") else torch.bfloat16
    cost = step_cost(preset.name, kind, config.checkpoint, dtype)
    steps = max(phase.steps for phase in config.phases)
    images = config.images // accelerator.num_processes  # that one process shows
    report(run_estimate(cost, config.batch, steps, images, accelerator.device))
    if config.accumulate > 1 or accelerator.num_processes > 1:
        step = config.batch * config.accumulate * accelerator.num_processes
        report(f"  a step          {step} images: {config.accumulate} batches on {accelerator.num_processes} processes")
