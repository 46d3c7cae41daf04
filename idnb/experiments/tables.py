"""Tables of results as Markdown: methods beside bands, intervals, n and the paper's own numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from idnb.contours.kinds import CONTOURS, contour_kind
from idnb.core.errors import InputError
from idnb.evaluation.intervals import seed_interval

__all__ = [
    "COLUMNS",
    "CONTOUR",
    "MAIN",
    "PAPER_TABLE_1",
    "PAPER_TABLE_2",
    "column",
    "figure_of",
    "method_table",
    "paper_table",
    "read_results",
]

# Bai et al., tables 1 and 2: LPIPS, IDSIM, FID. CelebA-HQ at 1024 px; their numbers and ours do not compare.
PAPER_TABLE_1 = {
    "pSp": (0.2911, 0.6067, 67.9132),
    "ReStyle": (0.2913, 0.4431, 72.8556),
    "PULSE": (0.2758, 0.0215, 29.6793),
    "the paper's encoder": (0.2740, 0.7733, 57.6614),
}
PAPER_TABLE_2 = {
    "baseline": (0.2913, 0.4431, 72.8556),
    "+ IFBlock": (0.2862, 0.6681, 63.2523),
    "+ input latent": (0.2782, 0.7620, 60.8977),
    "+ pretrained identity": (0.2740, 0.7733, 57.6614),
}

Column = tuple[str, str, int, float]
"""Heading, arrow, digits, factor."""

CONTOUR = "contour"
"""Stands for the measure of the results' own kind of contour, which knows how it is shown (`Contour.measure`)."""

# Key of a figure -> its column. Keys are paths in "figures".
COLUMNS: dict[str, Column] = {
    "perceptual": ("{perceptual}", "↓", 3, 1.0),
    CONTOUR: ("", "", 0, 1.0),
    "judge.training/similarity": ("IDSIM, network of the loss", "↑", 3, 1.0),
    "judge.judge/similarity": ("IDSIM, held-out judge", "↑", 3, 1.0),
    "judge.facenet/similarity": ("IDSIM, FaceNet", "↑", 3, 1.0),
    "judge.judge/preference": ("nearer to its identity, %, judge", "↑", 1, 100.0),
    "judge.judge/rank1": ("rank-1 of {people}, %, judge", "↑", 1, 100.0),
    "judge.judge/above_lower_quartile": ("above lower quartile, %, judge", "↑", 1, 100.0),
    "shape/preference": ("nearer to its true shape, %", "↑", 1, 100.0),
    "correlation/pose.yaw": ("yaw, r", "↑", 3, 1.0),
    "correlation/pose.pitch": ("pitch, r", "↑", 3, 1.0),
    "frechet": ("{frechet}", "↓", 2, 1.0),
    "seconds": ("s an image", "↓", 3, 1.0),
}

MAIN = (
    "perceptual",
    CONTOUR,
    "judge.training/similarity",
    "judge.judge/similarity",
    "judge.judge/rank1",
    "correlation/pose.yaw",
    "frechet",
    "seconds",
)
"""The columns that say most; all others are printed on demand."""


def column(key: str) -> Column:
    """How a figure is shown. key: a path in "figures". Raises InputError for one that has no column."""
    for kind in CONTOURS.values():
        measure = kind.measure
        if measure.key == key:
            return measure.heading, "↑" if measure.larger_is_better else "↓", measure.digits, 1.0
    if key not in COLUMNS or key == CONTOUR:
        raise InputError(f"no column shows {key!r}; choose one of: {', '.join(COLUMNS)}")
    return COLUMNS[key]


def read_results(folder: str | Path, kind: str | None = None, mode: str | None = None) -> list[dict[str, Any]]:
    """Every `result.json` or stored result below a folder, in order of their paths.

    kind, mode: only runs with this kind of contour, these pairs; None takes all.

    Raises InputError where there is none, or one that is damaged.
    """
    folder = Path(folder)
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}); make it again with `idnb evaluate`") from error
        if isinstance(content, dict) and "figures" in content and "setting" in content:
            setting = content["setting"]
            if kind in (None, setting["kind"]) and mode in (None, setting["mode"]):
                found.append(content | {"path": str(path)})
    if not found:
        raise InputError(f"{folder}: no results there; make some with `idnb evaluate`")
    return found


def figure_of(result: dict[str, Any], key: str) -> dict[str, Any] | None:
    """A figure by its path, such as "judge.judge/rank1": {value, low, high, n}, or None where it was not taken.

    A correlation of outputs that are all alike is no number, and counts as not taken.
    """
    found: Any = result["figures"]
    for part in key.split("/"):
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and found.get("value") is not None else None


def joined(results: list[dict[str, Any]], key: str) -> tuple[float, float | None, float | None] | None:
    """A figure over runs of one method: one run keeps its bootstrap interval, several take Student's over runs.

    Of times the shortest is taken: whatever disturbs a clock makes it slower.
    """
    figures = [figure for figure in (figure_of(result, key) for result in results) if figure is not None]
    if not figures:
        return None
    if key == "seconds":
        return min(figure["value"] for figure in figures), None, None
    if len(figures) == 1:
        return figures[0]["value"], figures[0].get("low"), figures[0].get("high")
    return seed_interval([figure["value"] for figure in figures])


