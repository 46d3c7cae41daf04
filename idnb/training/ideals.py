"""Ideal results as targets: what no photographs allow, and rendered people do.

In a pair of two people the terms of equation 6 contradict each other: pixels and perceptual features ask for the
picture of the contour's person, identity for another one. The renderer can draw what a perfect method would answer
(`idnb render --pairs`). Where the target is that, all terms ask for the same, and what an identity network is blind to
(colours, or glasses, beard and cut of the hair) is asked for as well.

Not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from idnb.contours.kinds import contour_kind
from idnb.core.images import to_bytes
from idnb.core.presets import Preset
from idnb.core.resize import resize
from idnb.faces.synthetic import Faces
from idnb.faces.triples import load_triples

__all__ = ["Ideals", "read_ideals"]


@dataclass(frozen=True)
class Ideals:
    """Triples in memory.

    contour, given: [T] long, rows of the pairs' data: whose contour, and whose picture as identity image.
    photos: [T, 3, S, S] uint8, the ideal results. share: of the pairs of a batch that are triples.
    """

    contour: Tensor
    given: Tensor
    photos: Tensor
    share: float

    def mix(self, rows: Tensor, partners: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Replace a share of the pairs of a batch by triples.

        rows, partners: [B]. Returns both anew, and the triple of each pair [B], -1 where it stays as it was.
        """
        which = torch.randint(len(self.contour), rows.shape, generator=random)
        which = torch.where(torch.rand(len(rows), generator=random) < self.share, which, -1)
        there = which >= 0
        return torch.where(there, self.contour[which], rows), torch.where(there, self.given[which], partners), which

    def images(self, which: Tensor) -> Tensor:
        """Ideal results, [B, 3, S, S] float in [-1, 1]; which: [B] long, -1 gives one that is not to be used."""
        return self.photos[which].float() / 127.5 - 1


def read_ideals(
    folder: str | Path, people: Faces, kind: str, preset: Preset, share: float, report: Callable[[str], None] = print
) -> Ideals:
    """Read ideal results into memory.

    folder: of `idnb render --pairs`. people: the set that its pairs are of, the first that an encoder learns from.
    kind: of contour; one that is a picture shows colours, and the ideal results have those; for others the colours are
    the identity image's. preset: sizes. share: see `Ideals`. report: is told how much of the set is there, if not all.
    Raises InputError as `idnb.faces.triples.load_triples`.
    """
    triples = load_triples(folder, people, "contour" if contour_kind(kind).is_picture else "identity", report)
    parts = torch.arange(len(triples)).split(100)
    bar = tqdm(parts, desc="ideal results", unit="hundred", disable=len(parts) < 10)
    photos = [to_bytes(resize(triples.ideal.images(part.tolist()), preset.loss_size)) for part in bar]
    return Ideals(torch.from_numpy(triples.contour), torch.from_numpy(triples.given), torch.cat(photos), share)
