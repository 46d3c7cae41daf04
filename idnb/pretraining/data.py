"""The people an identity network learns from, in memory: images, label maps, who it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from idnb.core.errors import InputError
from idnb.core.images import to_bytes
from idnb.core.resize import resize
from idnb.faces.synthetic import finished

__all__ = ["IdentityData", "join", "read_people", "some_people", "split_of"]


SIDE = 64  # pixels


@dataclass
class IdentityData:
    """Images [N, 3, 64, 64] uint8, label maps [N, 64, 64] uint8, identity [N] long, all in memory."""

    images: Tensor
    label_maps: Tensor
    identity: Tensor

    def part(self, chosen: Tensor) -> IdentityData:
        """The rows where `chosen` (boolean, [N]) holds."""
        return IdentityData(self.images[chosen], self.label_maps[chosen], self.identity[chosen])


def split_of(identity: Tensor | np.ndarray) -> np.ndarray:
    """Who trains on whom, by identity number modulo 20: 0-10 "identity", 11-18 "judge", 19 "validation".

    identity: [N] integers. Returns an array of N strings. Depends on the number alone, so a set that is still being
    rendered splits the same way.
    """
    remainder = np.asarray(identity) % 20
    return np.where(remainder <= 10, "identity", np.where(remainder <= 18, "judge", "validation"))


def some_people(faces: Any, limit: int | None = None, splits: tuple[str, ...] = ()) -> Any:
    """Those people of a set whose files are there; nobody else is read.

    faces: what `idnb.load_faces` returns. limit: people with a smaller number only. splits: those of `split_of` only.
    Raises InputError where nobody is left.
    """
    numbers = np.unique(faces.identity)
    wanted = np.isin(split_of(numbers), splits) if splits else np.full(len(numbers), True)
    chosen = numbers[wanted & (numbers < (np.inf if limit is None else limit))]
    if not len(chosen):
        among = f" belongs to {' or '.join(splits)}" if splits else f" has a number below {limit}"
        raise InputError(f"{faces.folder}: nobody there{among}; render more people")
    return finished(faces.select(chosen), print)


def join(sets: list[IdentityData]) -> IdentityData:
    """Several sets as one; people of different sets are different people, whatever their numbers."""
    numbers = [part.identity + 1_000_000 * place for place, part in enumerate(sets)]  # keeps them modulo 20
    return IdentityData(
        torch.cat([part.images for part in sets]), torch.cat([part.label_maps for part in sets]), torch.cat(numbers)
    )


def read_people(faces: Any) -> IdentityData:
    """Take a set of faces, as `idnb.load_faces` gives it, into memory, averaged down to 64 px."""
    faces = finished(faces, print)
    images, maps = [], []
    for start in tqdm(range(0, len(faces), 250), desc="reading faces", disable=len(faces) < 2000):
        rows = np.arange(start, min(start + 250, len(faces)))
        batch = resize(faces.images(rows), SIDE)  # [b, 3, 64, 64]; as `frame_to_input` does
        images.append(to_bytes(batch))
        maps.append(faces.label_maps(rows, size=SIDE).to(torch.uint8))
    if not images:
        raise InputError("faces: the set is empty; render one with `idnb render`")
    identity = torch.as_tensor(np.asarray(faces.identity), dtype=torch.long)
    print(f"{len(identity):,} images of {len(identity.unique()):,} people")
    return IdentityData(torch.cat(images), torch.cat(maps), identity)
