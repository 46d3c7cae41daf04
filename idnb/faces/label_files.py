"""Label maps of photos on disk: one picture for each part, or one picture of class numbers, in either common order.

CelebAMask-HQ comes as parts: `00012_hair.png` is white where image 12 has hair. Programs make one index map of them.
Two orders of the classes are widespread, and nothing in a file says which it is. The neck lies below the face and hair
begins above it; so many maps together tell, and a set that does not agree with itself is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from idnb.core.errors import InputError
from idnb.core.folders import list_files
from idnb.core.pictures import read_picture
from idnb.faces.labels import LABEL_NAMES, LABEL_PALETTE, ORDERS, check_label_map, likely_order

__all__ = ["merge_parts", "read_class_numbers", "read_index_map", "scan_parts", "set_order"]

MAX_LABEL_PIXELS = 4096 * 4096
SAMPLE = 48  # maps that are looked at to tell the order


def merge_parts(paths: Sequence[tuple[str, Path]]) -> NDArray[np.uint8]:
    """Merge the parts of one face into a map of class numbers, in the official order; later parts lie on top.

    paths: (name of the part, file) in any order; a file is a mask, 0 where the part is not.
    Returns (H, W) class numbers of `LABEL_NAMES`.
    Raises InputError: an unknown part, a broken file, or parts of different sizes.
    """
    merged: NDArray[np.uint8] | None = None
    for name, path in sorted(paths, key=lambda part: LABEL_NAMES.index(part[0])):
        image = read_picture(path, remedy="`idnb data check` lists all that are", limit=MAX_LABEL_PIXELS)
        values = np.asarray(image if image.mode in ("L", "1") or image.mode[0] == "I" else image.convert("RGB"))
        mask = np.atleast_3d(values).any(axis=2)  # [H, W]
        if merged is None:
            merged = np.zeros(mask.shape, np.uint8)
        if mask.shape != merged.shape:
            raise InputError(f"{path} is {mask.shape[1]} x {mask.shape[0]}, other parts of this face are not")
        merged[mask] = LABEL_NAMES.index(name)
    if merged is None:
        raise InputError("a face without any part has no label map; `idnb data check` lists such faces")
    return merged


def read_class_numbers(path: str | PathLike) -> torch.Tensor:
    """Read a picture of class numbers: grey or index PNG, or a map that is painted in the colours of `LABEL_PALETTE`.

    path: the file. Grey values are class numbers. Of an index or RGB picture the colours say the class where all
        are those of our palette; an index picture whose palette is the greys in order is like a grey one.
    Returns [H, W] int64, 0 to 18, in the order of the file.
    Raises InputError: the file is missing or broken, was saved with loss (JPEG), has colours or a palette that say
    nothing, or other values.
    """
    name, picture = str(path), read_picture(path, limit=MAX_LABEL_PIXELS)
    if picture.format in ("JPEG", "MPO"):
        raise InputError(f"{name} is a JPEG, which blurs class numbers; save the label map as PNG")
    if picture.mode == "P":
        return check_label_map(_by_palette(picture, name), name)
    if picture.mode in ("L", "1") or picture.mode[0] == "I":
        grey = picture.convert("L") if picture.mode == "1" else picture  # a mask: 0 and 255, no class numbers
        return check_label_map(np.array(grey).astype(np.int64), name)
    return check_label_map(_by_colour(picture, name), name)


def _by_palette(picture: Image.Image, name: str) -> NDArray[np.uint8]:
    """Class numbers of an index picture, by what its palette says of each index that is used."""
    indices = np.asarray(picture)
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    palette = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    if used[-1] >= len(palette):
        raise InputError(f"{name} uses index {used[-1]} of a palette of {len(palette)}; save the label map again")
    colours = palette[used]  # [K, 3]
    if (colours == used[:, None]).all():  # greys, each at its own number: as good as a grey picture
        return indices
    same = (colours[:, None] == LABEL_PALETTE).all(axis=2)  # [K, 19]
    if not same.any(axis=1).all():
        wrong = int(np.flatnonzero(~same.any(axis=1))[0])
        raise InputError(
            f"{name} is an index picture with another palette than ours: index {used[wrong]} has the colour "
            f"{tuple(colours[wrong].tolist())}, so nothing says which class it is. If its indices are class numbers, "
            f"save them as grey PNG: Image.fromarray(numpy.array(Image.open({name!r}))).save('grey.png')"
        )
    table = np.zeros(256, np.uint8)
    table[used] = same.argmax(axis=1)
    return table[indices]  # [H, W]


def _by_colour(picture: Image.Image, name: str) -> NDArray[np.uint8]:
    """Class numbers of a painted picture, where every colour is one of our palette."""
    clear = "A" in picture.getbands() and bool((np.asarray(picture.getchannel("A")) < 255).any())
    pixels = np.asarray(picture.convert("RGB")).astype(np.int32)  # [H, W, 3]
    colours = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]  # [H, W]
    palette = LABEL_PALETTE.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    order = palette.argsort()
    place = np.searchsorted(palette[order], colours).clip(max=len(palette) - 1)
    foreign = palette[order][place] != colours
    if clear or foreign.any():
        found = "transparent pixels" if clear else f"the colour {tuple(pixels[foreign][0].tolist())}"
        raise InputError(
            f"{name} is a colour picture (mode {picture.mode}) with {found}, which is not in our palette; a label map "
            "needs class numbers 0 to 18: save the numbers, not colours, as index or grey PNG (an index PNG with "
            "LABEL_PALETTE of idnb.faces.labels)"
        )
    return order.astype(np.uint8)[place]  # [H, W]


def read_index_map(path: Path, order: str) -> NDArray[np.uint8]:
    """Read a picture of class numbers and bring it into the official order.

    path: an index or grey PNG.
    order: that of the file, "celebamask" or "face-parsing".
    Returns (H, W) class numbers of `LABEL_NAMES`.
    Raises InputError: the file is missing, broken, or holds other values than 0 to 18.
    """
    indices = read_class_numbers(path).numpy()
    table = np.array([LABEL_NAMES.index(part) for part in ORDERS[order]], dtype=np.uint8)
    return table[indices]  # [H, W]


def set_order(paths: Sequence[Path]) -> str:
    """Tell in which of the two orders a set of index maps is, from up to 48 of them.

    paths: of index maps of upright faces.
    Returns "celebamask" or "face-parsing".
    Raises InputError: no map tells, or they contradict one another: two sets are mixed.
    """
    step = max(1, len(paths) // SAMPLE)
    votes: dict[str, list[Path]] = {name: [] for name in ORDERS}
    unreadable: InputError | None = None
    for path in paths[::step][:SAMPLE]:
        try:
            order = likely_order(read_class_numbers(path))
        except InputError as error:  # the report of the folder names it
            unreadable = error
            continue
        if order is not None:
            votes[order].append(path)
    fewer, more = sorted(votes.values(), key=len)
    if not more:
        if unreadable is not None:
            raise unreadable
        raise InputError(
            f"{paths[0].parent if paths else 'the folder'}: no label map shows hair, neck or clothes around skin, so "
            "its order cannot be told; pass order='celebamask' (hair is 13) or 'face-parsing' (hair is 17)"
        )
    if len(fewer) > 0.25 * (len(fewer) + len(more)):  # a head thrown back may tell the wrong thing now and then
        raise InputError(
            f"{paths[0].parent}: two orders of classes are mixed: {more[0].name} against {fewer[0].name}; "
            "use the maps of one source only"
        )
    return next(name for name, found in votes.items() if found is more)


def scan_parts(folder: Path) -> tuple[dict[int, int], list[tuple[Path, str]]]:
    """List the parts that are there, without opening them.

    folder: `CelebAMask-HQ-mask-anno`, with the files in subfolders 0 to 14 or all in one.
    Returns image number -> its parts, bit k set where part k of `LABEL_NAMES` is there; and files that are no part of
    any image, with the reason.
    """
    numbers = {name: place for place, name in enumerate(LABEL_NAMES) if place}
    parts: dict[int, int] = {}
    extra: list[tuple[Path, str]] = []
    listing = list_files(folder)
    for name in listing.names:
        inner, _, file = name.rpartition("/")
        stem, dot, suffix = file.rpartition(".")
        number, _, part = stem.partition("_")
        if not number.isascii() or not number.isdecimal() or part not in numbers or f"{dot}{suffix}" != ".png":
            extra.append((folder / name, "is not called NUMBER_part.png"))
        elif inner and inner != str(int(number) // 2000):
            extra.append((folder / name, f"belongs into folder {int(number) // 2000}"))
        elif len(number) != 5:
            extra.append((folder / name, f"should be called {int(number):05d}_{part}.png"))
        else:
            parts[int(number)] = parts.get(int(number), 0) | 1 << numbers[part]
    extra += [(folder / name, why) for name, why, _ in listing.left_out]
    return parts, extra
