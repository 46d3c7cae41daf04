"""Sets of synthetic people: reading what `idnb render` wrote.

A set is a folder: `people.csv.gz` has one row a shot with every parameter by name, `images/00012.webp` holds the
shots of identity 12 side by side, `labels/00012.png` their class numbers in the same layout, `card.json` says how the
set was made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.files import file_states
from idnb.core.resize import resize
from idnb.faces.set_files import AGAIN, compare_checksum, read_card, read_strip, read_table, set_files

__all__ = ["BUNDLED_SETS", "Face", "Faces", "finished", "load_rendered"]

BUNDLED_SETS = Path(__file__).parent.parent / "assets" / "faces"


@dataclass(frozen=True)
class Face:
    """One picture of one person.

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


class Faces:
    """A set of people; behaves like a sequence of `Face`.

    folder: of the set.
    rows: which rows of the table belong to this view of the set; all when None.
    Attributes:
        identity, shot: (N,) int64.
        parameters: every column of the table by name, (N,) each.
        image_size: pixels.
        card: what `card.json` says.
        has_label_maps: always.
    Raises InputError: the folder is not a set, or a file of it is damaged.
    """

    has_label_maps = True

    def __init__(self, folder: str | Path, rows: NDArray[np.int64] | None = None) -> None:
        self.folder = Path(folder)
        card = self.folder / "card.json"
        if not card.is_file():
            raise InputError(
                f"{self.folder} is not a set of people: {card.name} is missing (make one with `idnb render`)"
            )
        self.card: dict[str, Any] = read_card(self.folder)
        self.image_size: int = self.card["size"]
        path = self.folder / "people.csv.gz"
        table = _table(path, file_states([path]))
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

        Raises InputError: an identity that the set does not have.
        """
        missing = np.setdiff1d(identities, self.identity)
        if len(missing):
            raise InputError(
                f"{self!r} has no identity {missing[:5].tolist()}; "
                f"its people are {self.identity.min()} to {self.identity.max()}"
            )
        return self.where(np.isin(self.identity, identities))

    def where(self, chosen: NDArray[np.bool_]) -> Faces:
        """The same set with some of its pictures only; chosen: (N,)."""
        return Faces(self.folder, self._rows[chosen])

    def fingerprint(self) -> str:
        """Text that changes when the set does; what is computed from a set is stored under it."""
        files = [path for identity in np.unique(self.identity) for path in set_files(self.folder, identity)]
        return file_states([self.folder / "card.json", self.folder / "people.csv.gz", *files])

    def pixels(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images as stored: (B, H, W, 3) sRGB 0..255."""
        return np.stack([self._tile("images", "webp", i) for i in indices])

    def images(self, indices: Sequence[int] | NDArray[np.int64], size: int | None = None) -> torch.Tensor:
        """Images as network input.

        indices: B places in this set.
        size: pixels; smaller than stored is averaged (antialiased), None keeps the stored size.
        Returns (B, 3, size, size) float in [-1, 1], RGB.
        """
        images = torch.from_numpy(self.pixels(indices)).permute(0, 3, 1, 2).float() / 127.5 - 1  # [B, 3, H, W]
        return images if size is None else resize(images, size, "bilinear")

    def label_maps(self, indices: Sequence[int] | NDArray[np.int64], size: int | None = None) -> torch.Tensor:
        """Label maps, brought to another size by the nearest pixel only.

        indices: B places in this set.
        size: pixels; None keeps the stored size.
        Returns (B, size, size) long, class numbers of `idnb.faces.labels`.
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
        strip = _strip(path, file_states([path]), self.image_size)
        if left >= strip.shape[1]:
            raise InputError(f"{path} has no shot {self.shot[index]}, which people.csv.gz names; {AGAIN}")
        return strip[:, left : left + self.image_size]


@functools.lru_cache(maxsize=8)
def _table(path: Path, _state: str) -> dict[str, NDArray[Any]]:
    return read_table(path)


@functools.lru_cache(maxsize=512)
def _strip(path: Path, _state: str, size: int) -> NDArray[np.uint8]:
    """All shots of one person; see `read_strip`."""
    return read_strip(path, size)


def load_rendered(name: str | Path) -> Faces:
    """Open a set of rendered people, for what needs all that is known of them; others take `idnb.load_faces`.

    name: "test" or "starter" (bundled), or the folder of any set made by `idnb render`.
    Returns the set.
    Raises InputError: no such set; the message lists the bundled ones.
    """
    bundled = BUNDLED_SETS / str(name)
    folder = bundled if (bundled / "card.json").is_file() else Path(name)
    if folder.is_dir():
        faces = Faces(folder)
        if "sha256" in faces.card:
            compare_checksum(folder, faces.card["sha256"], faces.fingerprint())
        return faces
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
    there = [i for i in numbers if all(path.is_file() for path in set_files(faces.folder, i))]
    if len(there) == len(numbers):
        return faces
    if not there:
        raise InputError(f"{faces.folder}: no person is rendered yet; run the command in its card.json")
    report(f"{faces.folder}: {len(there):,} of {len(numbers):,} people are rendered so far; using those")
    return faces.select(there)
