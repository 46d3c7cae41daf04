"""Means, correlations and other figures with 95 % bootstrap intervals, over pairs that share contours.

Ten pairs share one contour, so they are not ten independent trials. The bootstrap therefore draws contours, each with
all of its pairs; drawing pairs would give intervals that are too narrow. All metrics here are functions of sums, so one
matrix product gives all draws at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from idnb.core.errors import InputError

__all__ = ["Clusters", "Estimate", "seed_interval", "share_interval"]

Array = NDArray[np.float64]

# Two-sided 97.5 % points of Student's t for 1, 2, ... 9 degrees of freedom.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


class Estimate(NamedTuple):
    """A metric, its 95 % interval and the number of pairs it was taken over."""

    value: float
    low: float
    high: float
    n: int


class Clusters:
    """Bootstrap draws of clusters (contours), the same draws for every metric.

    cluster: [N] integers, which contour each pair belongs to. draws: how many. seed: of the draws.
    """

    def __init__(self, cluster: NDArray[np.int64], draws: int = 1000, seed: int = 0) -> None:
        if len(cluster) == 0:
            raise InputError("cluster: there is no pair to take an interval over")
        _, self.place = np.unique(cluster, return_inverse=True)
        count = int(self.place.max()) + 1
        generator = np.random.default_rng(seed)
        chosen = (
            generator.multinomial(count, np.full(count, 1.0 / count), size=draws) if draws else np.zeros((0, count))
        )
        self.weights: Array = np.concatenate([np.ones((1, count)), chosen]).astype(np.float64)  # row 0: as it is

    def metric(self, columns: Array, function: Callable[[Array], Array], n: int | None = None) -> Estimate:
        """Any metric that depends on sums of columns.

        columns: [N, K]. function: sums [R, K] to metrics [R]. n: pairs that count, where some rows are all zero.
        """
        sums = np.zeros((self.weights.shape[1], columns.shape[1]))
        np.add.at(sums, self.place, columns.astype(np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            found = function(self.weights @ sums)  # [1 + draws]
        draws = found[1:][np.isfinite(found[1:])]
        low, high = np.percentile(draws, [2.5, 97.5]) if len(draws) else (found[0], found[0])
        return Estimate(float(found[0]), float(low), float(high), len(columns) if n is None else n)

    def mean(self, values: NDArray, where: NDArray[np.bool_] | None = None) -> Estimate:
        """The mean of values [N], of those rows only where `where` holds."""
        keep = np.ones(len(values)) if where is None else where.astype(np.float64)
        kept = np.where(keep > 0, values, 0.0)
        return self.metric(np.stack([kept, keep], 1), lambda s: s[:, 0] / s[:, 1], int(keep.sum()))

    def correlation(self, a: NDArray, b: NDArray) -> Estimate:
        """Pearson's correlation of a and b, [N] each."""
        a, b = a - a.mean(), b - b.mean()  # keeps the sums of squares exact
        columns = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], 1)

        def pearson(s: Array) -> Array:
            n = s[:, 0]
            covariance = s[:, 5] / n - s[:, 1] * s[:, 2] / n**2
            return covariance / np.sqrt((s[:, 3] / n - (s[:, 1] / n) ** 2) * (s[:, 4] / n - (s[:, 2] / n) ** 2))

        return self.metric(columns, pearson)

    def mean_iou(self, counts: NDArray) -> Estimate:
        """Mean intersection over union (mIoU) from [N, C, 2]: pixels of all pairs are added, then divided by class."""
        classes = counts.shape[1]

        def miou(s: Array) -> Array:
            shared, union = s[:, :classes], s[:, classes:]
            there = union > 0
            return np.where(there, shared / np.maximum(union, 1), 0.0).sum(1) / there.sum(1)

        return self.metric(np.concatenate([counts[..., 0], counts[..., 1]], 1), miou)


def seed_interval(values: list[float]) -> tuple[float, float, float]:
    """Mean of one metric over training seeds, with the 95 % interval of Student's t; wide for three seeds, as it must.

    values: one value a seed. Returns mean, low, high; with a single seed the interval is the value itself.
    """
    if not values:
        raise InputError("values: there is no seed")
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, mean, mean
    point = STUDENT[len(values) - 2] if len(values) - 2 < len(STUDENT) else 1.96
    half = point * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean, mean - half, mean + half


def share_interval(hits: int, n: int) -> Estimate:
    """A share of independent trials with Wilson's 95 % interval, which stays in [0, 1] and is never a single point.

    hits: 0 to n. Reference: Wilson, "Probable inference", JASA 1927.
    """
    if not 0 <= hits <= n or n < 1:
        raise InputError(f"hits: {hits} of {n} trials is no share")
    share, z = hits / n, 1.959964
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return Estimate(share, centre - half, centre + half, n)
