"""Figures that open a network up: maps as colours, tables of numbers, scores in their bands, the way of tensors.

As in `idnb.plots` each function returns a figure of fixed size with a text for those who cannot see it; show it with
`idnb.plots.show`. `as_heat` turns a map of numbers into a picture that `show_grid` and `show_row` take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.plots.style import COLOURS, DPI, MAX_WIDTH, STYLE, as_picture, draw_bands, put_title, side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FlowBox", "as_heat", "show_bands", "show_flow", "show_heat_table"]


def as_heat(
    values: Tensor | np.ndarray, low: float | None = None, high: float | None = None, signed: bool = False
) -> np.ndarray:
    """A map of numbers as colours, dark blue to yellow; or red above and blue below a white zero.

    values: [H, W].
    low, high: numbers at the ends of the scale; the smallest and largest value when left out.
    signed: the second scale, from -m to m, m the larger of |low| and |high|.
    Returns [H, W, 3] uint8, a picture for `show_grid`.
    Raises InputError: not a map, or NaN in it.
    """
    array = torch.as_tensor(values).detach().float().cpu().numpy()
    if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
        raise InputError(f"values: expected finite numbers [H, W], got shape {list(array.shape)}")
    bottom = float(array.min() if low is None else low)
    top = float(array.max() if high is None else high)
    if signed:
        top = max(abs(bottom), abs(top))
        bottom = -top
    share = (array - bottom) / max(top - bottom, 1e-12)
    colours = matplotlib.colormaps["RdBu_r" if signed else "cividis"](np.clip(share, 0, 1))
    return np.round(colours[..., :3] * 255).astype(np.uint8)


def show_heat_table(
    values: Tensor | np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    high: float | None = None,
    decimals: int = 2,
) -> Figure:
    """A table whose cells are coloured from 0 upwards and carry their numbers.

    values: [R, C]; numbers below 0 get the colour of 0.
    rows, columns: their names.
    title: above the table.
    high: the number with the brightest colour; the largest when left out.
    decimals: of the numbers.
    Raises InputError: names and numbers do not fit each other.
    """
    array = torch.as_tensor(values).detach().double().cpu().numpy()
    if array.shape != (len(rows), len(columns)):
        raise InputError(f"values {list(array.shape)} do not fit {len(rows)} rows and {len(columns)} columns")
    top = max(float(array.max()) if high is None else high, 1e-12)
    with plt.rc_context({**STYLE, "axes.grid": False}):
        size = (min(MAX_WIDTH, 2.2 + 0.95 * len(columns)), 0.9 + 0.27 * len(rows))
        fig, axes = plt.subplots(figsize=size, dpi=DPI, layout="constrained")
        shown = axes.imshow(np.clip(array, 0, top), vmin=0, vmax=top, cmap="cividis", aspect="auto")
        axes.set_xticks(range(len(columns)), list(columns))
        axes.set_yticks(range(len(rows)), list(rows))
        for r, row in enumerate(array):
            for c, value in enumerate(row):
                colour = "white" if value < 0.5 * top else "black"
                text = f"{round(float(value), decimals) + 0.0:.{decimals}f}"  # + 0.0: no "-0.00"
                axes.text(c, r, text, ha="center", va="center", color=colour)
        axes.set_title(title)
        fig.colorbar(shown, ax=axes)
    largest = [f"{name}: {rows[int(array[:, c].argmax())]}" for c, name in enumerate(columns)]
    fig.set_label(f"{title or 'Table'}; the largest entry of each column: {'; '.join(largest)}")
    return fig


def show_bands(panels: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]], title: str = "") -> Figure:
    """Cosine similarities as mean and standard deviation, in front of the bands that give them a measure.

    panels: name of a panel -> (bands, scores). bands: name -> values [N], see `draw_bands`. scores: name ->
        values [N], drawn as mean and standard deviation.
    title: above everything.
    Raises InputError: no panel, or panels with different scores.
    """
    names = [list(scores) for _, scores in panels.values()]
    if not names or not names[0] or any(other != names[0] for other in names):
        raise InputError("panels: give at least one, each with the same scores")
    parts = []
    with plt.rc_context(STYLE):
        fig, grid = side_by_side(len(panels), 2.0 + 3.4 * len(panels), 1.5 + 0.24 * len(names[0]), sharey=True)
        for axes, (panel, (bands, scores)) in zip(grid, panels.items(), strict=True):
            draw_bands(bands, axes.axvspan, axes.axvline)
            for row, (name, values) in enumerate(scores.items()):
                array = np.asarray(values, dtype=np.float64)
                axes.errorbar(array.mean(), row, xerr=array.std(), fmt="o", color=COLOURS[6], markersize=4, capsize=2)
                parts.append(f"{panel}, {name}: {array.mean():.2f}")
            axes.set(title=panel, xlabel="cosine similarity", ylim=(len(names[0]) - 0.5, -0.5))
            axes.set_yticks(range(len(names[0])), names[0])
        handles, labels = grid[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
        put_title(fig, title)
    fig.set_label(f"{title or 'Scores in their bands'}; {'; '.join(parts)}")
    return fig


class FlowBox(NamedTuple):
    """A station of `show_flow`: a picture (or None), the text below it, and its place in columns and rows."""

    picture: Any
    text: str
    column: float
    row: float


def show_flow(
    boxes: Mapping[str, FlowBox],
    arrows: Sequence[tuple[str, str]],
    title: str = "",
    cell: tuple[float, float] = (1.15, 1.45),
    picture: float = 0.8,
    feedback: tuple[str, str] | None = None,
    alt: str = "",
) -> Figure:
    """Pictures at chosen places with arrows between them: the way of tensors through a network.

    boxes: name -> what stands where; columns count to the right, rows downwards, both from 0, parts allowed.
    arrows: (from, to), names of boxes.
    title: above everything.
    cell: width of a column and height of a row, in inches; made smaller when wider than 9 inches.
    picture: side of a picture in inches.
    feedback: (from, to), one more arrow, which leads back below everything.
    alt: made from the texts when left out.
    Raises InputError: no box, or an arrow to a box that is not there.
    """
    unknown = [name for pair in [*arrows, feedback or ()] for name in pair if name not in boxes]
    if not boxes or unknown:
        raise InputError(f"arrows name {unknown}, which are no boxes" if unknown else "there is no box to show")
    columns, rows = max(b.column for b in boxes.values()) + 1, max(b.row for b in boxes.values()) + 1
    width = min(cell[0], MAX_WIDTH / columns)
    side, top = min(picture, 0.86 * width), 0.35 if title else 0.05
    size = (columns * width, rows * cell[1] + top + (0.15 if feedback else 0.0))
    with plt.rc_context({**STYLE, "axes.grid": False}):
        fig = plt.figure(figsize=size, dpi=DPI)
        plane = fig.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(0, size[1]))
        plane.set_axis_off()
        middle = {}
        for name, box in boxes.items():
            x, y = (box.column + 0.5) * width, size[1] - top - box.row * cell[1] - side / 2 - 0.05
            middle[name] = (x, y)
            lines = box.text.count("\n") + 1
            plane.text(x, y - side / 2 - 0.04 if box.picture is not None else y, box.text, ha="center", fontsize=7.5,
                       va="top" if box.picture is not None else "center", zorder=4)  # fmt: skip
            if box.picture is not None:
                corner = ((x - side / 2) / size[0], (y - side / 2) / size[1], side / size[0], side / size[1])
                inner = fig.add_axes(corner)
                inner.imshow(as_picture(box.picture))
                inner.set(xticks=[], yticks=[])
                inner.spines[:].set(visible=True, color="#888888", linewidth=0.6)
            else:
                plane.plot([x], [y], "s", color="#eeeeee", markersize=14 + 10 * lines, zorder=1)
        for begin, end in arrows:
            text_lines = boxes[begin].text.count("\n") + 1 if boxes[begin].picture is not None else 0
            start, stop = _between(middle[begin], middle[end], side, 0.13 * text_lines + 0.05)
            style = {"arrowstyle": "-|>", "color": COLOURS[0], "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
            plane.annotate("", stop, start, arrowprops=style, zorder=3)
        if feedback:
            (x0, y0), (x1, y1) = (middle[name] for name in feedback)
            below = (side / 2 + 0.13 * (boxes[name].text.count("\n") + 1) + 0.05 for name in feedback)
            y0, y1 = y0 - next(below), y1 - next(below)
            plane.plot([x0, x0, x1], [y0, 0.08, 0.08], color=COLOURS[1], linewidth=1.2, zorder=3)
            style = {"arrowstyle": "-|>", "color": COLOURS[1], "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
            plane.annotate("", (x1, y1), (x1, 0.08), arrowprops=style, zorder=3)
        if title:
            fig.text(0.07 / size[0], 1 - 0.06 / size[1], title, va="top", fontsize=11, weight="bold")
    texts = "; ".join(box.text.replace("\n", " ") for box in boxes.values())
    fig.set_label(alt or f"{title or 'The way of tensors'}: {texts}")
    return fig


def _between(
    begin: tuple[float, float], end: tuple[float, float], side: float, text: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where an arrow starts and stops so that it touches neither picture nor the text below the first one."""
    way = np.array(end) - np.array(begin)
    long = max(float(np.abs(way).max()), 1e-9)
    out = (side / 2 + 0.02) / long
    downwards = way[1] < 0 and abs(way[1]) > abs(way[0])
    start = np.array(begin) + way * (out + (text / long if downwards else 0.0))
    stop = np.array(end) - way * out
    return (float(start[0]), float(start[1])), (float(stop[0]), float(stop[1]))
