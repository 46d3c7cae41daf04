"""What a run measures: the setting, and the pairs that it draws from a set."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.faces.pairs import Pairs, draw_pairs, spread

__all__ = ["CHUNK", "Setting", "chunks_of", "example_pairs", "pairs_of", "part_of", "rulers"]

CHUNK = 24
"""Contours in a chunk; with ten identities each, 240 pairs."""


@dataclass(frozen=True)
class Setting:
    """All that decides the numbers of a run, besides the weights.

    method: name in tables. kind: of contour. contour_size: side of a low-resolution contour; None is the preset's.
    mode, count, seed: of `draw_pairs`. contours: how many, spread evenly over the set; None is all.
    steps: refinement steps; None is what the method is meant for. preset. batch: pairs at once.
    """

    method: str
    kind: str = "low_res"
    mode: str = "any"
    count: int = 10
    seed: int = 0
    contours: int | None = None
    steps: int | None = None
    contour_size: int | None = None
    preset: str = "tiny"
    batch: int = 40


def rulers(kind: str, size: int) -> tuple[int, ...]:
    """Contour sizes in pixels at which every output is measured, so that runs with other sizes compare.

    kind: of contour; where size is no choice there are none. size: side at which images are compared.
    """
    return tuple(side for side in (4, 8, 16, 32, 64) if side <= size) if contour_kind(kind).has_side else ()


def pairs_of(setting: Setting, identity: NDArray[np.int64]) -> Pairs:
    """The pairs of a run; identity: [N] who each image of the set shows."""
    chosen = None
    if setting.contours is not None:
        if not 1 <= setting.contours <= len(identity):
            raise InputError(f"contours is {setting.contours}; the set has {len(identity)} images")
        chosen = spread(setting.contours, len(identity))
    return draw_pairs(identity, mode=setting.mode, count=setting.count, seed=setting.seed, contours=chosen)


def chunks_of(pairs: Pairs) -> list[slice]:
    """The rows of each chunk: all pairs of `CHUNK` contours."""
    starts = np.flatnonzero(np.diff(pairs.contour, prepend=-1))  # first pair of each contour
    edges = [*starts[::CHUNK].tolist(), len(pairs)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def example_pairs(setting: Setting, identity: NDArray[np.int64], count: int = 6) -> Pairs:
    """A few pairs, spread over the set, to be looked at; nobody picked them.

    identity: [N] who each image of the set shows. They are the same for all methods, however many contours a run has;
    where a run pairs any two images, these show two people.
    """
    chosen = spread(min(count, len(identity)), len(identity))
    mode = "other" if setting.mode == "any" else setting.mode
    return draw_pairs(identity, mode=mode, count=1, seed=setting.seed, contours=chosen)


def part_of(pairs: Pairs, rows: slice) -> Pairs:
    """Some rows of a list of pairs."""
    return Pairs(**{**pairs.__dict__, "contour": pairs.contour[rows], "identity": pairs.identity[rows]})
