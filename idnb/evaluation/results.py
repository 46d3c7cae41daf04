"""Stored results, read back: everything that tables and figures take for granted is looked at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from idnb.core.errors import InputError
from idnb.core.files import read_json
from idnb.evaluation.setting import Setting

__all__ = ["read_result"]

REMEDY = "delete it and make it again with `idnb evaluate`"
WANTED: dict[str, dict[str, Any]] = {
    "": {
        **dict.fromkeys(("pairs", "people", "contours", "parameters"), int),
        **dict.fromkeys(("setting", "metrics", "names", "distributions", "oracle"), dict),
        "set": str,
    },
    "setting": {"method": str, "kind": str, "mode": str, "seed": int, "count": int},
    "names": dict.fromkeys(("perceptual", "frechet", "kernel", "gallery"), str),
    "oracle": {"frechet": int | float},
}
DISTRIBUTION = {"mean", "n", "q25", "q50", "q75"}
BUDGET = {"images", "batch", "learning_rate", "steps"}


def read_result(path: Path) -> dict[str, Any]:
    """A stored result. Raises InputError where the file is missing or damaged."""
    content = read_json(path, REMEDY)
    if fault := _fault(content):
        raise InputError(f"{path} is damaged ({fault}); {REMEDY}")
    return content


def _fault(content: dict[str, Any]) -> str | None:
    """What is missing from a result, or of another type than it should be; None when nothing is."""
    for where, parts in WANTED.items():
        for name, kind in parts.items():
            if not isinstance((content[where] if where else content).get(name), kind):
                return f"{where + '.' if where else ''}{name} is missing or no such thing"
    try:
        setting = Setting(**content["setting"])
    except TypeError as error:
        return f"setting: {error}"
    sizes = (setting.contour_size, setting.steps, setting.contours)
    if not all(size is None or (type(size) is int and 1 <= size < 1 << 31) for size in sizes):
        return "setting has a size that is none"
    for name in ("metrics", "distributions", "oracle"):
        if not _numbers_only(content[name]):
            return f"{name} holds something else than numbers"
    for name, found in content["distributions"].items():
        if not isinstance(found, dict) or "rank1" not in found:
            return f"bands.{name} is no pair of distributions"
        if not all(
            isinstance(found.get(who), dict) and set(found[who]) >= DISTRIBUTION for who in ("same", "strangers")
        ):
            return f"bands.{name} has not both distributions"
    return _training_fault(content["training"]) if "training" in content else None


def _training_fault(training: Any) -> str | None:
    """The same of how a variant of an ablation was trained."""
    if not isinstance(training, dict) or type(training.get("seed")) is not int:
        return "training.seed is missing"
    variant, budget = training.get("variant"), training.get("budget")
    if not isinstance(variant, dict) or not isinstance(variant.get("name"), str):
        return "training.variant is missing"
    if not isinstance(budget, dict) or not set(budget) >= BUDGET or type(budget["images"]) is not int:
        return "training.budget is missing"
    return None


def _numbers_only(tree: Any) -> bool:
    """Whether nested objects hold numbers and nulls only."""
    if isinstance(tree, dict):
        return all(_numbers_only(part) for part in tree.values())
    return tree is None or (isinstance(tree, int | float) and not isinstance(tree, bool))
