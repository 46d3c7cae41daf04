"""Merging the parts of CelebAMask-HQ's label maps once and for all: one index map is read ten times faster."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from idnb.core.errors import InputError
from idnb.core.files import whole_file
from idnb.faces.celebahq import CelebAMaskHQ
from idnb.faces.label_files import merge_parts

__all__ = ["merge_set"]


def merge_set(faces: CelebAMaskHQ, out: Path) -> list[int]:
    """Write an index map for every image that has parts; an interrupted run goes on with what is not there yet.

    faces: opened with `merge`. out: folder, which appears when it is complete.
    Returns the numbers of the images without parts. Raises InputError where `out` is there already.
    """
    unfinished = out.with_name(out.name + ".part")  # a folder half full would be taken for the label maps of the set
    if out.exists():
        raise InputError(f"{out} is there already; delete it to merge again, or name another folder with --out")
    unfinished.mkdir(parents=True, exist_ok=True)
    without = []
    for number in tqdm(faces.index.tolist(), desc="merging parts"):
        path, parts = unfinished / f"{number}.png", faces.part_paths(number)
        if not parts:
            without.append(number)
        elif not path.exists():
            with whole_file(path) as file:
                Image.fromarray(merge_parts(parts)).save(file, format="PNG")
    os.replace(unfinished, out)
    return without
