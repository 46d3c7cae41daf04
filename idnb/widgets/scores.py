"""The line of live scores below the pictures of a lab, and which faces a lab offers."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

from idnb.core.errors import InputError
from idnb.widgets.parts import scale_html
from idnb.widgets.session import Session

__all__ = ["pick_faces", "score"]


def score(
    session: Session,
    kind: str,
    image: Tensor,
    x_c: Tensor,
    people: Mapping[str, Tensor],
    bands: Mapping[str, tuple[float, float]],
) -> tuple[dict[str, Any], str]:
    """Score a picture against its contour and the people it should show.

    people: name -> identity image. bands: from `Session.bands`. Returns the numbers ("idsim", or "idsim_<name>" for
    more than one person, and "fidelity") and HTML that shows them.
    """
    numbers: dict[str, Any] = {}
    rows = []
    for name, person in people.items():
        value = session.similarity(image, person)
        if value is not None:
            numbers["idsim" if len(people) == 1 else f"idsim_{name}"] = value
            who = "" if len(people) == 1 else f" with {name}"
            rows.append(scale_html(value, bands, f"IDSIM{who}, held-out judge"))
    measured = session.fidelity(kind, image, x_c)
    if measured is None:
        rows.append('<div style="font-size:12px">contour fidelity: needs the parser, which is not here</div>')
    else:
        measure, numbers["fidelity"] = measured
        text = f"{escape(measure.title)}: <b>{measured[1]:.2f}</b> {measure.unit}"
        rows.append(f'<div style="font-size:12px">{text}</div>')
    return numbers, "".join(rows)


def pick_faces(faces: Any, indices: Sequence[int] | None, count: int, shot: int) -> list[int]:
    """Which pictures of a set a gallery offers: those asked for, or one each of `count` people spread over the set.

    faces: a set of people. indices: picture numbers, or None. shot: which picture of each person, where it exists.
    """
    if indices is not None:
        bad = [i for i in indices if not 0 <= i < len(faces)]
        if bad or not len(indices):
            raise InputError(f"picture numbers must lie between 0 and {len(faces) - 1}, and one at least; got {bad}")
        return [int(i) for i in indices]
    people = np.unique(faces.identity)
    chosen = people[np.linspace(0, len(people) - 1, min(count, len(people))).astype(int)]
    found = []
    for person in chosen:
        rows = np.flatnonzero(faces.identity == person)
        found.append(int(rows[min(shot, len(rows) - 1)]))
    return found
