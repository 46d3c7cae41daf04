"""How well an identity network tells people apart: same person or not, asked of every pair of images.

Figures are for people the network was not trained on. Each is given for the images as they are, without colour, and
with hair, background and clothes painted over, because a network that lives on those says nothing about the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.images import grey_scale
from idnb.core.roc import curve_metrics, ends_of_ties
from idnb.pretraining.augmentation import hide_surroundings

__all__ = ["BARS", "CONDITIONS", "Verification", "embed_images", "evaluate_network", "summary", "table", "verification"]

CONDITIONS = ("as rendered", "grey-scale", "hair, background, clothes hidden")
# What the bundled networks have to reach: (AUC, TAR at FAR 1e-3) under each condition; None where no bar is set.
BARS: dict[str, tuple[float, float | None]] = {
    CONDITIONS[0]: (0.998, 0.95),
    CONDITIONS[1]: (0.997, None),
    CONDITIONS[2]: (0.995, None),
}


@dataclass(frozen=True)
class Verification:
    """Scores of all pairs and what follows from them.

    genuine, impostor: cosine similarities of same-person and other-person pairs, float32 arrays.
    auc: chance that a genuine pair scores above an impostor pair, ties counted half. auc_interval: its 95 % interval.
    tar: FAR -> share of genuine pairs accepted at the threshold that lets that share of impostor pairs pass.
    tar_interval: 95 % interval of TAR at FAR 1e-3. Intervals resample people, not pairs.
    people, images: how many of each.
    """

    genuine: np.ndarray
    impostor: np.ndarray
    auc: float
    auc_interval: tuple[float, float]
    tar: dict[float, float]
    tar_interval: tuple[float, float]
    people: int
    images: int


@torch.inference_mode()
def embed_images(network: nn.Module, images: Tensor, batch: int = 128) -> Tensor:
    """images: [N, 3, H, H] in [-1, 1]. Returns embeddings [N, D] on the CPU; batches keep the memory small."""
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    parts = [network(images[i : i + batch].to(device)).cpu() for i in range(0, len(images), batch)]
    network.train(was_training)
    return torch.cat(parts)  # [N, D]


def verification(
    embeddings: Tensor,
    identity: Tensor | np.ndarray,
    fars: tuple[float, ...] = (1e-4, 1e-3, 1e-2),
    resamples: int = 200,
) -> Verification:
    """Verification figures over all pairs of different images.

    embeddings: [N, D], length one; identity: [N] integers.
    fars: false accept rates at which the true accept rate is wanted.
    resamples: bootstrap draws of people for the intervals; 0 gives intervals of width nothing.
    Raises InputError when there is no genuine or no impostor pair.
    """
    numbers, person = np.unique(np.asarray(identity), return_inverse=True)
    vectors = F.normalize(embeddings.float(), dim=1)
    scores = (vectors @ vectors.T).numpy()  # [N, N]
    first, second = np.triu_indices(len(scores), k=1)
    score, a, b = scores[first, second], person[first], person[second]
    same = a == b
    if not same.any() or same.all():
        raise InputError("identity: need at least two people and one person with two images to compare")
    order = np.argsort(-score, kind="stable")
    score, a, b, same = score[order], a[order], b[order], same[order]
    ends = ends_of_ties(score)
    auc, tar = curve_metrics(same.astype(np.float64), (~same).astype(np.float64), ends, fars)
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(resamples):
        times = np.bincount(generator.integers(len(numbers), size=len(numbers)), minlength=len(numbers)).astype(float)
        weight = np.where(same, times[a], times[a] * times[b])
        drawn_auc, drawn_tar = curve_metrics(weight * same, weight * ~same, ends, (1e-3,))
        draws.append((drawn_auc, drawn_tar[1e-3]))
    low, high = np.percentile(draws, [2.5, 97.5], axis=0) if draws else ((auc, tar[1e-3]), (auc, tar[1e-3]))
    return Verification(
        genuine=score[same],
        impostor=score[~same],
        auc=auc,
        auc_interval=(float(low[0]), float(high[0])),
        tar=tar,
        tar_interval=(float(low[1]), float(high[1])),
        people=len(numbers),
        images=len(scores),
    )


def evaluate_network(
    network: nn.Module, images: Tensor, label_maps: Tensor, identity: Tensor | np.ndarray, resamples: int = 200
) -> dict[str, Verification]:
    """Verification under each of CONDITIONS.

    images: [N, 3, H, H] in [-1, 1]; label_maps: [N, H, H]; identity: [N].
    """
    variants = (images, grey_scale(images), hide_surroundings(images, label_maps))
    return {
        name: verification(embed_images(network, variant), identity, resamples=resamples)
        for name, variant in zip(CONDITIONS, variants, strict=True)
    }


def table(results: dict[str, Verification]) -> str:
    """The figures as text, one line a condition, beside the bars they have to reach."""
    lines = [
        f"{'':34} {'AUC':>7} {'95 % interval':>17} {'bar':>6}  {'TAR@FAR1e-3':>11} {'95 % interval':>15} {'bar':>5}"
    ]
    for name, result in results.items():
        bar_auc, bar_tar = BARS.get(name, (None, None))
        lines.append(
            f"{name:34} {result.auc:7.4f} {result.auc_interval[0]:8.4f}-{result.auc_interval[1]:.4f}  "
            f"{'' if bar_auc is None else bar_auc:>6}  {result.tar[1e-3]:11.3f} "
            f"{result.tar_interval[0]:8.3f}-{result.tar_interval[1]:.3f} {'' if bar_tar is None else bar_tar:>6}"
        )
    some = next(iter(results.values()))
    pairs = f"{len(some.genuine):,} same-person and {len(some.impostor):,} other-person pairs"
    lines.append(f"n = {some.images:,} images of {some.people} people, {pairs}")
    return "\n".join(lines)


def summary(results: dict[str, Verification]) -> dict[str, dict[str, object]]:
    """What goes into the manifest: for each condition AUC and TAR with their intervals, and n."""
    return {
        name: {
            "auc": round(found.auc, 5),
            "auc_95": [round(v, 5) for v in found.auc_interval],
            "tar_at_far_1e-3": round(found.tar[1e-3], 4),
            "tar_95": [round(v, 4) for v in found.tar_interval],
            "people": found.people,
            "images": found.images,
        }
        for name, found in results.items()
    }
