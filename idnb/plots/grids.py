"""The figures of the notebooks: grids of pictures, pairs, alignment, losses.

Every function returns a figure of fixed size, 100 dots an inch and at most 9 inches wide, that carries a text for those
who cannot see it. Hand it to `show`: one picture appears, with that text. Pictures may be

    float tensors [3, H, W] or [1, H, W] in [-1, 1]      integer tensors or arrays [H, W]: label maps, painted
    PIL images                                           uint8 arrays [H, W, 3]
"""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Patch

from idnb.core.errors import InputError
from idnb.faces.labels import LABEL_PALETTE, LABEL_TITLES
from idnb.plots.style import COLOURS, DPI, MAX_WIDTH, STYLE, as_picture, put_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from idnb.faces.align import AlignedFace
    from idnb.faces.photo import Photo

__all__ = ["plot_losses", "show_alignment", "show_grid", "show_matrix", "show_pairs", "show_row"]

GAP = 0.06
"""Inches between pictures."""


def _classes_in(pictures: Sequence[Sequence[Any]]) -> list[int]:
    maps = [
        np.unique(np.asarray(p))
        for row in pictures
        for p in row
        if isinstance(p, torch.Tensor | np.ndarray) and p.ndim == 2 and np.asarray(p).dtype.kind in "iu"
    ]
    return sorted({int(v) for found in maps for v in found})


