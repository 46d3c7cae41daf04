"""Triples: a picture whose contour is taken, an identity image, and the ideal result of the two.

The ideal results are a set like others, written by `idnb render --pairs`; the other two are pictures of the set of
people that the command names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.faces.synthetic import Faces, finished, load_rendered

__all__ = ["COLOURS", "Triples", "check_colours", "load_triples"]

COLOURS = ("contour", "identity")
"""Whose colours an ideal result may have: those of the contour's picture, or those of the identity image.

Hair cut, beard and glasses are then the other one's; see `idnb.faces.render.ideals`.
"""


@dataclass(frozen=True)
class Triples:
    """T triples.

    contour: (T,) rows of the people whose contours are taken.
    given: (T,) rows of the people, the identity images.
    ideal: the T ideal results; `ideal.images(rows)`, `ideal.label_maps(rows)`.
    """

    contour: NDArray[np.int64]
    given: NDArray[np.int64]
    ideal: Faces

    def __len__(self) -> int:
        return len(self.contour)


def check_colours(colours: str) -> None:
    """Raise InputError for what is none of `COLOURS`."""
    if colours not in COLOURS:
        raise InputError(f"colours is {colours!r}; choose one of: {', '.join(COLOURS)}")


def load_triples(folder: str | Path, people: Faces, colours: str, report: Callable[[str], None] = print) -> Triples:
    """Open a set of ideal results; one that is still being rendered as far as it has come.

    folder: written by `idnb render --pairs`.
    people: the set whose pictures the pairs are of, all of it.
    colours: "contour" or "identity", see `COLOURS`.
    report: is told how much of the set is there, if not all.
    Returns the triples.
    Raises InputError: other colours, a folder without ideal results, or with those of other people.
    """
    check_colours(colours)
    ideal = load_rendered(folder)
    if "pairs" not in ideal.card or not {"contour", "given", "colours"} <= set(ideal.parameters):
        raise InputError(f"{folder} holds no ideal results; make some with `idnb render --pairs`")
    source = {name: ideal.card.get(name) for name in ("identities", "shots", "seed")}
    known = getattr(people, "card", {})
    whole = len(people) == ideal.card["identities"] * ideal.card["shots"]
    if not whole or any(known.get(name) != value for name, value in source.items()):
        words = " ".join(f"--{name} {value}" for name, value in source.items())
        raise InputError(f"{folder} belongs to the people of `idnb render {words}`; give all of those")
    there: Faces = finished(ideal, report)
    chosen = there.where(there.parameters["colours"] == colours)
    contour, given = (chosen.parameters[name].astype(np.int64) for name in ("contour", "given"))
    return Triples(contour, given, chosen)
