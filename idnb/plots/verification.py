"""The figure of a verification test: ROC curves on a logarithmic axis, and the scores of both kinds of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from idnb.plots.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Scores", "draw_verification", "roc_curve"]


class Scores(Protocol):
    """What a verification test found: similarities of pairs, and the area under the ROC curve."""

    @property
    def genuine(self) -> np.ndarray:
        """Cosine similarities of same-person pairs."""

    @property
    def impostor(self) -> np.ndarray:
        """Cosine similarities of other-person pairs."""

    @property
    def auc(self) -> float:
        """Chance that a genuine pair scores above an impostor pair."""


def roc_curve(result: Scores) -> tuple[np.ndarray, np.ndarray]:
    """False and true accept rates at every impostor score, both rising."""
    thresholds = np.sort(result.impostor)[::-1]
    false_rate = np.arange(1, len(thresholds) + 1) / len(thresholds)
    true_rate = 1.0 - np.searchsorted(np.sort(result.genuine), thresholds, side="left") / len(result.genuine)
    return false_rate, true_rate


def draw_verification(results: Mapping[str, Scores], title: str) -> Figure:
    """Draw the test.

    results: condition -> metrics, as `evaluate_network` gives them; the histogram shows the first condition.
    title: name of the network. Returns a figure 9 inches wide.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    roc, histogram = figure.subplots(1, 2)
    for (name, result), colour in zip(results.items(), COLOURS, strict=False):
        false_rate, true_rate = roc_curve(result)
        keep = np.unique(np.geomspace(1, len(false_rate), 400).astype(int) - 1)
        roc.plot(false_rate[keep], true_rate[keep], color=colour, label=f"{name}: AUC {result.auc:.4f}")
    roc.axvline(1e-3, color="0.6", linewidth=0.8, linestyle=":")
    roc.set(
        xscale="log", xlim=(1e-5, 1), ylim=(0.5, 1.005), xlabel="other people accepted", ylabel="same person accepted"
    )
    roc.set_title(f"{title}: ROC")
    roc.legend(loc="lower right", fontsize=8)
    name, first = next(iter(results.items()))
    edges = np.linspace(-0.6, 1.0, 81)
    for scores, label, colour in (
        (first.impostor, "other people", COLOURS[1]),
        (first.genuine, "same person", COLOURS[0]),
    ):
        histogram.hist(scores, edges, density=True, alpha=0.6, color=colour, label=f"{label} (n = {len(scores):,})")
    histogram.set(xlabel="cosine similarity", ylabel="density", title=f"Scores, {name}")
    histogram.legend(fontsize=8)
    return figure
