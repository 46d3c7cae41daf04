"""The ROC of two groups of scores: how often a genuine pair scores above an impostor pair, and who passes where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_above", "curve_metrics", "ends_of_ties"]


def ends_of_ties(falling: NDArray) -> NDArray[np.intp]:
    """The last indices of equal scores in falling order."""
    return np.flatnonzero(np.diff(falling, append=-np.inf))


def curve_metrics(
    genuine: NDArray, impostor: NDArray, ends: NDArray[np.intp], fars: tuple[float, ...] = ()
) -> tuple[float, dict[float, float]]:
    """AUC, and TAR at each FAR.

    genuine, impostor: weights of all pairs in order of falling score, 0 for those of the other group. ends: see
    `ends_of_ties`; ties count half. fars: false accept rates at which the true accept rate is wanted.
    """
    true_rate = np.concatenate([[0.0], np.cumsum(genuine)[ends] / genuine.sum()])
    false_rate = np.concatenate([[0.0], np.cumsum(impostor)[ends] / impostor.sum()])
    auc = float(np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2))
    # The strictest reading: the last threshold at which no more than the asked share of impostors passes.
    tar = {far: float(true_rate[np.searchsorted(false_rate, far, side="right") - 1]) for far in fars}
    return auc, tar


def area_above(genuine: NDArray, impostor: NDArray) -> float:
    """The AUC of scores: how often a genuine score is above an impostor one, ties counted half; NaN without either."""
    if not len(genuine) or not len(impostor):
        return float("nan")
    scores = np.concatenate([genuine, impostor])
    order = np.argsort(-scores, kind="stable")
    mine = (order < len(genuine)).astype(float)
    return curve_metrics(mine, 1.0 - mine, ends_of_ties(scores[order]))[0]
