"""Generators side by side: what `idnb inspect generator --store` has kept of each, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from idnb.core.errors import InputError
from idnb.core.files import read_json
from idnb.core.folders import list_files
from idnb.evaluation.store import RESULTS

__all__ = ["GENERATORS", "generator_table"]

GENERATORS = RESULTS / "generators"
"""Where the package keeps reports of generators."""

PARTS = ("one_face_found", "pairwise_similarity", "parts", "distribution", "made_by")
REMEDY = "make it again with `idnb inspect generator --store`"


def generator_table(folder: Path) -> str:
    """Reports of a folder as rows, a value of real people in brackets behind each, and how each generator was made.

    Raises InputError where there is no report, or one that is damaged.
    """
    names = list_files(folder).with_suffix((".json",)) if folder.is_dir() else []
    reports = {name.stem: read_json(folder / name, REMEDY) for name in map(Path, names)}
    if not reports:
        raise InputError(f"{folder}: no reports of generators there; make some with `idnb inspect generator --store`")
    for name, report in reports.items():
        if lacking := [key for key in PARTS if key not in report]:
            raise InputError(f"{folder / name}.json: is no report of a generator (no {lacking[0]!r}); {REMEDY}")
    distances = sorted({key for report in reports.values() for key in distances_of(report)})
    heads = ["generator", "one face found, %", "cosine of two samples", "glasses, % of the area", *distances]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, report in reports.items():
        cosine, glasses = report["pairwise_similarity"], report["parts"]["eye_g"]
        cells = [
            name,
            f"{100 * report['one_face_found']['truncation 1']:.0f}",
            f"{cosine['samples']:.2f} ({cosine['people']:.2f})",
            f"{glasses['value']:.2f} ({glasses['real']:.2f})",
        ]
        for key in distances:
            one = distances_of(report).get(key)
            cells.append("–" if one is None else f"{one['value']:.1f} ({one['floor']:.1f})")
        lines.append(f"| {' | '.join(cells)} |")
    sides = sorted({report["distribution"]["images_a_side"] for report in reports.values()})
    told = f"In brackets the same of real people; n = {', '.join(f'{n:,}' for n in sides)} a side for distances."
    made = [f"- {name}: `{report['made_by']}`" for name, report in reports.items()]
    return "\n".join([*lines, "", told, "", *made])


def distances_of(report: dict[str, Any]) -> dict[str, Any]:
    """The Frechet distances of a report by name."""
    return {key: one for key, one in report["distribution"].items() if isinstance(one, dict) and "Frechet" in key}
