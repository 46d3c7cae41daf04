"""A figure about measures: two of them against each other.

As in `idnb.plots` the function returns a figure of fixed size with a text for those who cannot see it; show it with
`idnb.plots.show`. Figures of stored results are in `idnb.result_figures`, scores in front of bands in
`idnb.anatomy_plots.show_bands`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from idnb.errors import InputError
from idnb.plot_style import COLOURS, DPI, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["show_plane"]

MARKS = "osD^vPX"
"""Shapes of the large marks, so that clouds differ by more than colour."""


def show_plane(
    clouds: Mapping[str, tuple[Any, Any]],
    xlabel: str,
    ylabel: str,
    title: str = "",
    bands: Mapping[str, tuple[float, float]] | None = None,
    path: tuple[str, Any, Any] | None = None,
    alt: str = "",
) -> Figure:
    """Two measures against each other: every pair a dot, every cloud its mean as a large mark.

    Args:
        clouds: name -> (x [N], y [N]); a single number each draws the mark alone.
        xlabel, ylabel: below and beside the axes, with units and what is better.
        title: above the axes.
        bands: name -> (low, high) on the vertical axis, drawn behind everything.
        path: (name, x [K], y [K]), drawn as a dotted line.
        alt: made from the means when left out.

    Returns:
        The figure.

    Raises:
        InputError: no cloud, or x and y of different lengths.
    """
    arrays = {name: (_numbers(x), _numbers(y)) for name, (x, y) in clouds.items()}
    wrong = [name for name, (x, y) in arrays.items() if x.shape != y.shape or not len(x)]
    if not arrays or wrong:
        raise InputError(f"clouds: {wrong[0]!r} needs as many x as y" if wrong else "clouds: there is none to show")
    parts = []
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(figsize=(7.6, 3.9), dpi=DPI, layout="constrained")
        for (name, (low, high)), colour in zip((bands or {}).items(), COLOURS[4:6] + COLOURS[:4], strict=False):
            axes.axhspan(low, high, color=colour, alpha=0.2, linewidth=0, label=name)
        if path is not None:
            axes.plot(_numbers(path[1]), _numbers(path[2]), ":", color=COLOURS[6], label=path[0])
        for place, (name, (x, y)) in enumerate(arrays.items()):
            colour, mark = COLOURS[place % len(COLOURS)], MARKS[place % len(MARKS)]
            if len(x) > 1:
                axes.plot(x, y, ".", color=colour, alpha=0.35, markersize=4)
            axes.plot(x.mean(), y.mean(), mark, color=colour, markeredgecolor="white", markersize=9, label=name)
            parts.append(f"{name} at {x.mean():.2f}, {y.mean():.2f}")
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    fig.set_label(alt or f"{title or 'Two measures'}; means of {xlabel} and {ylabel}: {'; '.join(parts)}")
    return fig


def _numbers(values: Any) -> np.ndarray:
    """Anything that holds numbers as [N] float64."""
    return np.asarray(values, dtype=np.float64).reshape(-1)