def show_grid(
    pictures: Sequence[Sequence[Any]] | torch.Tensor,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    title: str = "",
    captions: Sequence[Sequence[str]] = (),
    cell: float = 1.4,
    legend: bool = True,
    alt: str = "",
) -> "Figure":
    """A grid of pictures.

    pictures: rows of pictures; None leaves a place empty. A tensor [R, C, 3, H, W] works as well.
    row_labels: one for each row, at its left.
    column_labels: one for each column, above it.
    title: above everything.
    captions: rows of short texts below the pictures, such as numbers.
    cell: side of a picture in inches; made smaller when the figure would be wider than 9 inches.
    legend: whether label maps get a legend of the classes that occur.
    alt: what the figure shows, in a sentence; made from the labels when left out.
    Raises InputError: nothing to show, or something that is not a picture.
    """
    rows = [list(row) for row in pictures]
    n_rows, n_columns = len(rows), max((len(row) for row in rows), default=0)
    if n_columns == 0:
        raise InputError("there is no picture to show")
    for name, labels, n in (("row_labels", row_labels, n_rows), ("column_labels", column_labels, n_columns)):
        if len(labels) not in (0, n):
            raise InputError(f"{name} has {len(labels)} entries for {n}")
    left = min(1.5, 0.15 + 0.07 * max(map(len, row_labels))) if len(row_labels) else 0.0
    cell = np.floor(DPI * min(cell, (MAX_WIDTH - left - GAP) / n_columns - GAP)) / DPI
    width = min(MAX_WIDTH, max(left + n_columns * (cell + GAP) + GAP, 3.0 if title else 0.0))
    titles = textwrap.wrap(title, int(11.5 * width))
    wide = max(6, int(15.0 * cell))
    heads = ["\n".join("\n".join(textwrap.wrap(s, wide)) for s in str(h).split("\n")) for h in column_labels]
    classes = _classes_in(rows) if legend else []
    legend_columns = max(1, int(width / 1.25))
    top = 0.24 * len(titles) + 0.17 * max((h.count("\n") + 1 for h in heads), default=0) + 0.1
    below = 0.2 if len(captions) else 0.0
    bottom = GAP + (0.2 * -(-len(classes) // legend_columns) + 0.08 if classes else 0.0)
    height = top + n_rows * (cell + below + GAP) + bottom
    with plt.rc_context(STYLE):
        fig = plt.figure(figsize=(width, height), dpi=DPI)
        for i, line in enumerate(titles):
            fig.text(GAP / width, 1 - (0.06 + 0.24 * i) / height, line, va="top", fontsize=11, weight="bold")
        for r, row in enumerate(rows):
            y = height - top - r * (cell + below + GAP) - cell
            if len(row_labels):
                label = "\n".join(textwrap.wrap(str(row_labels[r]), 19))
                fig.text((left - 0.05) / width, (y + cell / 2) / height, label, va="center", ha="right")
            for c, picture in enumerate(row):
                x = left + GAP + c * (cell + GAP)
                if r == 0 and heads:
                    fig.text((x + cell / 2) / width, (height - top + 0.05) / height, heads[c], ha="center", va="bottom")
                if len(captions) and c < len(captions[r]):
                    text = str(captions[r][c])
                    fig.text((x + cell / 2) / width, (y - 0.04) / height, text, ha="center", va="top", fontsize=8)
                if picture is not None:
                    axes = fig.add_axes((x / width, y / height, cell / width, cell / height))
                    axes.imshow(as_picture(picture))
                    axes.set_axis_off()
        if classes:
            handles = [Patch(color=LABEL_PALETTE[k] / 255.0, label=LABEL_TITLES[k]) for k in classes]
            fig.legend(handles=handles, loc="lower center", ncols=legend_columns, fontsize=8, handlelength=1.0)
    if not alt:
        parts = [title or "Pictures", f"{n_rows} by {n_columns}"]
        parts += [f"rows: {', '.join(map(str, row_labels))}"] if len(row_labels) else []
        parts += [f"columns: {', '.join(map(str, column_labels))}"] if len(column_labels) else []
        alt = "; ".join(parts)
    fig.set_label(alt)
    return fig


def show_row(
    pictures: Sequence[Any] | torch.Tensor,
    labels: Sequence[str] = (),
    title: str = "",
    per_row: int = 8,
    **options: Any,
) -> "Figure":
    """Pictures side by side, with a label above each, in as many rows as needed.

    pictures: pictures, or a tensor [N, 3, H, W] or [N, H, W] of label maps.
    labels: one for each picture.
    title: above everything.
    per_row: how many in a row.
    options: see `show_grid`.
    """
    pictures = list(pictures)
    if len(labels) not in (0, len(pictures)):
        raise InputError(f"labels has {len(labels)} entries for {len(pictures)} pictures")
    starts = range(0, len(pictures), per_row)
    if len(labels) and len(starts) > 1:  # labels of later rows stand below the pictures, so all of them do
        options = {"captions": [[str(v) for v in labels[s : s + per_row]] for s in starts], **options}
        labels = ()
    return show_grid([pictures[s : s + per_row] for s in starts], (), labels, title, **options)


def show_pairs(
    contours: Sequence[Any] | torch.Tensor,
    identities: Sequence[Any] | torch.Tensor,
    results: Sequence[Any] | torch.Tensor | None = None,
    title: str = "",
    **options: Any,
) -> "Figure":
    """Contour above identity above result, a pair in each column.

    contours: N pictures as `contour.display` gives them, [N, 3, H, W], or label maps [N, H, W].
    identities: N pictures, [N, 3, H, W].
    results: N pictures, or None to leave the third row out.
    title: above everything.
    options: see `show_grid`.
    """
    rows = [list(contours), list(identities)] + ([] if results is None else [list(results)])
    return show_grid(rows, ("contour", "identity", "result")[: len(rows)], (), title, **options)


def show_matrix(
    contours: Sequence[Any] | torch.Tensor,
    identities: Sequence[Any] | torch.Tensor,
    results: Sequence[Sequence[Any]] | torch.Tensor,
    title: str = "",
    **options: Any,
) -> "Figure":
    """Every contour with every identity: contours down the left, identities along the top, results where they meet.

    contours: R pictures.
    identities: C pictures.
    results: R rows of C pictures, or [R, C, 3, H, W].
    title: above everything.
    options: see `show_grid`.
    """
    rows = [[None, *identities]] + [[contour, *row] for contour, row in zip(contours, results, strict=True)]
    labels = ["identities:", *(f"contour {i + 1}" for i in range(len(rows) - 1))]
    return show_grid(rows, labels, (), title, **options)


def show_alignment(photo: "Photo", aligned: "AlignedFace", title: str = "") -> "Figure":
    """A photo with box, five points and square, and the aligned crop beside it.

    photo: what was given to `align_face`.
    aligned: what it gave back.
    title: above everything.
    """
    from idnb.faces.photo import open_photo

    image = open_photo(photo)
    shown = np.clip(3.6 * image.width / image.height, 1.5, 5.2)
    with plt.rc_context({**STYLE, "axes.grid": False}):
        fig, (left, right) = plt.subplots(
            1, 2, figsize=(shown + 3.8, 4.0), width_ratios=(shown, 3.6), layout="constrained"
        )
        left.imshow(image)
        square = np.concatenate([aligned.corners, aligned.corners[:1]])  # [5, 2]
        left.plot(*square.T, color=COLOURS[4], label="the square that is cut out")
        x0, y0, x1, y1 = aligned.face.box
        left.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], "--", color=COLOURS[5], linewidth=1.2, label="face found")
        left.plot(
            *aligned.face.points.T, "o", color="white", markeredgecolor=COLOURS[0], markersize=5, label="five points"
        )
        fig.legend(loc="outside lower left", ncols=3, fontsize=8, columnspacing=1.2)
        left.set_title("photo")
        right.imshow(as_picture(aligned.image))
        right.set_title(f"aligned, {aligned.image.shape[-1]} x {aligned.image.shape[-1]} pixels")
        for axes in (left, right):
            axes.set_axis_off()
        put_title(fig, title)
    fig.set_label(f"{title or 'Alignment'}: a photo with the found face marked, and the aligned crop ({aligned})")
    return fig


def plot_losses(
    curves: dict[str, Any], title: str = "", xlabel: str = "step", ylabel: str = "loss", log: bool = False
) -> "Figure":
    """Curves over training, each also smoothed when it is long.

    curves: name -> values [N], or name -> (steps [N], values [N]).
    title: above the curves.
    xlabel: below the axis.
    ylabel: beside the axis.
    log: whether the vertical axis is logarithmic.
    """
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(figsize=(7.0, 3.2), layout="constrained")
        parts = []
        for (name, curve), colour in zip(curves.items(), COLOURS * (1 + len(curves) // len(COLOURS)), strict=False):
            steps, values = curve if isinstance(curve, tuple) else (np.arange(len(curve)), curve)
            values = np.asarray(values, dtype=np.float64)
            window = max(1, len(values) // 40)
            if window > 1:
                axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            total = np.cumsum(np.concatenate([[0.0], values]))
            ends = np.arange(1, len(values) + 1)
            begins = np.maximum(0, ends - window)
            axes.plot(steps, (total[ends] - total[begins]) / (ends - begins), color=colour, label=name)
            parts.append(f"{name} from {values[0]:.3g} to {values[-1]:.3g}" if len(values) else f"{name}: empty")
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
        axes.legend()
    fig.set_label(f"{title or 'Curves'}: {'; '.join(parts)}")
    return fig
