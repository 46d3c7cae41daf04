"""What an encoder learns from: contours, the photos they were taken from, and identity images.

Photos and contours are made once, at the sizes of losses and encoder, and kept in memory as bytes. They are also kept
in the cache (`idnb.core.weights.cache_folder`), since drawing sketches takes longer than training on them for a while.
Large sets stay there and are read as they are needed (`idnb.training.shards`).

Most pairs show two people, as in the paper; a share shows one person twice, where the losses agree and the perfect
answer is a real picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.files import make_private, whole_file, write_text
from idnb.core.images import to_bytes
from idnb.core.presets import Preset
from idnb.core.resize import resize
from idnb.core.tensor_files import map_content
from idnb.core.weights import cache_folder, file_sha256
from idnb.faces.photo_faces import PhotoFaces
from idnb.faces.sources import load_faces
from idnb.faces.synthetic import finished
from idnb.training.ideals import Ideals
from idnb.training.shards import Rows, joined

__all__ = ["PairBatch", "PairData", "checked_sets", "read_pair_data"]

SHARD = 250  # people in one file of the cache


class PairBatch(NamedTuple):
    """contour_input: [B, C_k, E, E]. photo: [B, 3, S, S], what the contour was taken from. x_id: [B, 3, S, S].

    Of a triple the photo is the ideal result (`idnb.training.ideals`).

    E is the side of the encoder's input, S that at which losses are computed.
    """

    contour_input: Tensor
    photo: Tensor
    x_id: Tensor


@dataclass
class PairData:
    """Faces in memory.

    kind: of contour. preset: sizes. photos: [N, 3, S, S] uint8. identity: [N] long, who is shown.
    contours: as `Contour.pack` made them, [N, ...]. ideals: triples that are drawn beside the pairs, or None.
    """

    kind: str
    preset: Preset
    photos: Tensor | Rows
    identity: Tensor
    contours: Tensor | Rows
    ideals: Ideals | None = None

    def __post_init__(self) -> None:
        order = torch.argsort(self.identity, stable=True)
        _, person, sizes = self.identity.unique(return_inverse=True, return_counts=True)
        first = torch.cumsum(sizes, 0) - sizes
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        self._order, self._first, self._size = order, first[person], sizes[person]
        self._place = place - self._first  # number of an image among those of its person

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def people(self) -> int:
        """How many people there are."""
        return len(self.identity.unique())

    def contour(self, rows: Tensor) -> Tensor:
        """The contours of some images, as `contour_kind(kind).make` gives them, up to rounding."""
        return contour_kind(self.kind).unpack(self.contours[rows])

    def images(self, rows: Tensor) -> Tensor:
        """Photos of some images, [B, 3, S, S] float in [-1, 1]."""
        return self.photos[rows].float() / 127.5 - 1

    def other_picture(self, rows: Tensor, random: torch.Generator) -> Tensor:
        """For each image another one of the same person; the image itself where the person has no other."""
        size = self._size[rows]
        step = 1 + (torch.rand(len(rows), generator=random) * (size - 1).clamp_min(0)).long()
        return self._order[self._first[rows] + (self._place[rows] + step) % size]

    def draw(self, count: int, random: torch.Generator, p_same_identity: float = 0.25) -> PairBatch:
        """Draw a batch.

        count: pairs. random: source of everything drawn. p_same_identity: chance of a pair that shows one person twice.
        Contour and identity image are each mirrored in half of the cases.
        """
        rows = torch.randint(len(self), (count,), generator=random)
        partners = torch.randint(len(self), (count,), generator=random)
        same = torch.rand(count, generator=random) < p_same_identity
        partners = torch.where(same, self.other_picture(rows, random), partners)
        if self.ideals is not None:
            rows, partners, which = self.ideals.mix(rows, partners, random)
        mirrored, mirrored_id = (torch.rand(2, count, generator=random) < 0.5).unbind()
        kind, contour = contour_kind(self.kind), self.contour(rows)
        contour = torch.where(mirrored.view(-1, *[1] * (contour.ndim - 1)), kind.mirror(contour), contour)
        photo, x_id = self.images(rows), self.images(partners)
        if self.ideals is not None:
            photo = torch.where((which >= 0).view(-1, 1, 1, 1), self.ideals.images(which), photo)
        photo = torch.where(mirrored.view(-1, 1, 1, 1), photo.flip(3), photo)
        x_id = torch.where(mirrored_id.view(-1, 1, 1, 1), x_id.flip(3), x_id)
        return PairBatch(kind.network_input(contour, self.preset.encoder_size), photo, x_id)


def read_pair_data(
    sets: Sequence[Any],
    kind: str,
    preset: Preset,
    people: int | None = None,
    cache: bool = True,
    report: Callable[[str], None] = print,
) -> PairData:
    """Read sets of faces into memory.

    sets: what `idnb.load_faces` returns, one or several; people of different sets are different people.
    kind: of contour. preset: sizes. people: use so many people of each set at most. cache: keep and use packed files.
    Raises InputError when there is nothing to read.
    """
    if not sets:
        raise InputError("sets is empty; give at least one set of people")
    parts: list[dict[str, Tensor]] = []
    for place, faces in enumerate(sets):
        faces = finished(faces, report)
        numbers = np.unique(faces.identity)[:people]
        shards = [numbers[numbers // SHARD == shard] for shard in np.unique(numbers // SHARD)]
        for shard in tqdm(shards, desc=f"{kind} contours", unit="shard", disable=len(shards) < 2):
            part = _shard(faces.select(shard), kind, preset, cache)
            parts.append({**part, "identity": part["identity"] + 1_000_000 * place})
    photos, contours = (joined([part[name] for part in parts]) for name in ("photos", "contours"))
    data = PairData(kind, preset, photos, torch.cat([part["identity"] for part in parts]), contours)
    report(f"{len(data):,} images of {data.people:,} people")
    return data


def _shard(faces: Any, kind: str, preset: Preset, cache: bool) -> dict[str, Tensor]:
    """Photos, contours and identities of some people, from the cache if they are there."""
    names = [f"{i}-{j}" for i, j in zip(faces.identity, faces.shot, strict=True)]
    size = preset.loss_size
    sizes = f"{size} {preset.encoder_size} v2"
    key = "\n".join([str(faces.folder.resolve()), faces.fingerprint(), kind, sizes, *names])
    path = cache_folder() / "pairs" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.pt"
    identity = torch.as_tensor(np.asarray(faces.identity), dtype=torch.long)
    if cache and (found := _kept(path, identity, size)) is not None:
        return found
    maker = contour_kind(kind).sized(preset.low_res_size)
    photos, contours = [], []
    for start in range(0, len(faces), 50):
        rows = np.arange(start, min(start + 50, len(faces)))
        images = faces.images(rows)  # [b, 3, H, H]
        label_maps = faces.label_maps(rows) if faces.has_label_maps else None  # [b, h, h]
        photos.append(to_bytes(resize(images, size)))
        contours.append(maker.pack(images, label_maps, preset.encoder_size))
    part = {"photos": torch.cat(photos), "identity": identity, "contours": torch.cat(contours)}
    return _keep(part, path) if cache else part


def _kept(path: Path, identity: Tensor, size: int) -> dict[str, Tensor] | None:
    """A file of the cache, mapped; None where there is none. One that is not as it was written is made again."""
    if not path.is_file():
        return None
    try:
        if path.with_suffix(".sha256").read_text(encoding="utf-8") != file_sha256(path):
            raise InputError(f"{path} is not as it was written")
        found = map_content(path)
        photos, contours = found["photos"], found["contours"]
        fits = photos.shape == (len(identity), 3, size, size) and photos.dtype == torch.uint8
        if fits and len(contours) == len(identity) and torch.equal(found["identity"], identity):
            return {"photos": photos, "identity": identity, "contours": contours}
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        pass
    with suppress(OSError):
        path.unlink(missing_ok=True)
    return None


def _keep(part: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Write a file of the cache and read it from there; a full or read-only disk costs time later, nothing else."""
    try:
        make_private(path.parent)
        with whole_file(path) as file:
            torch.save(part, file)
        write_text(path.with_suffix(".sha256"), file_sha256(path))
        return torch.load(path, weights_only=True, mmap=True)
    except (OSError, RuntimeError, InputError):
        return part


def checked_sets(names: Sequence[str], kind: str, report: Callable[[str], None] = print) -> list[Any]:
    """Open the sets of a training run; of CelebAMask-HQ the training split, unless another is named.

    names: as for `idnb.load_faces`. kind: of contour. report: takes lines of text.
    Raises InputError with one report of all that is missing or broken in a folder of photographs.
    """
    sets = []
    for name in names:
        faces = load_faces(name, otherwise="train")
        if isinstance(faces, PhotoFaces):
            if contour_kind(kind).needs_label_map and not faces.has_label_maps:
                raise InputError(f"{faces!r} has no label maps, which {kind} contours are; see data/README.md")
            found = faces.check(labels=contour_kind(kind).uses_label_map)
            found.require()
            report(found.text(limit=3))
        sets.append(faces)
    return sets
