"""CelebA-HQ with the labels of CelebAMask-HQ, as its authors hand it out; nothing of it is part of this package.

    CelebAMask-HQ/
      CelebA-HQ-img/0.jpg ... 29999.jpg                       1024 px
      CelebAMask-HQ-mask-anno/0/00000_hair.png ... /14/...    512 px, one file a part that is there
      CelebA-HQ-to-CelebA-mapping.txt                         which image of CelebA each was: gives the split
      identity_CelebA.txt (or Anno/identity_CelebA.txt)       from CelebA, if you have it: who is who

In place of the parts, a folder of index maps does (`12.png` or `00012.png`, in either order of the classes); it is read
first when it is there, for one file is read faster than ten. An image keeps its number everywhere.

Source: Lee et al., "MaskGAN", CVPR 2020; Karras et al., "Progressive Growing of GANs", ICLR 2018; Liu et al., "Deep
Learning Face Attributes in the Wild" (CelebA), ICCV 2015.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.folders import list_files
from idnb.core.pictures import PICTURE_SUFFIXES
from idnb.faces.celeba_split import (
    MAPPING_FILE,
    N_HQ,
    SPLITS,
    mapping_faults,
    read_identities,
    read_mapping,
    split_of_file,
)
from idnb.faces.folder_report import FolderReport, common_side, picture_faults
from idnb.faces.label_files import merge_parts, read_index_map, scan_parts, set_order
from idnb.faces.labels import LABEL_NAMES, ORDERS
from idnb.faces.photo_faces import PhotoFaces

__all__ = ["IMAGE_FOLDER", "INDEX_FOLDERS", "PART_FOLDER", "CelebAMaskHQ", "celebahq_root"]

IMAGE_FOLDER = "CelebA-HQ-img"
PART_FOLDER = "CelebAMask-HQ-mask-anno"
INDEX_FOLDERS = ("CelebAMask-HQ-mask", "CelebAMaskHQ-mask", "CelebAMask-HQ-label", "masks", "labels")
IMAGE_SIZE, LABEL_SIZE = 1024, 512  # as its authors hand it out; other sizes circulate and work as well


def celebahq_root(folder: str | Path) -> Path | None:
    """The folder that holds `CelebA-HQ-img`: the one given, or CelebAMask-HQ inside it; None when neither does."""
    for root in (Path(folder), Path(folder) / "CelebAMask-HQ"):
        if (root / IMAGE_FOLDER).is_dir():
            return root
    return None


class CelebAMaskHQ(PhotoFaces):
    """CelebA-HQ photos, their label maps and their people.

    folder: as in the module's text.
    split: "train", "val" or "test" by CelebA's numbers; None takes all images.
    order: of index maps, "celebamask" or "face-parsing"; None looks at the maps and tells.
    allow_missing: use the images that are there instead of refusing a split from which some are missing.
    merge: merge the parts, even where index maps are there.
    Attributes:
        index: (N,) the number of each image in CelebA-HQ.
        order: that of the index maps, None where parts are merged or there are no maps.
    Raises InputError: the folder is not laid out so, the mapping is missing or damaged, or images are missing.
    """

    def __init__(
        self,
        folder: str | Path,
        split: str | None = None,
        order: str | None = None,
        allow_missing: bool = False,
        merge: bool = False,
    ) -> None:
        root = celebahq_root(folder)
        if root is None:
            raise InputError(f"{folder} holds no folder {IMAGE_FOLDER}; see data/README.md for how the set is laid out")
        if split is not None and split not in SPLITS:
            raise InputError(f"split is {split!r}; choose one of: {', '.join(SPLITS)}")
        if order is not None and order not in ORDERS:
            raise InputError(f"order is {order!r}; choose 'celebamask' (hair is 13) or 'face-parsing' (hair is 17)")
        self.split = split
        self._images, self._extra = _scan_images(root / IMAGE_FOLDER)
        index, file_number = self._members(root, split)
        there = np.isin(index, list(self._images))
        self._absent: NDArray[np.int64] = index[~there]
        if not there.any():
            raise InputError(f"{root}: no image of {split or 'the set'} is in {IMAGE_FOLDER}")
        identity = self._people(root, index[there], None if file_number is None else file_number[there])
        super().__init__(root, index[there], identity, common_side(self._images.values()))
        self._find_labels(root, order, merge)
        if len(self._absent) and not allow_missing:
            raise InputError(
                f"{root}: {len(self._absent):,} of {len(index):,} images of {split or 'the set'} are missing, "
                f"the first is {IMAGE_FOLDER}/{self._absent[0]}.jpg. `idnb data check {folder}` lists all of them; "
                "to use what is there, pass allow_missing=True (--allow-missing)"
            )

    def _members(self, root: Path, split: str | None) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Numbers of the images that belong to a split, and their numbers in CelebA where they are known."""
        self._mapped: NDArray[np.int64] | None = None
        if not (root / MAPPING_FILE).is_file():
            if split is not None:
                raise InputError(f"{root / MAPPING_FILE} is missing; it comes with CelebAMask-HQ and gives the split")
            return np.array(sorted(self._images), dtype=np.int64), None
        index, file_number = read_mapping(root / MAPPING_FILE)
        self._mapped = index
        if len(index) == N_HQ and (faults := mapping_faults(index, file_number)):
            raise InputError(
                f"{root / MAPPING_FILE} {'; '.join(faults)}; copy or download it again: with another mapping the split "
                "is another one, and no figure can be compared"
            )
        chosen = np.ones(len(index), bool) if split is None else split_of_file(file_number) == split
        return index[chosen], file_number[chosen]

    def _people(
        self, root: Path, index: NDArray[np.int64], file_number: NDArray[np.int64] | None
    ) -> NDArray[np.int64] | None:
        files = [root / "identity_CelebA.txt", root / "Anno" / "identity_CelebA.txt"]
        path = next((path for path in files if path.is_file()), None)
        if path is None or file_number is None:
            return None
        people = read_identities(path)
        names = [f"{number:06d}.jpg" for number in file_number]
        unknown = [name for name in names if name not in people]
        if unknown:
            raise InputError(
                f"{path} does not say who is in {unknown[0]} and {len(unknown) - 1:,} others; get it again"
            )
        return np.array([people[name] for name in names], dtype=np.int64)

    def _find_labels(self, root: Path, order: str | None, merge: bool) -> None:
        """Find out where label maps come from: a folder of index maps that has them all, else the parts, else none."""
        self.order = None
        self._maps: dict[int, Path] = {}
        self._parts: dict[int, int] = {}
        self._extra_labels: list[tuple[Path, str]] = []
        self._nested = (root / PART_FOLDER / "0").is_dir() or not any((root / PART_FOLDER).glob("[0-9]*.png"))
        parts = (root / PART_FOLDER).is_dir()
        folder = next((root / name for name in INDEX_FOLDERS if (root / name).is_dir()), None)
        if folder is not None and not (merge and parts):
            maps, extra = _scan_images(folder)
            if maps and (not parts or set(self.index.tolist()) <= set(maps)):
                self._maps, self._extra_labels = maps, extra
        if self._maps:
            self.order = order or set_order([self._maps[i] for i in sorted(self._maps)])
        elif parts:
            self._parts, self._extra_labels = scan_parts(root / PART_FOLDER)
        self.has_label_maps = bool(self._maps or self._parts)

    def image_path(self, index: int) -> Path:
        """The file of the photo at a place of this set."""
        return self._images[int(self.index[index])]

    def part_paths(self, number: int) -> list[tuple[str, Path]]:
        """Name and file of the parts of an image, by its number in CelebA-HQ."""
        folder = self.folder / PART_FOLDER
        folder = folder / str(number // 2000) if self._nested else folder
        bits = self._parts.get(number, 0)
        return [(name, folder / f"{number:05d}_{name}.png") for k, name in enumerate(LABEL_NAMES) if bits >> k & 1]

    def label_paths(self, index: int) -> list[Path]:
        """The index map, or the parts, of the photo at a place of this set."""
        number = int(self.index[index])
        if self.order is None:
            return [path for _, path in self.part_paths(number)]
        return [self._maps[number]] if number in self._maps else []

    def _label_map(self, index: int) -> NDArray[np.uint8]:
        number = int(self.index[index])
        if not self.has_label_maps:
            return super()._label_map(index)
        if self.order is not None:
            if number not in self._maps:
                raise InputError(f"{self.folder}: image {number} has no label map; see `idnb data check`")
            return read_index_map(self._maps[number], self.order)
        parts = self.part_paths(number)
        if not parts:
            raise InputError(f"{self.folder}: image {number} has no parts; see `idnb data check`")
        return merge_parts(parts)

    def check(self, labels: bool = True, decode: bool = False, progress: bool = False) -> FolderReport:
        """Look at all files of this set; see `PhotoFaces.check`."""
        report = FolderReport(self.folder)
        report.about.append(f"{len(self):,} images of {self.split or 'all splits'}, {self.image_size} px")
        if self.image_size != IMAGE_SIZE:
            report.about.append(f"CelebA-HQ is handed out at {IMAGE_SIZE} px; these were resized by somebody")
        if self.identities_known:
            report.about.append(
                f"{len(np.unique(self.identity)):,} people, {int((self.shot > 0).sum()):,} further photos"
            )
        else:
            report.about.append("who is who is not known (identity_CelebA.txt is not there): pairs of mode 'any' only")
        if self._mapped is not None and len(self._mapped) != N_HQ:
            report.about.append(
                f"the mapping has {len(self._mapped):,} rows of {N_HQ:,}: its checksum cannot be compared"
            )
        for number in self._absent:
            report.add("missing", self.folder / IMAGE_FOLDER / f"{number}.jpg")
        for path, why in [*self._extra, *self._extra_labels]:
            report.add("extra", path, why)
        if self._mapped is not None:
            for number in sorted(set(self._images) - set(self._mapped.tolist())):
                report.add("extra", self._images[number], "is not in the mapping")
        paths = [self.image_path(i) for i in range(len(self))]
        picture_faults(report, paths, "images", decode, self.image_size, progress=progress)
        if labels and self.has_label_maps:
            self._check_labels(report, decode, progress)
        elif labels:
            report.about.append(f"no label maps: neither {PART_FOLDER} nor {', '.join(INDEX_FOLDERS)} is there")
        return report

    def _check_labels(self, report: FolderReport, decode: bool, progress: bool) -> None:
        numbers = self.index.tolist()
        known = self._maps if self.order is not None else self._parts
        for number in (number for number in numbers if number not in known):
            report.add("missing", f"label map of image {number}")
        if self.order is not None:
            report.about.append(f"index maps in the order {self.order!r}")
            paths = [self._maps[number] for number in numbers if number in self._maps]
        else:
            report.about.append("label maps are merged from their parts, in the official order")
            paths = [path for number in numbers for _, path in self.part_paths(number)]
        side, indices = (common_side(paths) if paths else LABEL_SIZE), self.order is not None
        if side != LABEL_SIZE:
            report.about.append(f"label maps are handed out at {LABEL_SIZE} px; these have {side} px")
        picture_faults(report, paths, "labels", decode, side, indices, progress)


def _scan_images(folder: Path) -> tuple[dict[int, Path], list[tuple[Path, str]]]:
    """List pictures that are called by a number: number -> path, and whatever else is there with the reason."""
    images: dict[int, Path] = {}
    extra: list[tuple[Path, str]] = []
    listing = list_files(folder, deep=False)
    for path in (folder / name for name in listing.names):
        stem = path.stem
        if not (stem.isascii() and stem.isdecimal() and len(stem) < 10 and path.suffix.lower() in PICTURE_SUFFIXES):
            extra.append((path, "is not called NUMBER.jpg or NUMBER.png"))
        elif int(stem) in images:
            extra.append((path, f"is a second image {int(stem)}, beside {images[int(stem)].name}"))
        else:
            images[int(stem)] = path
    return images, [*extra, *((folder / name, why) for name, why, _ in listing.left_out)]
