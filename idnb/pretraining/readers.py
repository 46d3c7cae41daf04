"""Training of the two networks that read rendered faces: the parser and the reader of pose, light and shape.

Every step draws its batch and its damage from (seed, step) alone, so an interrupted run goes on exactly as if it had
not been. Images are mirrored, blurred, tinted and made noisy, because the readers are asked about generated faces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from idnb.core.errors import InputError
from idnb.models.face_reader import LIGHT, MIRRORED, POSE, FaceReader
from idnb.pretraining.data import IdentityData
from idnb.pretraining.identity import CsvLog, StopFlag, save_atomically

__all__ = ["ReaderConfig", "damage", "mirror_labels", "parser_loss", "reader_loss", "train_reader"]

# Class numbers that change places when a face is mirrored: eyes, brows, ears.
SWAPPED = ((4, 5), (6, 7), (8, 9))


@dataclass(frozen=True)
class ReaderConfig:
    """What a run is made of: its length in steps, images a step, AdamW's rate, seed, steps between checkpoints."""

    steps: int = 1200
    batch: int = 48
    learning_rate: float = 4e-3
    seed: int = 4
    save_every: int = 100


def damage(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mild damage: half of the images lose sharpness, half get noise, all change exposure and tint a little.

    images: [B, 3, H, W] in [-1, 1]. Returns the same shape and range.
    """
    count = len(images)

    def share(p: float) -> Tensor:
        return (torch.rand(count, 1, 1, 1, generator=generator) < p).float()

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    soft = images
    for _ in range(2):
        soft = F.avg_pool2d(F.pad(soft, (1, 1, 1, 1), mode="replicate"), 3, 1)  # [B, 3, H, W]
    images = torch.lerp(images, soft, share(0.5) * uniform(1, 1, 1))
    noise = torch.randn(images.shape, generator=generator)
    images = images + 0.1 * share(0.5) * uniform(1, 1, 1) * noise
    gain = torch.exp(0.06 * torch.randn(count, 1, 1, 1, generator=generator))
    tint = 0.03 * torch.randn(count, 3, 1, 1, generator=generator)
    return ((images + 1.0) * gain - 1.0 + tint).clamp(-1.0, 1.0)


def mirror_labels(label_maps: Tensor) -> Tensor:
    """Label maps [B, H, W] of the mirrored faces: turned left to right, left and right parts renamed."""
    names = torch.arange(19)
    for a, b in SWAPPED:
        names[[a, b]] = names[[b, a]]
    return names[label_maps.long().flip(-1)]  # [B, H, W]


def parser_loss(scores: Tensor, label_maps: Tensor) -> Tensor:
    """Cross entropy in which small parts count more: scores [B, 19, H, W], label_maps [B, H, W] long.

    A class weighs one over the root of its area in the batch; classes that are not there weigh nothing.
    """
    area = torch.bincount(label_maps.flatten(), minlength=scores.shape[1]).float()
    weight = torch.where(area > 0, (area.sum() / area.clamp_min(1.0)).sqrt(), 0.0)
    return F.cross_entropy(scores, label_maps, weight=weight)


def reader_loss(readings: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error in deviations, [B, K] each; pose and light count as much as all of the shape."""
    error = (readings - truth).square().mean(0)  # [K]
    first = len(POSE) + len(LIGHT)
    return error[:first].mean() + error[first:].mean()


def train_reader(
    network: nn.Module,
    data: IdentityData,
    truth: Tensor,
    config: ReaderConfig,
    out: Path,
    report: Callable[[str], None] = print,
) -> nn.Module:
    """Train the parser or the reader, or go on where `out` stopped.

    network: `FaceParser` or `FaceReader`. data: training people. truth: for the parser label maps [N, 64, 64]; for the
    reader values [N, K] in deviations. out: folder for `checkpoint.pt` and `log.csv`.
    Returns the network in eval mode.
    Raises InputError on a checkpoint of another run and when the loss stops being a number; KeyboardInterrupt after
    Ctrl-C, once the checkpoint is written.
    """
    if len(truth) < config.batch:
        raise InputError(f"data: {len(truth)} images are fewer than one batch of {config.batch}; render more")
    out.mkdir(parents=True, exist_ok=True)
    reads_numbers = isinstance(network, FaceReader)
    network.to(memory_format=torch.channels_last)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=0.02)
    description = {"config": asdict(config), "images": len(truth), "network": type(network).__name__}
    checkpoint, start = out / "checkpoint.pt", 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        if state["description"] != description:
            raise InputError(f"{checkpoint}: belongs to a run with other settings or people; choose another --out")
        network.load_state_dict(state["weights"])
        optimiser.load_state_dict(state["optimiser"])
        start = state["step"]
        report(f"going on from step {start} of {config.steps}")
    log = CsvLog(out / "log.csv", ("step", "loss"), start)
    warm = max(1, config.steps // 20)
    with StopFlag() as stop, tqdm(total=config.steps, initial=start, desc=out.name, mininterval=5.0) as bar:
        for step in range(start, config.steps):
            rate = 0.5 * (1 + math.cos(math.pi * step / config.steps)) * min(1.0, (step + 1) / warm)
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * rate
            generator = torch.Generator().manual_seed(config.seed * 15_485_863 + step)
            rows = torch.randint(0, len(truth), (config.batch,), generator=generator)
            images, target = data.images[rows].float() / 127.5 - 1.0, truth[rows]  # [B, 3, 64, 64]
            if bool(torch.rand(1, generator=generator) < 0.5):
                images = images.flip(-1)
                target = mirror_values(target) if reads_numbers else mirror_labels(target)
            images = damage(images, generator).contiguous(memory_format=torch.channels_last)
            answer = network(images)
            loss = reader_loss(answer, target) if reads_numbers else parser_loss(answer, target.long())
            if not math.isfinite(value := loss.item()):
                raise InputError(f"the loss is {value} at step {step}: use a lower --learning-rate")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            log.add(step=step, loss=round(value, 4))
            bar.set_postfix(loss=f"{value:.3f}")
            bar.update()
            if step + 1 == config.steps or stop.raised or (step + 1) % config.save_every == 0:
                parts = {"weights": network.state_dict(), "optimiser": optimiser.state_dict()}
                save_atomically({**parts, "step": step + 1, "description": description}, checkpoint)
            if stop.raised:
                report(f"stopped after step {step + 1}; the same command goes on from there")
                raise KeyboardInterrupt
    return network.eval()


def mirror_values(values: Tensor) -> Tensor:
    """Readings [B, K] of the mirrored faces: yaw and the light's azimuth change sign.

    In deviations this takes their means for zero, which rendered sets are drawn around.
    """
    mirrored = values.clone()
    mirrored[:, list(MIRRORED)] *= -1.0
    return mirrored
