"""Sets of synthetic people: reading what `idnb render` wrote.

A set is a folder: `people.csv.gz` has one row a shot with every parameter by name, `images/00012.webp` holds the
shots of identity 12 side by side, `labels/00012.png` their class numbers in the same layout, `card.json` says how the
set was made.
"""

from __future__ import annotations

import csv
import functools
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.folders import list_files
from idnb.core.pictures import read_picture

__all__ = ["BUNDLED_SETS", "Face", "Faces", "finished", "load_rendered", "read_table", "set_checksum"]

BUNDLED_SETS = Path(__file__).parent.parent / "assets" / "faces"


@dataclass(frozen=True)
class Face:
    """One picture of one person.

    Attributes:
        image: (3, H, W) float in [-1, 1], RGB.
        label_map: (H, W) long, class numbers of `idnb.faces.labels`.
        identity: number of the person.
        shot: number of the picture of this person.
        parameters: every known parameter by name.
    """

    image: torch.Tensor
    label_map: torch.Tensor
    identity: int
    shot: int
    parameters: dict[str, Any]


def read_table(path: Path) -> dict[str, NDArray[Any]]:
    """Read `people.csv.gz`: one array a column, numbers where every value is one, else text.

    Raises:
        InputError: no such file, or one that is damaged.
    """
    try:
        with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: is {path.parent} a folder made by `idnb render`?") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}); render the set again or restore the file") from error
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise InputError(f"{path} is damaged (rows are missing or cut short); render the set again or restore the file")
    table: dict[str, NDArray[Any]] = {}
    for name, column in zip(rows[0], zip(*rows[1:], strict=True), strict=True):
        if name in ("identity", "shot"):
            table[name] = np.array(column, dtype=np.int64)
            continue
        try:
            table[name] = np.array(column, dtype=np.float64)
        except ValueError:
            table[name] = np.array(column)
    return table


