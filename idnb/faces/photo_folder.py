"""A plain folder of aligned photographs: your own, FFHQ's, or any other set that is only pictures.

    photos/anna/1.jpg, photos/anna/2.jpg, photos/ben/1.jpg      a folder a person: who is who is known
    photos/1.jpg, photos/2.jpg                                  no folders: each photo counts as a person of its own
    photos/identities.txt                                       lines such as `1.jpg 7` say who is who instead
    photos/labels/1.png                                         index maps, where you have them (anna/1.png likewise)

Folders called by the thousands, as in FFHQ (00000, 01000, ...), are no people. Links to folders are followed. Hidden
and system files, and a few loose pictures beside folders of people, are left out and listed by `check`.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.folders import LeftOut, list_files
from idnb.core.pictures import PICTURE_SUFFIXES
from idnb.faces.celeba_split import read_identities
from idnb.faces.folder_report import FolderReport, common_side, picture_faults
from idnb.faces.label_files import read_index_map, set_order
from idnb.faces.photo_faces import PhotoFaces

__all__ = ["PhotoFolder"]

LABELS = "labels"
PEOPLE = "identities.txt"


class PhotoFolder(PhotoFaces):
    """All pictures of a folder and of its subfolders, in the order of their paths.

    folder: see the module's text.
    order: of the label maps, "celebamask" or "face-parsing"; None looks at the maps and tells.
    Attributes:
        names: (N,) path of each photo inside the folder.
        image_size: the side that most photos have; others are resized to it.
    Raises InputError: no such folder, no picture in it, or `identities.txt` does not fit.
    """

    def __init__(self, folder: str | Path, order: str | None = None) -> None:
        root = Path(folder)
        if not root.is_dir():
            raise InputError(f"{root} is not a folder of pictures")
        listing = list_files(root)
        inner = [PurePosixPath(name) for name in listing.names]
        labels = next((path.parts[0] for path in inner if path.parts[0].lower() == LABELS), LABELS)
        pictures = [path for path in inner if path.suffix.lower() in PICTURE_SUFFIXES and path.parts[0] != labels]
        if not pictures:
            raise InputError(f"{root} holds no picture ({', '.join(PICTURE_SUFFIXES)})")
        self._left_out = [*listing.left_out, *_foreign(inner, set(pictures), labels)]
        if strays := _strays(root, pictures):
            self._left_out += [LeftOut(str(path), "lies beside the folders of people, is nobody's") for path in strays]
            pictures = [path for path in pictures if path not in set(strays)]
        self.names: NDArray[np.object_] = np.array([path.as_posix() for path in pictures], dtype=object)
        index = np.arange(len(pictures), dtype=np.int64)
        super().__init__(root, index, _people(root, pictures), common_side(root / path for path in pictures))
        self._maps = {i: root / labels / path.with_suffix(".png") for i, path in enumerate(pictures)}
        there = [path for path in self._maps.values() if path.is_file()]
        _one_picture_each(there, self._maps, self.names)
        self.has_label_maps = bool(there)
        self.order = (order or set_order(there)) if there else None

    def image_path(self, index: int) -> Path:
        """The file of the photo at a place of this set."""
        return self.folder / str(self.names[self.index[index]])

    def label_paths(self, index: int) -> list[Path]:
        """The file of the label map of the photo at a place of this set, where the set has any."""
        return [self._maps[int(self.index[index])]] if self.has_label_maps else []

    def _label_map(self, index: int) -> NDArray[np.uint8]:
        if self.order is None:
            return super()._label_map(index)
        return read_index_map(self._maps[int(self.index[index])], self.order)

    def check(self, labels: bool = True, decode: bool = False, progress: bool = False) -> FolderReport:
        """Look at all files of this set; see `PhotoFaces.check`."""
        report = FolderReport(self.folder)
        people = f"{len(np.unique(self.identity)):,} people" if self.identities_known else "who is who is not known"
        report.about.append(f"{len(self):,} photos, {people}, {self.image_size} px")
        for name, why, bad in self._left_out:
            report.add("broken" if bad else "extra", self.folder / name, why)
        paths = [self.image_path(i) for i in range(len(self))]
        picture_faults(report, paths, "photos", decode, progress=progress)
        if labels and self.has_label_maps:
            maps = [self._maps[int(i)] for i in self.index]
            for path in (path for path in maps if not path.is_file()):
                report.add("missing", path)
            there = [path for path in maps if path.is_file()]
            report.about.append(f"{len(there):,} label maps in the order {self.order!r}")
            picture_faults(report, there, "labels", decode, indices=True, progress=progress)
        return report


def _foreign(files: list[PurePosixPath], pictures: set[PurePosixPath], labels: str) -> list[LeftOut]:
    """Files that are no pictures, and files in the folder of label maps that belong to none."""
    maps = {PurePosixPath(labels) / path.with_suffix(".png") for path in pictures}
    foreign = [path for path in files if path not in pictures | maps and path != PurePosixPath(PEOPLE)]
    what = {True: "is the label map of no photo", False: "is no picture"}
    return [LeftOut(str(path), what[path.parts[0] == labels]) for path in foreign]


def _one_picture_each(there: list[Path], maps: dict[int, Path], names: NDArray[np.object_]) -> None:
    """Raise InputError where a label map would be that of two pictures, such as a.jpg and a.png."""
    owners: dict[Path, int] = {}
    for place, path in maps.items():
        if owners.setdefault(path, place) != place and path in there:
            raise InputError(
                f"{path} would be the label map of {names[owners[path]]} and of {names[place]}; rename one"
            )


def _strays(root: Path, pictures: list[PurePosixPath]) -> list[PurePosixPath]:
    """Pictures that lie loose beside more of them in folders of people; they do not undo who is who."""
    loose = [path for path in pictures if len(path.parts) == 1]
    folders = [path.parent.as_posix() for path in pictures if len(path.parts) > 1]
    named = (root / PEOPLE).is_file() or _by_thousands(folders)
    return [] if named or len(loose) >= len(folders) else loose


def _by_thousands(folders: list[str]) -> bool:
    return all(name.isdecimal() and int(name) % 1000 == 0 for name in folders)


def _people(root: Path, pictures: list[PurePosixPath]) -> NDArray[np.int64] | None:
    """Who is in each picture: by `identities.txt`, else by folders, else not known."""
    if (root / PEOPLE).is_file():
        known = read_identities(root / PEOPLE)
        unknown = [path.as_posix() for path in pictures if path.as_posix() not in known]
        if unknown:
            raise InputError(f"{root / PEOPLE} does not say who is in {unknown[0]} and {len(unknown) - 1:,} others")
        return np.array([known[path.as_posix()] for path in pictures], dtype=np.int64)
    folders = [path.parent.as_posix() for path in pictures]
    if "." in folders or _by_thousands(folders):
        return None
    return np.unique(folders, return_inverse=True)[1].astype(np.int64)
