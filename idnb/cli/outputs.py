"""The files that a command will write: all their names are known, and checked, before the first is written."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from idnb.core.errors import InputError

__all__ = ["add_overwrite", "check_outputs", "figure_name"]


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the option that every command has which writes files by a name of the user's."""
    text = "replace files that are there already; inputs are never replaced"
    parser.add_argument("--overwrite", action="store_true", help=text)


def check_outputs(plan: Sequence[tuple[str, Sequence[Path]]], inputs: Iterable[Path], overwrite: bool) -> None:
    """See that no file would be lost.

    plan: for each thing that will be made, what it is made of, for messages, and the files to write.
    inputs: the files that are read, and folders of them, which are never written over. overwrite: whether other files
    may be replaced.
    Raises InputError where two things would be written to one file, where a file to write is an input, where it is
    there already and may not be replaced, or where a folder has its name.
    """
    read = {key: path for path in inputs for key in _keys(path)}
    makers: dict[str, str] = {}
    there = []
    for maker, paths in plan:
        for path in paths:
            name = os.path.realpath(path)
            if name in makers:
                raise InputError(f"{path}: {makers[name]} and {maker} would both be written there; rename one of them")
            makers[name] = maker
            above = Path(name).parents if os.path.exists(path) else ()
            source = next((read[key] for key in (*_keys(path), *map(str, above)) if key in read), None)
            if source is not None:
                raise InputError(f"{path} would be written over the input {source}; give another --out")
            if path.is_dir():
                raise InputError(f"{path} is a folder, and a file of this name is to be written; give another --out")
            if os.path.lexists(path):
                there.append(path)
    if there and not overwrite:
        more = f" (and {len(there) - 1:,} more)" if len(there) > 1 else ""
        raise InputError(f"{there[0]} is there already{more}; add --overwrite to replace it, or give another --out")


def figure_name(path: str) -> None:
    """Raises InputError for a name that is no figure's, before anything is drawn."""
    if Path(path).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"--out {path}: give a name that ends in .png, .pdf or .svg")


def _keys(path: Path) -> list[str | tuple[int, int]]:
    """What tells that two paths are one file: where they lead to, and the file's number on its disk."""
    keys: list[str | tuple[int, int]] = [os.path.realpath(path)]
    if os.path.exists(path):
        stat = os.stat(path)
        keys += [(stat.st_dev, stat.st_ino)] if stat.st_ino else []
    return keys
