"""Training of the two networks that measure rendered faces: the parser and the attribute regressor.

Every step draws its batch and its corruptions from (seed, step) alone, so an interrupted run goes on exactly as if it
had not been. Images are mirrored, blurred, tinted and made noisy, because they are asked about generated faces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.faces.iou import intersection_and_union, mean_iou
from idnb.faces.labels import LABEL_NAMES
from idnb.models.attribute_regressor import ATTRIBUTES, LIGHT, MIRRORED, POSE, SHAPE, AttributeRegressor, truth_table
from idnb.models.face_parser import FaceParser
from idnb.pretraining.data import IdentityData, join, read_people
from idnb.training.loop import Training, run_training

__all__ = [
    "MeasuringConfig",
    "MeasuringTraining",
    "corrupt",
    "parser_figures",
    "parser_loss",
    "attribute_figures",
    "attribute_loss",
    "train_attributes",
    "train_parser",
]


@dataclass(frozen=True)
class MeasuringConfig:
    """What a run is made of: its length in steps, images a step, AdamW's rate, seed."""

    steps: int = 1200
    batch: int = 48
    learning_rate: float = 4e-3
    seed: int = 4


def corrupt(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mild corruptions: half of the images lose sharpness, half get noise, all change exposure and tint a little.

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


def parser_loss(scores: Tensor, label_maps: Tensor) -> Tensor:
    """Cross entropy in which small parts count more: scores [B, 19, H, W], label_maps [B, H, W] long.

    A class weighs one over the root of its area in the batch; classes that are not there weigh nothing.
    """
    area = torch.bincount(label_maps.flatten(), minlength=scores.shape[1]).float()
    weight = torch.where(area > 0, (area.sum() / area.clamp_min(1.0)).sqrt(), 0.0)
    return F.cross_entropy(scores, label_maps, weight=weight)


def attribute_loss(readings: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error in standard deviations, [B, K] each; pose and light count as much as all of the shape."""
    error = (readings - truth).square().mean(0)  # [K]
    first = len(POSE) + len(LIGHT)
    return error[:first].mean() + error[first:].mean()


class MeasuringTraining(Training):
    """The training of the parser or the attribute regressor.

    network: `FaceParser` or `AttributeRegressor`. data: training people. truth: for the parser label maps
    [N, 64, 64]; for the regressor values [N, K] in standard deviations. Raises InputError for fewer images than a
    batch.
    """

    columns = shown = ("loss",)
    remedy = "use another --seed, and another --out"

    def __init__(self, network: nn.Module, data: IdentityData, truth: Tensor, config: MeasuringConfig) -> None:
        if len(truth) < config.batch:
            raise InputError(f"data: {len(truth)} images are fewer than one batch of {config.batch}; render more")
        self.network, self.data, self.truth, self.config = network, data, truth, config
        self.title, self.total = type(network).__name__, config.steps
        self.reads_numbers = isinstance(network, AttributeRegressor)
        network.to(memory_format=torch.channels_last)
        network.train()
        self.optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=0.02)

    def run_step(self) -> dict[str, float]:
        """One batch. Returns the loss."""
        config, step = self.config, self.step
        warm = max(1, config.steps // 20)
        rate = 0.5 * (1 + math.cos(math.pi * step / config.steps)) * min(1.0, (step + 1) / warm)
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * rate
        generator = torch.Generator().manual_seed(config.seed * 15_485_863 + step)
        rows = torch.randint(0, len(self.truth), (config.batch,), generator=generator)
        images, target = self.data.images[rows].float() / 127.5 - 1.0, self.truth[rows]  # [B, 3, 64, 64]
        if bool(torch.rand(1, generator=generator) < 0.5):
            images = images.flip(-1)
            target = mirror_values(target) if self.reads_numbers else contour_kind("label_map").mirror(target.long())
        images = corrupt(images, generator).contiguous(memory_format=torch.channels_last)
        answer = self.network(images)
        loss = attribute_loss(answer, target) if self.reads_numbers else parser_loss(answer, target.long())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        return {"loss": loss.item()}

    def describe(self) -> dict[str, Any]:
        """Settings and people of the run."""
        return {"config": asdict(self.config), "images": len(self.truth), "network": type(self.network).__name__}

    def parts(self) -> dict[str, Any]:
        """Network, optimiser."""
        return {"weights": self.network, "optimiser": self.optimiser}


def train_parser(
    people: Sequence[Any], test: Any, config: MeasuringConfig, out: str | Path
) -> tuple[FaceParser, IdentityData, dict[str, Any]]:
    """Train the parser from nothing, or go on where `out` stopped, and measure it.

    people: sets to learn from, as of `idnb.load_faces`. test: a set of other people. out: folder of the run.
    Returns the parser, what it learnt from, and its metrics on `test`.
    """
    data, unseen = join([read_people(faces) for faces in people]), read_people(test)
    torch.manual_seed(config.seed)
    network = FaceParser()
    run_training(MeasuringTraining(network, data, data.label_maps, config), out)
    return network, data, parser_figures(network.eval(), unseen)


def train_attributes(
    people: Sequence[Any], test: Any, config: MeasuringConfig, out: str | Path
) -> tuple[AttributeRegressor, IdentityData, dict[str, Any]]:
    """Train the attribute regressor as `train_parser` does the parser; the sets know the renderer's numbers."""
    data, unseen = join([read_people(faces) for faces in people]), read_people(test)
    truth, unseen_truth = torch.cat([truth_table(faces.parameters) for faces in people]), truth_table(test.parameters)
    torch.manual_seed(config.seed)
    network = AttributeRegressor()
    network.mean.copy_(truth.mean(0))
    network.deviation.copy_(truth.std(0).clamp_min(1e-6))
    values = ((truth - network.mean) / network.deviation).clamp(-4.0, 4.0)
    run_training(MeasuringTraining(network, data, values, config), out)
    return network, data, attribute_figures(network.eval(), unseen, unseen_truth)


def mirror_values(values: Tensor) -> Tensor:
    """Readings [B, K] of the mirrored faces: yaw and the light's azimuth change sign.

    In standard deviations this takes their means for zero, which rendered sets are drawn around.
    """
    mirrored = values.clone()
    mirrored[:, list(MIRRORED)] *= -1.0
    return mirrored


@torch.inference_mode()
def parser_figures(network: FaceParser, data: IdentityData) -> dict[str, Any]:
    """Mean intersection over union on test faces as they are and corrupted, accuracy, and each class's own figure."""
    metrics: dict[str, Any] = {"images": len(data.identity)}
    generator = torch.Generator().manual_seed(0)
    for name in ("", "_corrupted"):
        counts = torch.zeros(len(LABEL_NAMES), 2, dtype=torch.long)
        right = 0.0
        for start in range(0, len(data.identity), 100):
            images = data.images[start : start + 100].float() / 127.5 - 1.0
            found = network.label_maps(corrupt(images, generator) if name else images)
            truth = data.label_maps[start : start + 100].long()
            counts += intersection_and_union(found, truth).sum(0)
            right += float((found == truth).float().mean((1, 2)).sum())
        metrics[f"mean_iou{name}"] = round(mean_iou(counts), 4)
        metrics[f"pixel_accuracy{name}"] = round(right / len(data.identity), 4)
        if not name:
            each = (counts[:, 0] / counts[:, 1].clamp_min(1)).tolist()
            there = (counts[:, 1] > 0).tolist()
            metrics["iou"] = {n: round(v, 3) for n, v, t in zip(LABEL_NAMES, each, there, strict=True) if t}
    return metrics


@torch.inference_mode()
def attribute_figures(network: AttributeRegressor, data: IdentityData, truth: Tensor) -> dict[str, Any]:
    """Correlation with the truth on test faces; they are also written into the network, see `AttributeRegressor`."""
    metrics: dict[str, Any] = {"images": len(data.identity)}
    generator = torch.Generator().manual_seed(0)
    for name in ("", "_corrupted"):
        parts = []
        for start in range(0, len(data.identity), 100):
            images = data.images[start : start + 100].float() / 127.5 - 1.0
            parts.append(network(corrupt(images, generator) if name else images))
        found = torch.cat(parts) * network.deviation + network.mean  # [N, K]
        both = torch.stack([found, truth]) - torch.stack([found, truth]).mean(1, keepdim=True)
        correlation = (both[0] * both[1]).sum(0) / (both[0].norm(dim=0) * both[1].norm(dim=0)).clamp_min(1e-9)
        named = dict(zip(ATTRIBUTES, correlation.tolist(), strict=True))
        metrics[f"correlation{name}"] = {k: round(v, 4) for k, v in named.items() if k not in SHAPE}
        of_shape = torch.tensor([named[k] for k in SHAPE])
        metrics[f"shape_correlation_mean{name}"] = round(of_shape.mean().item(), 3)
        metrics[f"shape_above_half{name}"] = f"{int((of_shape > 0.5).sum())} of {len(SHAPE)}"
        for column, angle in enumerate(POSE):
            error = (found[:, column] - truth[:, column]).abs().mean().item()
            metrics[f"{angle.split('.')[1]}_error_degrees{name}"] = round(float(np.degrees(error)), 2)
        if not name:
            network.correlation.copy_(correlation)
    return metrics
