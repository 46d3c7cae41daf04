"""What the columns of tables are: heading, direction, digits; and which of them a table of some results has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from idnb.contours.kinds import CONTOURS, contour_kind
from idnb.core.errors import InputError
from idnb.experiments.stored import metric_of, over_runs

__all__ = [
    "COLUMNS",
    "CONTOUR",
    "MAIN",
    "RULER",
    "SMALL_SET",
    "Column",
    "cell",
    "column",
    "heading_of",
    "sizes_differ",
    "table_columns",
    "value_in",
]

CONTOUR = "contour"
"""Stands for the measure of the results' own kind of contour, which knows how it is shown (`Contour.measure`)."""

RULER = "psnr_at/ruler"
"""Fidelity to a picture of the preset's contour size, whatever size the contour itself had."""

SMALL_SET = 500
"""Below so many images a Frechet distance is mostly its own bias, and tables show the kernel distance."""


class Column(NamedTuple):
    """One column. key: path in "figures". heading: may hold names of a result in braces. arrow: which way is better.

    digits, factor: how a value is shown.
    """

    key: str
    heading: str
    arrow: str
    digits: int
    factor: float = 1.0

    @property
    def sign(self) -> int:
        """1 where larger is better, -1 where smaller is."""
        return -1 if self.arrow == "↓" else 1

    def shown(self, value: float) -> str:
        """A value as text."""
        return f"{self.factor * value:.{self.digits}f}"


ALL = (
    Column("perceptual", "{perceptual}", "↓", 3),
    Column(CONTOUR, "", "", 0),
    Column("judge.training/similarity", "IDSIM, network of the loss", "↑", 3),
    Column("judge.judge/similarity", "IDSIM, held-out judge", "↑", 3),
    Column("frechet", "{frechet}", "↓", 2),
    Column("lpips_vgg", "{lpips_vgg}", "↓", 3),
    Column("frechet_imagenet", "{frechet_imagenet}", "↓", 2),
    Column(RULER, "contour, dB at {ruler} px", "↑", 1),
    Column("judge.facenet/similarity", "IDSIM, FaceNet", "↑", 3),
    Column("judge.judge/preference", "nearer to its identity, %, judge", "↑", 1, 100.0),
    Column("judge.judge/rank1", "rank-1 of {people}, {gallery}, %, judge", "↑", 1, 100.0),
    Column("judge.judge/above_lower_quartile", "above lower quartile, %, judge", "↑", 1, 100.0),
    Column("shape/preference", "nearer to its true shape, %", "↑", 1, 100.0),
    Column("correlation/pose.yaw", "yaw, r", "↑", 3),
    Column("correlation/pose.pitch", "pitch, r", "↑", 3),
    Column("kernel", "{kernel}", "↓", 4),
    Column("kernel_imagenet", "{kernel_imagenet}", "↓", 4),
    Column("parameters", "parameters, M", "", 2, 1e-6),
)
COLUMNS = {one.key: one for one in ALL}

MAIN = ("perceptual", CONTOUR, "judge.training/similarity", "judge.judge/similarity", "frechet")
"""The columns that say most; all others are printed on demand."""


def column(key: str) -> Column:
    """How a figure is shown. key: a path in "figures". Raises InputError for one that has no column."""
    for kind in CONTOURS.values():
        measure = kind.measure
        if measure.key == key:
            return Column(key, measure.heading, "↑" if measure.larger_is_better else "↓", measure.digits)
    if key not in COLUMNS or key == CONTOUR:
        raise InputError(f"no column shows {key!r}; choose one of: {', '.join(COLUMNS)}")
    return COLUMNS[key]


def sizes_differ(results: list[dict[str, Any]]) -> bool:
    """Whether results have contours of different sizes, so that their measures are different rulers."""
    return len({result["setting"].get("contour_size") for result in results}) > 1


def is_measure(key: str) -> bool:
    """Whether a key is the measure of a kind of contour."""
    return any(kind.measure.key == key for kind in CONTOURS.values())


def heading_of(result: dict[str, Any], key: str) -> str:
    """The heading under which a result's figure may stand; two results with other names share no column."""
    words = {**result["names"], "people": result["people"]}
    return column(key).heading.format(**words)


def table_columns(results: list[dict[str, Any]], keys: Iterable[str] | None = None) -> list[Column]:
    """The columns of a table of results of one design, each with one measure, one name and at least one value.

    keys: see `COLUMNS`; None is all that were measured. A distance that was measured under two names has two columns.
    Below `SMALL_SET` pairs the kernel distance takes the place of the Frechet distance. Where contours differ in size,
    the contour is measured at the preset's size.
    """
    measure = contour_kind(results[0]["setting"]["kind"]).measure.key
    keys = list(keys or COLUMNS)
    if sizes_differ(results):
        measure = RULER
        keys = [key for key in keys if not is_measure(key)]
    else:
        keys = [key for key in keys if key != RULER]
    kernels = {"frechet": "kernel", "frechet_imagenet": "kernel_imagenet"} if results[0]["pairs"] < SMALL_SET else {}
    swap = {CONTOUR: measure} | kernels
    found: dict[tuple[str, str], Column] = {}
    for key in dict.fromkeys(swap.get(key, key) for key in keys):
        headings = {heading_of(result, key) for result in results if metric_of(result, key) is not None}
        for heading in sorted(headings):
            found[key, heading] = column(key)._replace(heading=heading)
    return list(found.values())


def value_in(runs: list[dict[str, Any]], one: Column) -> tuple[float, float | None, float | None] | None:
    """Value and interval of a method in a column, from those runs that were measured under the column's name."""
    named = [run for run in runs if metric_of(run, one.key) and heading_of(run, one.key) == one.heading]
    return over_runs(named, one.key)


def cell(found: tuple[float, float | None, float | None] | None, one: Column) -> str:
    """ "0.512 (0.498–0.526)"; a dash where there is nothing."""
    if found is None:
        return "–"
    value, low, high = found
    text = one.shown(value)
    if low is not None and high is not None and high > low:
        to = " to " if low < 0 else "–"
        text += f" ({one.shown(low)}{to}{one.shown(high)})"
    return text
