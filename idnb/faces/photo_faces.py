"""Sets of photographs with the interface of rendered people (`idnb.faces.synthetic.Faces`).

Training and measuring ask a set for images, label maps and who is who, by place in the set. What a photo cannot tell,
pose and light and the like, is not there: `parameters` is empty.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.files import file_states
from idnb.core.images import to_bytes
from idnb.core.resize import resize
from idnb.faces.folder_report import FolderReport
from idnb.faces.photo import photo_to_tensor
from idnb.faces.synthetic import Face

__all__ = ["PhotoFaces"]


class PhotoFaces(ABC):
    """A set of aligned photographs; subclasses know how one kind of folder is laid out.

    folder: of the set.
    identity: (N,) who is in each photo. None: not known, so each photo counts as a person of its own.
    index: (N,) numbers that the photos have in their set.
    image_size: pixels of a stored photo.
    Attributes:
        identity, shot, index: (N,) int64; shot counts the photos of a person.
        identities_known: False where no list of people is there.
        has_label_maps: whether `label_maps` works.
        order: that of the classes in files of label maps, None where there are none.
        parameters: empty; nothing else is known of a photo.
    """

    has_label_maps = False
    order: str | None = None

    def __init__(
        self, folder: Path, index: NDArray[np.int64], identity: NDArray[np.int64] | None, image_size: int
    ) -> None:
        self.folder = folder
        self.index = index
        self.image_size = image_size
        self.identities_known = identity is not None
        self.identity: NDArray[np.int64] = index.copy() if identity is None else identity
        self.shot = _count_within(self.identity)
        self.parameters: dict[str, NDArray[Any]] = {}

    @abstractmethod
    def image_path(self, index: int) -> Path:
        """The file of the photo at a place of this set."""

    def label_paths(self, index: int) -> list[Path]:
        """The files that the label map of the photo at a place of this set is made of."""
        return []

    @abstractmethod
    def check(self, labels: bool = True, decode: bool = False, progress: bool = False) -> FolderReport:
        """Look at all files this set needs.

        labels: look at the label maps too.
        decode: read every pixel; otherwise the beginning and the end of each file.
        progress: draw bars.
        Returns the report; `report.require()` raises InputError where it is not clean.
        """

    def _label_map(self, index: int) -> NDArray[np.uint8]:
        """Class numbers (H, W) of the photo at a place of this set."""
        raise InputError(f"{self!r} has no label maps; train on low_res or sketch, which need none")

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        people = f"{len(np.unique(self.identity)):,} people" if self.identities_known else "people not known"
        return f"{type(self).__name__}({str(self.folder)!r}: {len(self):,} photos, {people}, {self.image_size} px)"

    def __getitem__(self, index: int) -> Face:
        index = range(len(self))[index]
        labels = self.label_maps([index])[0] if self.has_label_maps else torch.zeros(0, 0, dtype=torch.long)
        return Face(self.images([index])[0], labels, int(self.identity[index]), int(self.shot[index]), {})

    def select(self, identities: Sequence[int] | NDArray[np.int64]) -> PhotoFaces:
        """The same set with these people only. Raises InputError for people it does not have."""
        missing = np.setdiff1d(identities, self.identity)
        if len(missing):
            raise InputError(f"{self!r} has no identity {missing[:5].tolist()}")
        chosen = np.isin(self.identity, identities)
        part = copy(self)
        part.index, part.identity, part.shot = self.index[chosen], self.identity[chosen], self.shot[chosen]
        return part

    def fingerprint(self) -> str:
        """Text that changes when a photo or label map of this set does; what is computed from a set has it as name."""
        places = range(len(self))
        files = file_states([*map(self.image_path, places), *(path for i in places for path in self.label_paths(i))])
        return hashlib.sha256(f"{type(self).__name__} {self.has_label_maps} {self.order}\n{files}".encode()).hexdigest()

    def images(self, indices: Sequence[int] | NDArray[np.int64], size: int | None = None) -> torch.Tensor:
        """Photos as network input.

        indices: B places in this set.
        size: pixels; smaller than stored is averaged (antialiased), None keeps the stored size.
        Returns (B, 3, size, size) float in [-1, 1], RGB.
        Raises InputError: a file is missing, broken or not square; `check` finds all of them beforehand.
        """
        size = size or self.image_size
        batch = torch.empty(len(indices), 3, size, size)
        for place, index in enumerate(indices):
            path = self.image_path(range(len(self))[int(index)])
            image = photo_to_tensor(path)[None]  # [1, 3, H, W]
            if image.shape[2] != image.shape[3]:
                raise InputError(f"{path} is {image.shape[3]} x {image.shape[2]}, not square; see `idnb data check`")
            batch[place] = resize(image, size, "bilinear")[0]
        return batch

    def pixels(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Photos at `image_size`: (B, H, W, 3) sRGB 0..255."""
        images = to_bytes(self.images(indices))
        return images.permute(0, 2, 3, 1).numpy()  # [B, H, W, 3]

    def label_maps(self, indices: Sequence[int] | NDArray[np.int64], size: int | None = None) -> torch.Tensor:
        """Label maps, brought to another size by the nearest pixel only.

        indices: B places in this set.
        size: pixels; None keeps the stored size, which may be another one than that of the photos.
        Returns (B, size, size) long, class numbers of `idnb.faces.labels`.
        Raises InputError: the set has none, a file is missing or broken, or maps differ in size and none is given.
        """
        maps: list[torch.Tensor] = []
        for index in indices:
            place = range(len(self))[int(index)]
            labels = torch.from_numpy(self._label_map(place))[None, None]  # [1, 1, H, W]
            if size is not None and labels.shape[-2:] != (size, size):
                labels = torch.nn.functional.interpolate(labels, size=(size, size), mode="nearest-exact")
            if maps and labels.shape[-2:] != maps[0].shape:
                raise InputError(
                    f"{self.label_paths(place)[0]} has {labels.shape[-1]} x {labels.shape[-2]} pixels, others have "
                    f"{maps[0].shape[1]} x {maps[0].shape[0]}; label maps of a set have one size: make it again"
                )
            maps.append(labels[0, 0])
        return torch.stack(maps).long()


def _count_within(identity: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each photo, how many photos of the same person come before it: (N,)."""
    order = np.argsort(identity, kind="stable")
    ordered = identity[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.int64)
    first = np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
    shot = np.empty(len(identity), np.int64)
    shot[order] = np.arange(len(identity)) - first
    return shot
