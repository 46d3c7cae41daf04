"""Distances between two sets of images, as two clouds of features: Frechet distance and kernel distance (KID).

The name of a number is the name of its features. Over the Inception network it is an FID; over our own identity
network it is a Frechet distance over identity features, and the two must not be compared.

The trace of a matrix root, where implementations of the FID break, is taken here from eigenvalues of a symmetric
matrix: real by construction, no matrix root and no imaginary part.

References: Heusel et al., NeurIPS 2017 (FID); Binkowski et al., "Demystifying MMD GANs", ICLR 2018 (KID).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.evaluation.features import FeatureNetwork

__all__ = ["Moments", "features_of", "frechet_distance", "kernel_distance", "moments"]


@dataclass(frozen=True)
class Moments:
    """What a Frechet distance knows of a set: mean [D], covariance [D, D] (float64) and the number of images."""

    mean: Tensor
    covariance: Tensor
    count: int


def moments(features: Tensor) -> Moments:
    """Mean and covariance of features [N, D]; the covariance divides by N - 1. Raises InputError below two images."""
    rows = check_features("features", features)
    if len(rows) < 2:
        raise InputError(f"a covariance needs at least two images, got {len(rows)}")
    mean = rows.mean(0)
    return Moments(mean, (rows - mean).T @ (rows - mean) / (len(rows) - 1), len(rows))


def frechet_distance(a: Moments | Tensor, b: Moments | Tensor) -> float:
    """Squared Frechet (Wasserstein-2) distance of two Gaussians: |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)).

    a, b: moments, or features [N, D]. With fewer images than features, and with few images at all, the value is biased
    upwards: compare sets of equal size, and give the distance of two halves of the real set beside it.
    Returns the distance, 0 for equal sets.
    Raises InputError when the features have different lengths.
    """
    a = a if isinstance(a, Moments) else moments(a)
    b = b if isinstance(b, Moments) else moments(b)
    if a.mean.shape != b.mean.shape:
        raise InputError(f"a has {len(a.mean)} features an image and b has {len(b.mean)}; use one network for both")
    # S_a S_b and R S_b R with R = S_a^(1/2) have the same eigenvalues; the second matrix is symmetric and not negative.
    values, vectors = torch.linalg.eigh(a.covariance)
    root = (vectors * values.clamp_min(0.0).sqrt()) @ vectors.T  # [D, D]
    product = root @ b.covariance @ root
    shared = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0.0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2.0 * shared
    return max(0.0, float(distance))


def kernel_distance(a: Tensor, b: Tensor, degree: int = 3) -> float:
    """Kernel distance (KID): unbiased squared maximum mean discrepancy under the kernel (x . y / D + 1)^degree.

    a, b: features [N, D] and [M, D], at least two each. Unbiased, so usable for the few images for which a Frechet
    distance is not, and now and then a little below zero for equal distributions.
    Raises InputError for other shapes.
    """
    x, y = check_features("a", a), check_features("b", b)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"a has {x.shape[1]} features an image and b has {y.shape[1]}; use one network for both")
    if len(x) < 2 or len(y) < 2:
        raise InputError(f"a kernel distance needs two images a side, got {len(x)} and {len(y)}")

    def mean_kernel(p: Tensor, q: Tensor, same: bool) -> float:
        total = 0.0
        for start in range(0, len(p), 1024):  # a block of rows at a time keeps the memory small
            block = (p[start : start + 1024] @ q.T / p.shape[1] + 1.0) ** degree
            total += float(block.sum())
            if same:
                total -= float(block[:, start : start + len(block)].diagonal().sum())
        return total / (len(p) * (len(q) - 1 if same else len(q)))

    return mean_kernel(x, x, True) + mean_kernel(y, y, True) - 2.0 * mean_kernel(x, y, False)


@torch.inference_mode()
def features_of(network: FeatureNetwork, batches: Tensor | Iterable[Tensor], batch: int = 64) -> Tensor:
    """Features of images, a batch at a time.

    network: see `idnb.evaluation.features`. batches: images [N, 3, H, H] in [-1, 1], or an iterable of such batches, so
        that a set need not be in memory. batch: images at once when one tensor is given.
    Returns [N, D] float32 on the CPU.
    """
    if isinstance(batches, Tensor):
        batches = batches.split(batch)
    parts = [network(images).float().cpu() for images in batches]
    if not parts:
        raise InputError("no image was given; the set is empty")
    return torch.cat(parts)  # [N, D]


def check_features(name: str, features: Tensor) -> Tensor:
    """Features [N, D] as float64; InputError for other shapes and for values that are no numbers."""
    if features.ndim != 2 or 0 in features.shape:
        raise InputError(f"{name}: expected features [N, D], got {list(features.shape)}")
    if not bool(torch.isfinite(features).all()):
        raise InputError(f"{name}: holds values that are no numbers; look at the images they come from")
    return features.double()
