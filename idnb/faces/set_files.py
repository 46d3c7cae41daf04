"""The files of a set of rendered people, each read with a word about damage: table, card, strips, checksum."""

from __future__ import annotations

import csv
import functools
import gzip
import hashlib
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.files import read_json
from idnb.core.folders import list_files
from idnb.core.pictures import MAX_PIXELS, read_picture
from idnb.faces.labels import N_LABELS

__all__ = ["AGAIN", "compare_checksum", "read_card", "read_strip", "read_table", "set_checksum", "set_files"]

LARGEST_GROWTH = 32  # times the size of a packed table; real ones grow by 3
COUNTS = ("identity", "shot")  # columns of whole numbers
AGAIN = "delete it and run the `idnb render` command in card.json again"


def set_files(folder: Path, identity: int) -> tuple[Path, Path]:
    """The strips of pictures and of labels of a person."""
    return folder / "images" / f"{identity:05d}.webp", folder / "labels" / f"{identity:05d}.png"


def read_card(folder: Path) -> dict[str, Any]:
    """What `card.json` says of a set. Raises InputError where it is damaged."""
    card = read_json(folder / "card.json", "render the set again or restore the file")
    wrong = [name for name in ("identities", "shots", "size") if type(card.get(name)) is not int or card[name] < 1]
    wrong += [name for name in ("command", "sha256") if not isinstance(card.get(name, ""), str)]
    if wrong or not 16 <= card["size"] <= 2048:
        raise InputError(
            f"{folder / 'card.json'} is damaged ({(wrong or ['size'])[0]} is missing or no such thing); render the "
            "set again or restore the file"
        )
    return card


def read_table(path: Path) -> dict[str, NDArray[Any]]:
    """Read `people.csv.gz`: one array a column, numbers where every value is one, else text.

    Raises InputError: no such file, or one that is damaged.
    """
    try:
        largest = LARGEST_GROWTH * path.stat().st_size
        with gzip.open(path, "rb") as file:
            text = file.read(largest + 1)
        if len(text) > largest:
            raise ValueError("it unpacks to far more than a table of people")
        rows = list(csv.reader(io.StringIO(text.decode("utf-8"), newline="")))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: is {path.parent} a folder made by `idnb render`?") from error
    except (OSError, EOFError, ValueError, zlib.error, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); render the set again or restore the file") from error
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise InputError(f"{path} is damaged (rows are missing or cut short); render the set again or restore the file")
    table: dict[str, NDArray[Any]] = {}
    for name, column in zip(rows[0], zip(*rows[1:], strict=True), strict=True):
        try:
            table[name] = np.array(column, dtype=np.int64 if name in COUNTS else np.float64)
        except (ValueError, OverflowError):
            table[name] = np.array(column)
    if any(name not in table or table[name].dtype != np.int64 or table[name].min() < 0 for name in COUNTS):
        raise InputError(f"{path} is damaged (identity and shot are no numbers); render the set again or restore it")
    return table


def read_strip(path: Path, size: int) -> NDArray[np.uint8]:
    """Decode a strip: shots of `size` pixels side by side, [size, n * size, 3] sRGB or [size, n * size] class numbers.

    Raises InputError where it is missing, damaged, of another size, or holds numbers that are no classes.
    """
    if not path.exists():
        raise InputError(f"{path} is missing: finish the set with the `idnb render` command in card.json")
    image = read_picture(path, remedy=AGAIN, limit=MAX_PIXELS)
    if image.height != size or image.width % size:
        raise InputError(f"{path} is {image.width} x {image.height}, where shots of {size} px belong; {AGAIN}")
    if path.suffix != ".png":
        return np.asarray(image.convert("RGB"))
    if image.mode != "L":
        raise InputError(f"{path} is a picture in mode {image.mode}, not a map of class numbers (mode L)")
    labels = np.asarray(image)
    if labels.max() >= N_LABELS:
        raise InputError(f"{path} is damaged (it holds class {labels.max()}; they end at {N_LABELS - 1}); {AGAIN}")
    return labels


@functools.lru_cache(maxsize=64)
def compare_checksum(folder: Path, expected: str, _state: str) -> None:
    """Compare the checksum of a finished set with its card: once a process, and again when a file has changed."""
    if set_checksum(folder) != expected:
        raise InputError(
            f"{folder}: files are missing or changed since it was rendered (its sha256 is not that of card.json); "
            "delete what was changed, or the whole folder, and give the command in card.json again; or take sha256 out "
            "of card.json if you changed them on purpose"
        )


def set_checksum(folder: Path) -> str:
    """SHA-256 over the table, the pictures and the labels of a set, in the order of their names."""
    digest = hashlib.sha256()
    files = [folder / "people.csv.gz"]
    for inner, suffix in (("images", ".webp"), ("labels", ".png")):
        if (folder / inner).is_dir():
            names = list_files(folder / inner, deep=False).with_suffix((suffix,))
            files += [folder / inner / name for name in names]
    for path in files:
        digest.update(path.name.encode())
        digest.update(path.read_bytes() if path.is_file() else b"missing")
    return digest.hexdigest()