def cell(found: tuple[float, float | None, float | None] | None, digits: int, factor: float) -> str:
    """ "0.512 (0.498-0.526)"; a dash where there is nothing."""
    if found is None:
        return "–"
    value, low, high = found
    text = f"{factor * value:.{digits}f}"
    if low is not None and high is not None and high > low:
        text += f" ({factor * low:.{digits}f}–{factor * high:.{digits}f})"
    return text


def grouped(results: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Results by method, in order of first appearance."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        groups.setdefault(result["setting"]["method"], []).append(result)
    return groups


def method_table(results: list[dict[str, Any]], keys: Iterable[str] | None = None) -> str:
    """Methods as rows, measures as columns, the bands of identity below: Markdown.

    results: of one kind of contour and one mode; several runs of a method (seeds) become one row.
    keys: which columns, see `column`; None is all that were measured.
    """
    settings = {(result["setting"]["kind"], result["setting"]["mode"], result["set"]) for result in results}
    if len(settings) != 1:
        raise InputError(f"results of different kinds, modes or sets do not share a table: {sorted(settings)}")
    first, groups = results[0], grouped(results)
    measure = contour_kind(first["setting"]["kind"]).measure.key
    keys = [measure if key == CONTOUR else key for key in keys or COLUMNS]
    keys = [key for key in keys if any(figure_of(result, key) for result in results)]
    columns = {key: column(key) for key in keys}
    words = {**first["names"], "people": first["people"]}
    heads = [f"{heading.format(**words)} {arrow}" for heading, arrow, _, _ in columns.values()]
    lines = ["| method | " + " | ".join(heads) + " | parameters, M | pairs x runs |"]
    lines.append("|---" * (len(keys) + 3) + "|")
    for name, runs in groups.items():
        cells = [cell(joined(runs, key), *columns[key][2:]) for key in keys]
        size = f"{runs[0]['parameters'] / 1e6:.2f}" if runs[0]["parameters"] else "–"
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {size} | {runs[0]['pairs']:,} x {len(runs)} |")
    for title, row in band_rows(first, keys).items():
        lines.append(f"| *{title}* | " + " | ".join(row) + " | | |")
    return "\n".join(lines) + "\n\n" + note(first, groups)


def band_rows(result: dict[str, Any], keys: list[str]) -> dict[str, list[str]]:
    """What the measures give on real pictures: the same person twice, two strangers, the contour's own photo."""
    rows: dict[str, list[str]] = {"same person, two shots": [], "two strangers": [], "the contour's photo itself": []}
    for key in keys:
        digits, factor = column(key)[2:]
        name, _, measure = key.partition("/")
        band = result["bands"].get(name.removeprefix("judge."), {}) if name.startswith("judge.") else {}
        same, strangers, best = "", "", ""
        if measure == "similarity" and band:
            same, strangers = (shown(band.get(who, {}).get("mean"), digits, 1.0) for who in ("same", "strangers"))
        elif measure == "rank1" and band:
            same = shown(band["rank1"], digits, factor)
        elif measure == "above_lower_quartile":
            same = "75.0"
        elif name == "correlation" and measure in result["bests"].get("correlation", {}):
            best = shown(result["bests"]["correlation"][measure], digits, factor)
        elif name in result["bests"] and not measure:
            best = shown(result["bests"][name], digits, factor)
        for row, text in zip(rows.values(), (same, strangers, best), strict=True):
            row.append(text)
    return rows


def shown(value: float | None, digits: int, factor: float) -> str:
    """A number as text; nothing for None."""
    return "" if value is None else f"{factor * value:.{digits}f}"


def note(result: dict[str, Any], groups: dict[str, list[dict[str, Any]]]) -> str:
    """One paragraph under a table: what was measured on what, and what the intervals are."""
    setting = result["setting"]
    runs = max(len(group) for group in groups.values())
    interval = "bootstrap over contours" if runs == 1 else f"Student's t over {runs} runs"
    measure = contour_kind(setting["kind"]).measure.name
    return (
        f"Contours: {setting['kind']}, pairs: {setting['mode']} identity, set {result['set']!r} of rendered people, "
        f"{result['contours']:,} contours x {setting['count']}, n = {result['pairs']:,} pairs a run, none dropped. "
        f"In brackets 95 % intervals ({interval}); of times the shortest. {result['names']['perceptual']} and "
        f"{measure} against the contour's photo. {result['names']['frechet']} of the real test images: "
        f"{result['bests']['frechet']:.2f}."
    )


def paper_table(rows: dict[str, tuple[float, float, float]]) -> str:
    """The paper's own numbers, marked as such: Markdown."""
    lines = ["| as printed in the paper (CelebA-HQ, 1024 px) | LPIPS ↓ | IDSIM ↑ | FID ↓ |", "|---|---|---|---|"]
    lines += [f"| {name} | {lpips:.4f} | {idsim:.4f} | {fid:.2f} |" for name, (lpips, idsim, fid) in rows.items()]
    return "\n".join(lines) + "\n\nOther faces, other networks: only the order of rows compares with ours."
