"""Figures of training: each loss term over time, and what a weight buys and what it costs.

As in `idnb.plots` each function returns a figure of fixed size with a text for those who cannot see it; show it with
`idnb.plots.show`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from idnb.core.errors import InputError
from idnb.plots.style import COLOURS, STYLE, draw_bands, put_title, side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TERM_TITLES", "show_terms", "show_trade_off"]

TERM_TITLES = {
    "l2": "L2",
    "perceptual": "perceptual",
    "identity": "identity",
    "w_norm": "W norm",
    "latent_norm": "latent norm",
    "total": "total",
}
"""Columns of a training log -> their titles."""


def show_terms(
    runs: Mapping[str, Mapping[str, Any]],
    terms: Sequence[str] = ("l2", "perceptual", "identity", "w_norm"),
    title: str = "",
    x: str = "images",
    log: bool = False,
) -> Figure:
    """Loss terms over training, a panel each, as each has a scale of its own.

    runs: name -> columns of its log, such as `numpy.genfromtxt(path, delimiter=",", names=True)` or a dict of
        lists. Values that are no numbers leave a gap.
    terms: columns to draw, without their weights.
    title: above everything.
    x: the column along the horizontal axis; the number of the row where there is none.
    log: whether the vertical axes are logarithmic.
    Raises InputError: nothing to draw, or a term that a log lacks.
    """
    if not runs or not terms:
        raise InputError("runs, terms: give at least one of each")
    parts = []
    with plt.rc_context(STYLE):
        fig, grid = side_by_side(len(terms), 0.6 + 2.1 * len(terms), 2.5 if len(runs) == 1 else 2.8)
        for axes, term in zip(grid, terms, strict=True):
            for (name, columns), colour in zip(runs.items(), COLOURS * len(runs), strict=False):
                values = _column(columns, term, name)
                places = _column(columns, x, name) if x in _names(columns) else np.arange(len(values))
                axes.plot(places, values, "." if len(values) == 1 else "-", color=colour, label=name)
                known = values[np.isfinite(values)]
                ends = f"from {known[0]:.3g} to {known[-1]:.3g}" if len(known) else "no number"
                parts.append(f"{TERM_TITLES.get(term, term)}, {name}: {ends}")
            axes.set(title=TERM_TITLES.get(term, term), xlabel=x, yscale="log" if log else "linear")
            axes.locator_params(axis="x", nbins=4)
        _finish(fig, grid[0] if len(runs) > 1 else None, title)
    fig.set_label(f"{title or 'Loss terms over training'}; {'; '.join(parts)}")
    return fig


def show_trade_off(
    panels: Mapping[str, tuple[Mapping[str, Any], Mapping[str, tuple[Any, Any]]]],
    labels: Sequence[str],
    title: str = "",
) -> Figure:
    """What the weight of identity buys (upwards) and what it costs (to the right): a dot for each of its values.

    panels: name of a panel, such as of a judge -> (bands, curves). bands: name -> values, see `draw_bands`.
        curves: name -> (perceptual distances to the contour's photo [L, N], similarities to the identity image
        [L, N]) for L values of the weight and N pairs; dots are means over pairs.
    labels: the L values, written beside the dots of the first curve.
    title: above everything.
    Raises InputError: no panel, or curves that do not fit the labels.
    """
    parts = []
    for name, (_, curves) in panels.items():
        for curve, (x, y) in curves.items():
            if np.shape(x) != np.shape(y) or np.ndim(x) != 2 or len(np.asarray(x)) != len(labels):
                raise InputError(f"panels[{name!r}], {curve!r}: x {np.shape(x)} and y {np.shape(y)}; expected [L, N]")
    if not panels or not all(curves for _, curves in panels.values()):
        raise InputError("panels: give at least one, each with a curve")
    with plt.rc_context(STYLE):
        fig, grid = side_by_side(len(panels), 1.2 + 3.8 * len(panels), 3.6, sharex=True, sharey=True)
        for axes, (panel, (bands, curves)) in zip(grid, panels.items(), strict=True):
            draw_bands(bands, axes.axhspan, axes.axhline)
            for place, (name, (x, y)) in enumerate(curves.items()):
                ends = _draw_curve(axes, np.asarray(x), np.asarray(y), name, labels if place == 0 else (), place)
                parts.append(f"{panel}, {name}: {ends}")
            axes.set(title=panel, xlabel="perceptual distance to the contour's photo")
        grid[0].set_ylabel("similarity to the identity image")
        _finish(fig, grid[0], title)
    fig.set_label(f"{title or 'Trade-off'}; {'; '.join(parts)}")
    return fig


def _finish(fig: Figure, named: Axes | None, title: str) -> None:
    """One legend below all panels, taken from one of them, and the title above."""
    if named is not None:
        handles, labels = named.get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), fontsize=8)
    put_title(fig, title)


def _draw_curve(axes: Axes, x: np.ndarray, y: np.ndarray, name: str, labels: Sequence[str], place: int) -> str:
    """Means with their standard errors, joined in the order of the weight. Returns the ends in words."""
    colour, root = COLOURS[place % 4], x.shape[1] ** 0.5
    middle_x, middle_y = x.mean(axis=1), y.mean(axis=1)
    axes.errorbar(
        middle_x,
        middle_y,
        yerr=y.std(axis=1) / root,
        xerr=x.std(axis=1) / root,
        fmt="o-",
        color=colour,
        ecolor=colour,
        elinewidth=0.7,
        markersize=4,
        label=name,
    )
    for label, a, b in zip(labels, middle_x, middle_y, strict=False):
        axes.annotate(str(label), (a, b), textcoords="offset points", xytext=(5, -9), fontsize=8, color=colour)
    return f"from ({middle_x[0]:.2f}, {middle_y[0]:.2f}) to ({middle_x[-1]:.2f}, {middle_y[-1]:.2f})"


def _names(columns: Any) -> Sequence[str]:
    return columns.dtype.names or () if isinstance(columns, np.ndarray) else list(columns)


def _column(columns: Any, name: str, run: str) -> np.ndarray:
    """A column as numbers, [N]; a log of one line gives one number."""
    if name not in _names(columns):
        raise InputError(f"runs[{run!r}] has no column {name!r}; there are: {', '.join(_names(columns))}")
    return np.atleast_1d(np.asarray(columns[name], dtype=np.float64))
