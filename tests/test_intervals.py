"""Intervals: figures by hand, coverage by simulation, and why contours are drawn and not pairs."""

import numpy as np
import pytest

from idnb.core.errors import InputError
from idnb.evaluation.intervals import Clusters, seed_interval


def test_figures_are_those_of_the_data():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    b = b + a
    clusters = Clusters(np.arange(60) // 6, draws=50)
    assert clusters.mean(a).value == pytest.approx(a.mean())
    where = a > 0
    some = clusters.mean(a, where)
    assert some.value == pytest.approx(a[where].mean()) and some.n == where.sum()
    assert clusters.correlation(a + 1000, b).value == pytest.approx(np.corrcoef(a, b)[0, 1])
    counts = rng.integers(1, 50, (60, 4, 2))
    counts[..., 1] += counts[..., 0]
    total = counts.sum(0)
    found = clusters.mean_iou(counts)
    assert found.value == pytest.approx((total[:, 0] / total[:, 1]).mean()) and found.low < found.value < found.high


def test_intervals_cover_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(1)
    covered = {"contours": 0, "pairs": 0}
    trials = 200
    for trial in range(trials):
        shared = rng.normal(size=40).repeat(10)  # what all pairs of a contour have in common
        values = shared + 0.5 * rng.normal(size=400)
        for name, cluster in (("contours", np.arange(400) // 10), ("pairs", np.arange(400))):
            found = Clusters(cluster, draws=300, seed=trial).mean(values)
            covered[name] += found.low <= 0 <= found.high
    assert 0.88 <= covered["contours"] / trials <= 0.99
    assert covered["pairs"] / trials < 0.6  # drawing pairs promises far too much


def test_same_seed_same_interval():
    values, cluster = np.arange(30.0), np.arange(30) // 3
    assert Clusters(cluster, seed=3).mean(values) == Clusters(cluster, seed=3).mean(values)
    one = Clusters(np.zeros(5, np.int64)).mean(np.arange(5.0))
    assert one.value == one.low == one.high == 2  # one contour says nothing about others, and the interval shows it
    with pytest.raises(InputError, match="no pair"):
        Clusters(np.zeros(0, np.int64))


def test_student_over_seeds():
    mean, low, high = seed_interval([1.0, 2.0, 3.0])
    assert mean == 2 and high - mean == pytest.approx(4.303 / 3**0.5) and mean - low == pytest.approx(high - mean)
    assert seed_interval([5.0]) == (5.0, 5.0, 5.0)
    with pytest.raises(InputError, match="no seed"):
        seed_interval([])
