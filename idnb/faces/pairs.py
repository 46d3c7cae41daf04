"""Contour-identity pairs: the paper's protocol, seeded and stored.

For each contour the paper draws ten identity images at random (section 3.1). Three modes are offered here:

    any     any other image of the set, as in the paper (now and then it shows the same person)
    same    another image of the same person: what a perfect result would show is known
    other   an image of another person

An image is never paired with itself unless asked. The ten are all different. Where a person has fewer images than asked
for, all of them are taken; contours without any partner are listed in the result and not silently dropped.

The draw depends on numpy's PCG64 bit stream only, whose bits numpy promises to keep (NEP 19), and not on the methods of
`Generator`, which may change: the same seed gives the same pairs with every version, on every machine.
"""

import bisect
import hashlib
import json
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from idnb.core.errors import InputError
from idnb.core.files import read_text, write_text

__all__ = ["MODES", "Pairs", "draw_pairs", "load_pairs", "save_pairs", "spread"]

MODES = ("any", "same", "other")
_FORMAT = "idnb-pairs-1"


@dataclass(frozen=True)
class Pairs:
    """A list of pairs and how it was drawn.

    `contour` and `identity` (N,) int64 are image numbers, sorted by contour; `without_partner` the contours that have
    none, `short` those that have fewer than `count`; `identities_sha256` ties the list to its set of faces.
    """

    contour: np.ndarray
    identity: np.ndarray
    mode: str
    count: int
    seed: int
    allow_self: bool
    n_images: int
    identities_sha256: str
    without_partner: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    short: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.contour)

    def __str__(self) -> str:
        text = f"{len(self):,} pairs of {len(np.unique(self.contour)):,} contours, mode {self.mode}, seed {self.seed}"
        if len(self.short):
            text += f"; {len(self.short):,} contours have fewer than {self.count} partners"
        if len(self.without_partner):
            listed = ", ".join(map(str, self.without_partner[:5])) + (", ..." if len(self.without_partner) > 5 else "")
            text += f"; {len(self.without_partner):,} contours have no partner and no pair: {listed}"
        return text


def _check_identities(identities: Any) -> np.ndarray:
    numbers = np.asarray(identities)
    if numbers.ndim != 1 or len(numbers) == 0 or numbers.dtype.kind not in "iu":
        raise InputError(
            f"identities is {numbers.dtype} {list(numbers.shape)}; expected one whole number for each image, [N]"
        )
    return numbers.astype(np.int64)


def _fingerprint(identities: np.ndarray) -> str:
    return hashlib.sha256(identities.astype("<i8").tobytes()).hexdigest()


def spread(count: int, n: int) -> np.ndarray:
    """Numbers of `count` of `n` images, evenly spread from the first to the last."""
    return np.linspace(0, n - 1, count).round().astype(np.int64)


def draw_pairs(
    identities: Any,
    mode: str = "any",
    count: int = 10,
    seed: int = 0,
    allow_self: bool = False,
    contours: Any = None,
) -> Pairs:
    """Draw identity images for each contour.

    identities: [N] whole numbers, the person shown by each image (`faces.identity`, or the list of CelebA).
    mode: "any", "same" or "other"; see the module's text.
    count: how many identity images for each contour, without repetition.
    seed: 0 or more; the same seed gives the same pairs everywhere.
    allow_self: whether a contour may meet its own image (modes "any" and "same").
    contours: [M] image numbers to use as contours, each once; None: all images.
    Returns the pairs. Print the result to see how many there are and which contours have none.
    Raises InputError: wrong arguments, or not a single pair is possible.

    Paper: section 3.1. CelebA-HQ's test split has 2,824 images, so 28,240 pairs; the paper also prints 2,842.
    """
    numbers = _check_identities(identities)
    n = len(numbers)
    if mode not in MODES:
        raise InputError(f"mode is {mode!r}; choose one of: {', '.join(MODES)}")
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} is {value!r}; expected a whole number of at least {least}")
    rows = np.arange(n) if contours is None else np.asarray(contours)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(rows) == 0 or rows.min() < 0 or rows.max() >= n:
        raise InputError(f"contours must be image numbers from 0 to {n - 1}, [M]")
    rows = np.sort(rows.astype(np.int64))
    if (np.diff(rows) == 0).any():
        raise InputError("contours names an image more than once; name each image once")

    by_person = np.argsort(numbers, kind="stable")  # [N] images, person after person
    _, person, group_size = np.unique(numbers, return_inverse=True, return_counts=True)
    begins = np.concatenate([[0], np.cumsum(group_size)[:-1]])  # where each person's images begin
    place = np.argsort(by_person)  # [N] where each image stands in that order
    raw = np.random.PCG64(int(seed)).random_raw(count * len(rows)).reshape(count, len(rows))  # equal for short rows
    without_self = mode != "other" and not allow_self
    contour_rows, images, available = [], [], np.zeros(len(rows), np.int64)
    for index, row in enumerate(rows):
        first, size = int(begins[person[row]]), int(group_size[person[row]])
        candidates, own = {"any": (n, row), "same": (size, place[row] - first), "other": (n - size, None)}[mode]
        gone = [int(own)] if without_self else []  # numbers among the candidates that are no longer to be had, sorted
        available[index] = candidates - len(gone)
        for step in range(min(count, int(available[index]))):
            number = int((int(raw[step, index]) >> 11) * 2.0**-53 * (int(available[index]) - step))
            for taken in gone:  # step over what is taken, smallest first
                number += number >= taken
            bisect.insort(gone, number)
            if mode == "other" and number >= first:
                number += size  # step over the contour's person
            contour_rows.append(row)
            images.append(number if mode == "any" else by_person[number + (first if mode == "same" else 0)])
    if not images:
        raise InputError(f"no pair is possible in mode {mode!r} with {n} image(s) of {len(group_size)} person(s)")
    return Pairs(
        contour=np.array(contour_rows, dtype=np.int64),
        identity=np.array(images, dtype=np.int64),
        mode=mode,
        count=int(count),
        seed=int(seed),
        allow_self=bool(allow_self),
        n_images=n,
        identities_sha256=_fingerprint(numbers),
        without_partner=rows[available < 1],
        short=rows[(available >= 1) & (available < count)],
    )