class Faces:
    """A set of people; behaves like a sequence of `Face`.

    Args:
        folder: of the set.
        rows: which rows of the table belong to this view of the set; all when None.

    Attributes:
        identity, shot: (N,) int64.
        parameters: every column of the table by name, (N,) each.
        image_size: pixels.
        card: what `card.json` says.
        has_label_maps: always.

    Raises:
        InputError: the folder is not a set, or a file of it is damaged.
    """

    has_label_maps = True

    def __init__(self, folder: str | Path, rows: NDArray[np.int64] | None = None) -> None:
        self.folder = Path(folder)
        card = self.folder / "card.json"
        if not card.is_file():
            raise InputError(
                f"{self.folder} is not a set of people: {card.name} is missing (make one with `idnb render`)"
            )
        self.card: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
        self.image_size: int = self.card["size"]
        table = _table(self.folder / "people.csv.gz")
        rows = np.arange(len(table["identity"])) if rows is None else rows
        self._rows = rows
        self.identity: NDArray[np.int64] = table["identity"][rows]
        self.shot: NDArray[np.int64] = table["shot"][rows]
        self.parameters = {name: column[rows] for name, column in table.items() if name not in ("identity", "shot")}

    def __len__(self) -> int:
        return len(self.identity)

    def __repr__(self) -> str:
        people = len(np.unique(self.identity))
        return f"Faces({self.folder.name!r}: {len(self)} images of {people} people, {self.image_size} px)"

    def __getitem__(self, index: int) -> Face:
        index = range(len(self))[index]
        parameters = {name: column[index].item() for name, column in self.parameters.items()}
        image, label_map = self.images([index])[0], self.label_maps([index])[0]
        return Face(image, label_map, int(self.identity[index]), int(self.shot[index]), parameters)

    def select(self, identities: Sequence[int] | NDArray[np.int64]) -> Faces:
        """The same set with these people only.

        Raises:
            InputError: an identity that the set does not have.
        """
        missing = np.setdiff1d(identities, self.identity)
        if len(missing):
            raise InputError(
                f"{self!r} has no identity {missing[:5].tolist()}; "
                f"its people are {self.identity.min()} to {self.identity.max()}"
            )
        return Faces(self.folder, self._rows[np.isin(self.identity, identities)])

    def fingerprint(self) -> str:
        """Text that changes when the set does; what is computed from a set is stored under it."""
        return (self.folder / "card.json").read_text(encoding="utf-8")

    def pixels(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images as stored: (B, H, W, 3) sRGB 0..255."""
        return np.stack([self._tile("images", "webp", i) for i in indices])

    def images(self, indices: Sequence[int] | NDArray[np.int64], size: int | None = None) -> torch.Tensor:
        """Images as network input.

        Args:
            indices: B places in this set.
            size: pixels; smaller than stored is averaged (antialiased), None keeps the stored size.

        Returns:
            (B, 3, size, size) float in [-1, 1], RGB.
        """
        images = torch.from_numpy(self.pixels(indices)).permute(0, 3, 1, 2).float() / 127.5 - 1  # [B, 3, H, W]
        if size is None or size == self.image_size:
            return images
        return torch.nn.functional.interpolate(
            images, size=(size, size), mode="bilinear", antialias=True, align_corners=False
        )

    def label_maps(self, indices: Sequence[int] | NDArray[np.int64], size: int | None = None) -> torch.Tensor:
        """Label maps, brought to another size by the nearest pixel only.

        Args:
            indices: B places in this set.
            size: pixels; None keeps the stored size.

        Returns:
            (B, size, size) long, class numbers of `idnb.faces.labels`.
        """
        labels = torch.from_numpy(np.stack([self._tile("labels", "png", i) for i in indices]))
        if size is not None and size != self.image_size:
            labels = torch.nn.functional.interpolate(labels[:, None], size=(size, size), mode="nearest-exact")[
                :, 0
            ]  # [B, size, size]
        return labels.long()

    def _tile(self, kind: str, suffix: str, index: int) -> NDArray[np.uint8]:
        index = range(len(self))[int(index)]
        path = self.folder / kind / f"{self.identity[index]:05d}.{suffix}"
        left = int(self.shot[index]) * self.image_size
        return _strip(path, path.stat().st_mtime_ns if path.exists() else 0)[:, left : left + self.image_size]


@functools.lru_cache(maxsize=8)
def _table(path: Path) -> dict[str, NDArray[Any]]:
    return read_table(path)


@functools.lru_cache(maxsize=512)
def _strip(path: Path, _changed: int) -> NDArray[np.uint8]:
    """Decode all shots of one person."""
    if not path.exists():
        raise InputError(f"{path} is missing: finish the set with the `idnb render` command in card.json")
    image = read_picture(path, remedy="delete it and run the `idnb render` command in card.json again")
    if path.suffix == ".png" and image.mode != "L":
        raise InputError(f"{path} is a picture in mode {image.mode}, not a map of class numbers (mode L)")
    return np.asarray(image if path.suffix == ".png" else image.convert("RGB"))


def load_rendered(name: str | Path) -> Faces:
    """Open a set of rendered people, for what needs all that is known of them; others take `idnb.load_faces`.

    Args:
        name: "test" or "starter" (bundled), or the folder of any set made by `idnb render`.

    Returns:
        The set.

    Raises:
        InputError: no such set; the message lists the bundled ones.
    """
    bundled = BUNDLED_SETS / str(name)
    if (bundled / "card.json").is_file():
        return Faces(bundled)
    if Path(name).is_dir():
        return Faces(name)
    have = sorted(p.parent.name for p in BUNDLED_SETS.glob("*/card.json"))
    raise InputError(
        f"There is no set of people {str(name)!r}: bundled are {have}; "
        "or give the folder of a set made by `idnb render`"
    )


def finished(faces: Any, report: Callable[[str], None]) -> Any:
    """Only the people whose files are there: a set that is still being rendered can be used as far as it has come."""
    if not isinstance(faces, Faces):
        return faces  # photographs are there or not; `idnb data check` says so
    numbers = np.unique(faces.identity)
    places = [(faces.folder / "images" / f"{i:05d}.webp", faces.folder / "labels" / f"{i:05d}.png") for i in numbers]
    there = [i for i, files in zip(numbers, places, strict=True) if all(path.is_file() for path in files)]
    if len(there) == len(numbers):
        return faces
    if not there:
        raise InputError(f"{faces.folder}: no person is rendered yet; run the command in its card.json")
    report(f"{faces.folder}: {len(there):,} of {len(numbers):,} people are rendered so far; using those")
    return faces.select(there)


def _files(folder: Path, identity: int) -> tuple[Path, Path]:
    return folder / "images" / f"{identity:05d}.webp", folder / "labels" / f"{identity:05d}.png"


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
        digest.update(path.read_bytes())
    return digest.hexdigest()
