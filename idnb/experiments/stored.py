"""Stored results: read them, find a figure in them, put the runs of one method together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from idnb.core.errors import InputError
from idnb.core.files import read_json
from idnb.core.folders import list_files
from idnb.evaluation.intervals import seed_interval
from idnb.evaluation.methods import NOTHING, SEARCHES
from idnb.evaluation.results import read_result
from idnb.models.encoder_files import ENCODERS

__all__ = ["BLOCKS", "block_of", "design_of", "designs", "metric_of", "grouped", "over_runs", "read_results"]

BLOCKS = ("trained alike", "bundled", "searches", "others", "ideal results", "do nothing")
"""Rows of a table stand in these blocks, in this order."""


def read_results(folder: str | Path, kind: str | None = None, mode: str | None = None) -> list[dict[str, Any]]:
    """Every `result.json` or stored result below a folder, in order of their paths.

    kind, mode: only runs with this kind of contour, these pairs; None takes all.

    Raises InputError where there is none, or one that is damaged.
    """
    folder = Path(folder)
    found = []
    names = list_files(folder).with_suffix((".json",)) if folder.is_dir() else []
    for path in (folder / name for name in names):
        if path.name in ("setting.json", "variant.json"):
            continue  # what a run notes for itself
        content = read_json(path, "make it again with `idnb evaluate`")
        if "metrics" in content and "setting" in content:
            setting = read_result(path)["setting"]
            if kind in (None, setting["kind"]) and mode in (None, setting["mode"]):
                found.append(content | {"path": str(path)})
    if not found:
        raise InputError(f"{folder}: no results there; make some with `idnb evaluate`")
    return found


def metric_of(result: dict[str, Any], key: str) -> dict[str, Any] | None:
    """A metric by its path, such as "judge.judge/rank1": {value, low, high, n}, or None where it was not taken.

    A correlation of outputs that are all alike is no number, and counts as not taken. "parameters" is the size of the
    network, for methods that are one.
    """
    if key == "parameters":
        return {"value": result[key]} if result.get(key) else None
    found: Any = result["metrics"]
    for part in key.split("/"):
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and found.get("value") is not None else None


def over_runs(results: list[dict[str, Any]], key: str) -> tuple[float, float | None, float | None] | None:
    """A metric over runs of one method: one run keeps its bootstrap interval, several take Student's over runs."""
    metrics = [metric for metric in (metric_of(result, key) for result in results) if metric is not None]
    if not metrics:
        return None
    if len(metrics) == 1:
        return metrics[0]["value"], metrics[0].get("low"), metrics[0].get("high")
    return seed_interval([metric["value"] for metric in metrics])


def grouped(results: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Results by method, in order of first appearance; of a method with several designs the one with most pairs."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        groups.setdefault(result["setting"]["method"], []).append(result)
    return {name: next(iter(designs(runs).values())) for name, runs in groups.items()}


def design_of(result: dict[str, Any]) -> tuple[int, int]:
    """Pairs and contours of a run: what must be equal where two values stand in one column."""
    return result["pairs"], result["contours"]


def designs(results: Iterable[dict[str, Any]]) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """Results by their design, the one with most pairs first; `design_of` says what a design is."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for result in results:
        found.setdefault(design_of(result), []).append(result)
    return dict(sorted(found.items(), reverse=True))


def block_of(result: dict[str, Any]) -> str:
    """In which of `BLOCKS` a result stands."""
    method = result["setting"]["method"].split(",")[0]
    if "training" in result:
        return "trained alike"
    if method in NOTHING:
        return "do nothing"
    if method in SEARCHES:
        return "searches"
    if method == "ideal":
        return "ideal results"
    return "bundled" if method in ENCODERS else "others"
