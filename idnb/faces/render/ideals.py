"""Ideal results: what a perfect method would draw for the contour of one picture and the person of another.

The person sits for the other picture: own head, skin, brows and eyes; the other's pose, expression, gaze, light,
background and neckline, framed by the same rule. The rest follows what a contour shows. A low-resolution contour shows
colours, so the result has the contour's, and its hair cut, beard and glasses are the person's ("contour"). A sketch or
a label map shows hair cut, beard and glasses and no colour, so the result has the contour's cut in the person's colours
("identity").
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from idnb.core.errors import InputError
from idnb.faces.pairs import draw_pairs, spread
from idnb.faces.render.sets import SetPlan, draw_person
from idnb.faces.triples import COLOURS, check_colours

__all__ = ["IdealPlan", "ideal_result"]

COLOURS_OF_PERSON = (
    "skin.melanin",
    "skin.warmth",
    "skin.redness",
    "lips.colour",
    "hair.eumelanin",
    "hair.pheomelanin",
    "hair.grey",
    "iris.brown",
    "iris.hue",
    "iris.lightness",
)
COLOURS_OF_CLOTHES = ("cloth.hue", "cloth.saturation", "cloth.value")


SHOWN_BY_LINES = ("hair.", "beard.", "glasses.")
"""Beginnings of the names of what a sketch or a label map shows, colours apart."""


def _cut(people: SetPlan, identity: int) -> dict[str, Any]:
    """Hair cut, beard and glasses of a person."""
    parameters, _ = people.identity(identity)
    names = (name for name in parameters if name.startswith(SHOWN_BY_LINES) and name not in COLOURS_OF_PERSON)
    return {name: parameters[name] for name in names}


def _ideal_shot(people: SetPlan, contour: int, given: int, colours: str) -> dict[str, Any]:
    """The contour's shot as the person of the identity image sits for it; arguments as for `ideal_result`."""
    identity, shot = divmod(contour, people.shots)
    drawn = people.shot(identity, shot)
    if colours == "contour":
        other, _ = people.identity(identity)
        return drawn | {name: other[name] for name in COLOURS_OF_PERSON}
    own = people.shot(*divmod(given, people.shots))
    return drawn | {name: own[name] for name in COLOURS_OF_CLOTHES} | _cut(people, identity)


def ideal_result(people: SetPlan, contour: int, given: int, colours: str) -> tuple[np.ndarray, np.ndarray]:
    """Render the ideal result of one pair.

    people: the set that both pictures belong to.
    contour: number of the picture whose contour is taken, `identity * shots + shot`.
    given: number of the identity image.
    colours: whose, "contour" or "identity".
    Returns (size, size, 3) sRGB 0..255 and (size, size) class numbers. Of a picture with itself: that picture, bit by
    bit.
    Raises InputError: other colours, or the packages of the extra `render` are missing.
    """
    check_colours(colours)
    parameters, rng = people.identity(given // people.shots)
    if colours == "identity":  # strands grow where they grew for the contour
        rng = people.identity(contour // people.shots)[1]
        parameters |= _cut(people, contour // people.shots)
    return draw_person(parameters, [_ideal_shot(people, contour, given, colours)], rng, people.size)


@dataclass(frozen=True)
class IdealPlan(SetPlan):
    """A set of ideal results: each person sits for the pictures of others that pairs hand them.

    The first four attributes are those of the set of people that the pairs are drawn from.

    pairs: how many; those of `idnb evaluate --contours PAIRS --count 1`. Each gives a picture for each entry of
        `COLOURS`.
    """

    pairs: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.pairs <= self.identities * self.shots:
            raise InputError(f"pairs is {self.pairs}; the set has {self.identities * self.shots} pictures")

    @property
    def command(self) -> str:
        """The command that makes this set."""
        return f"{super().command} --pairs {self.pairs}"

    @property
    def numbers(self) -> Sequence[int]:
        """Numbers of the people whom a pair hands in."""
        return list(_by_person(self))

    def pictures(self, identity: int) -> int:
        """How many pictures a person has."""
        return len(COLOURS) * len(_by_person(self)[identity])

    def person(self, identity: int) -> tuple[dict[str, Any], list[dict[str, Any]], np.random.Generator]:
        """As for a set of people; `contour`, `given` and `colours` of each picture are among its parameters."""
        parameters, rng = self.identity(identity)
        pictures = [
            _ideal_shot(self, contour, given, colours) | {"contour": contour, "given": given, "colours": colours}
            for contour, given in _by_person(self)[identity]
            for colours in COLOURS
        ]
        return parameters, pictures, rng

    def draw(self, identity: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw all pictures of a person; returns as `render_person`."""
        parameters, pictures, rng = self.person(identity)
        own = [picture for picture in pictures if picture["colours"] == "contour"]
        strips = [np.split(strip, len(own), axis=1) for strip in draw_person(parameters, own, rng, self.size)]
        tiles = []
        for number, (contour, given) in enumerate(_by_person(self)[identity]):
            tiles += [tuple(strip[number] for strip in strips), ideal_result(self, contour, given, "identity")]
        return np.concatenate([image for image, _ in tiles], 1), np.concatenate([labels for _, labels in tiles], 1)


@functools.lru_cache(maxsize=1)
def _by_person(plan: IdealPlan) -> dict[int, list[tuple[int, int]]]:
    """The pairs (contour, given) of every person whom one hands in, in the order of their numbers."""
    who = np.arange(plan.identities).repeat(plan.shots)
    pairs = draw_pairs(who, count=1, contours=spread(plan.pairs, len(who)))
    order = np.argsort(pairs.identity, kind="stable")
    found: dict[int, list[tuple[int, int]]] = {}
    for contour, given in zip(pairs.contour[order].tolist(), pairs.identity[order].tolist(), strict=True):
        found.setdefault(given // plan.shots, []).append((contour, given))
    return found
