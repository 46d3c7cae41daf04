"""Figures about measures: two measures against each other, bias and std of a distance, intervals that miss.

As in `idnb.plots` each function returns a figure of fixed size with a text for those who cannot see it; show it with
`idnb.plots.show`. Figures of stored results are in `idnb.experiments.figures`, scores in front of bands in
`idnb.plots.networks.show_bands`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from idnb.core.errors import InputError
from idnb.plots.style import COLOURS, DPI, STYLE, put_title, side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["show_curves", "show_intervals", "show_plane"]

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

    clouds: name -> (x [N], y [N]); a single number each draws the mark alone.
    xlabel, ylabel: below and beside the axes, with units and what is better.
    title: above the axes.
    bands: name -> (low, high) on the vertical axis, drawn behind everything.
    path: (name, x [K], y [K]), drawn as a dotted line.
    alt: made from the means when left out.
    Raises InputError: no cloud, or x and y of different lengths.
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


def show_curves(
    panels: Mapping[str, Mapping[str, Any]],
    x: Sequence[float],
    xlabel: str,
    title: str = "",
    log: bool = False,
    lines: Mapping[str, float] | None = None,
) -> Figure:
    """Curves with their standard deviation, in panels side by side, each with a scale of its own.

    panels: what a panel measures -> name of a curve -> values [K], or repeated values [R, K], drawn as their mean
        with one standard deviation around it.
    x: [K] where the values were taken.
    xlabel: below each panel.
    title: above everything.
    log: whether x is spaced by factors.
    lines: name -> height of a dashed line in the first panel.
    Raises InputError: no panel, or curves of another length than x.
    """
    tables = {
        panel: {name: np.atleast_2d(np.asarray(v, dtype=np.float64)) for name, v in curves.items()}
        for panel, curves in panels.items()
    }
    wrong = [name for curves in tables.values() for name, table in curves.items() if table.shape[1] != len(x)]
    if not tables or wrong:
        raise InputError(f"panels: {wrong[0]!r} needs {len(x)} values" if wrong else "panels: there is none to show")
    parts = []
    with plt.rc_context(STYLE):
        fig, grid = side_by_side(len(tables), 1.0 + 4.0 * len(tables), 3.3)
        for axes, (panel, curves) in zip(grid, tables.items(), strict=True):
            for (name, table), colour in zip(curves.items(), COLOURS, strict=False):
                mean, std = table.mean(0), table.std(0)
                axes.plot(x, mean, "o-", color=colour, markersize=4, label=name)
                axes.fill_between(x, mean - std, mean + std, color=colour, alpha=0.2, linewidth=0)
                parts.append(f"{panel}, {name}: {mean[0]:.3g} to {mean[-1]:.3g}")
            _axis(axes, x, xlabel, panel, log)
        for (name, height), colour in zip((lines or {}).items(), COLOURS[::-1], strict=False):
            grid[0].axhline(height, linestyle="--", color=colour, linewidth=1.2, label=name)
        for axes in grid:
            axes.legend(fontsize=8)
        put_title(fig, title)
    fig.set_label(f"{title or 'Curves'}; from first to last: {'; '.join(parts)}")
    return fig


def show_intervals(panels: Mapping[str, Any], truth: float, xlabel: str, title: str = "") -> Figure:
    """Intervals of repeated experiments, one below the other; those that miss the truth stand out.

    panels: name -> [R, 2], lower and upper end in each experiment.
    truth: what they should contain.
    xlabel: below each panel.
    title: above everything.
    Raises InputError: no panel, or one that does not hold two ends a row.
    """
    tables = {name: np.asarray(ends, dtype=np.float64) for name, ends in panels.items()}
    if not tables or any(table.ndim != 2 or table.shape[1] != 2 or not len(table) for table in tables.values()):
        raise InputError("panels: give at least one, each with lower and upper ends [R, 2]")
    parts = []
    with plt.rc_context({**STYLE, "axes.grid": False}):
        fig, grid = side_by_side(len(tables), 1.0 + 3.8 * len(tables), 3.2, sharex=True)
        for axes, (name, table) in zip(grid, tables.items(), strict=True):
            missed = (table[:, 0] > truth) | (table[:, 1] < truth)
            for hit, colour, width in ((~missed, COLOURS[0], 1.2), (missed, COLOURS[1], 2.0)):
                axes.hlines(np.flatnonzero(hit), table[hit, 0], table[hit, 1], color=colour, linewidth=width)
            axes.axvline(truth, color=COLOURS[6], linewidth=1.0)
            axes.set(title=f"{name}: {missed.sum()} of {len(table)} miss", xlabel=xlabel, yticks=[])
            axes.invert_yaxis()
            parts.append(f"{name}: {missed.sum()} of {len(table)} miss the truth")
        put_title(fig, title)
    fig.set_label(f"{title or 'Intervals of repeated experiments'}; {'; '.join(parts)}")
    return fig


def _numbers(values: Any) -> np.ndarray:
    """Anything that holds numbers as [N] float64."""
    return np.asarray(values, dtype=np.float64).reshape(-1)


def _axis(axes: Axes, x: Sequence[float], xlabel: str, title: str, log: bool) -> None:
    """Labels and ticks of one panel of curves."""
    axes.set(xlabel=xlabel, title=title)
    if log:
        axes.set_xscale("log")
        axes.set_xticks(list(x), [f"{value:g}" for value in x])
        axes.minorticks_off()