def save_pairs(pairs: Pairs, path: str | PathLike) -> Path:
    """Write pairs as CSV: one comment line with everything about the draw, then `contour,identity`.

    The file appears complete or not at all.

    pairs: from `draw_pairs`.
    path: where to write; its folder is made if needed.
    Returns the path.
    """
    path = Path(path)
    about = {"format": _FORMAT, "pairs": len(pairs)}
    about |= {name: getattr(pairs, name) for name in ("mode", "count", "seed", "allow_self", "n_images")}
    about |= {"identities_sha256": pairs.identities_sha256}
    about |= {name: getattr(pairs, name).tolist() for name in ("without_partner", "short")}
    lines = [f"# {json.dumps(about)}", "contour,identity"]
    lines += [f"{c},{i}" for c, i in zip(pairs.contour.tolist(), pairs.identity.tolist(), strict=True)]
    write_text(path, "\n".join(lines) + "\n")
    return path


def load_pairs(path: str | PathLike, identities: Any = None) -> Pairs:
    """Read pairs and check them.

    path: a file written by `save_pairs`.
    identities: [N] the persons of the set the pairs are meant for; None leaves that check out.
    Returns the pairs.
    Raises InputError: the file is missing, cut off, edited into something impossible, or belongs to another set.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; make it with draw_pairs and save_pairs")
    try:
        head, columns, *rows = read_text(path, "").splitlines()
        about = json.loads(head.removeprefix("# "))
        if about.pop("format") != _FORMAT or columns != "contour,identity":
            raise ValueError("not this format")
        n_pairs = about.pop("pairs")
        numbers = np.array([row.split(",") for row in rows], dtype=np.int64).reshape(len(rows), 2)  # [N, 2]
        about |= {name: np.array(about[name], dtype=np.int64) for name in ("without_partner", "short")}
        pairs = Pairs(contour=numbers[:, 0], identity=numbers[:, 1], **about)
        if not all(type(about[name]) is int for name in ("count", "seed", "n_images")) or type(n_pairs) is not int:
            raise ValueError("numbers that are none")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise InputError(f"{path} is not a list of pairs written by save_pairs; draw and save it again") from None
    fault = _fault(pairs, n_pairs, None if identities is None else _check_identities(identities))
    if fault:
        raise InputError(f"{path}: {fault}; draw and save it again")
    return pairs


def _fault(pairs: Pairs, n_pairs: int, identities: np.ndarray | None) -> str:
    """What is wrong with loaded pairs, or nothing."""
    if len(pairs) != n_pairs:
        return f"holds {len(pairs)} pairs, its first line says {n_pairs} (cut off?)"
    both = np.concatenate([pairs.contour, pairs.identity])
    if len(both) == 0 or both.min() < 0 or both.max() >= pairs.n_images:
        return f"image numbers must lie between 0 and {pairs.n_images - 1}"
    if pairs.mode not in MODES:
        return f"unknown mode {pairs.mode!r}"
    if not pairs.allow_self and (pairs.contour == pairs.identity).any():
        return "pairs an image with itself"
    if len(np.unique(np.stack([pairs.contour, pairs.identity]), axis=1).T) != len(pairs):
        return "holds a pair twice"
    if identities is None:
        return ""
    if len(identities) != pairs.n_images or _fingerprint(identities) != pairs.identities_sha256:
        return f"was drawn for another set of faces ({pairs.n_images} images; this one has {len(identities)})"
    is_same = identities[pairs.contour] == identities[pairs.identity]
    if (pairs.mode == "same" and not is_same.all()) or (pairs.mode == "other" and is_same.any()):
        return f"holds pairs that do not fit the mode {pairs.mode!r}"
    return ""
