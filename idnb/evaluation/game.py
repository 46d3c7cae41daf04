"""Likeness to an eye: sheets that ask "which of four is drawn?", and what the answers of a person are worth.

Each row of a sheet shows what an encoder drew, and four people. One of them is the person it was given, in *another*
picture than the one that was handed in, so that nothing can be matched but the person. Chance is a quarter. The
held-out judge answers the same question from the same pictures; its answers and the right ones are kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.images import to_image
from idnb.evaluation.intervals import Estimate, share_interval

__all__ = [
    "LETTERS",
    "ROWS",
    "Score",
    "Trial",
    "draw_sheet",
    "draw_trials",
    "judge_answers",
    "pair_trials",
    "read_answers",
    "score",
]

LETTERS = "abcd"
ROWS = 6
"""Trials on a sheet."""
SIDE, GAP, HEAD = 192, 8, 20  # pixels: a picture, the space between two, the line of text above a row


@dataclass(frozen=True)
class Trial:
    """One row: numbers of pictures in the set. contour: whose contour. given: the identity image that was handed in.

    candidates: four pictures of four people, none of them the contour's. right: place of the given person among them.
    """

    contour: int
    given: int
    candidates: tuple[int, ...]
    right: int


@dataclass(frozen=True)
class Score:
    """share: of right answers. judge: share of the judge's right answers. agreement: answers equal to the judge's."""

    share: Estimate
    judge: Estimate
    agreement: Estimate


def draw_trials(identity: NDArray[np.int64], count: int, seed: int) -> list[Trial]:
    """Trials that nobody picked.

    identity: [N] who each picture shows. Raises InputError where there are too few people, or none with two pictures.
    """
    shared = _people_in_two_pictures(identity, count)
    random = np.random.default_rng(seed)
    trials: list[Trial] = []
    while len(trials) < count:
        contour = int(random.integers(len(identity)))
        who = int(random.choice(shared))
        if who == identity[contour]:
            continue
        given, other = random.choice(np.flatnonzero(identity == who), 2, replace=False)
        trials.append(_among_strangers(random, identity, contour, int(given), int(other)))
    return trials


def pair_trials(
    identity: NDArray[np.int64], contour: NDArray[np.int64], given: NDArray[np.int64], count: int, seed: int
) -> list[Trial]:
    """Trials over the first of some pairs that show two people; the seed decides who else is shown.

    identity: as for `draw_trials`. contour, given: [P] pictures. Raises InputError as `draw_trials`, and where
    there are fewer such pairs.
    """
    shared = _people_in_two_pictures(identity, count)
    rows = np.flatnonzero((identity[contour] != identity[given]) & np.isin(identity[given], shared))
    if len(rows) < count:
        raise InputError(
            f"trials: {count}, but only {len(rows)} pairs show two people; ask for fewer or render more pairs"
        )
    random = np.random.default_rng(seed)
    trials = []
    for row in rows[:count]:
        others = np.flatnonzero(identity == identity[given[row]])
        other = int(random.choice(others[others != given[row]]))
        trials.append(_among_strangers(random, identity, int(contour[row]), int(given[row]), other))
    return trials


def _people_in_two_pictures(identity: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    people, pictures = np.unique(identity, return_counts=True)
    shared: NDArray[np.int64] = people[pictures > 1]
    if count < 1 or len(people) < 5 or not len(shared):
        raise InputError(
            f"trials: {count} of {len(people)} people, {len(shared)} of them with two pictures; a game needs one "
            "trial, five people and one of them in two pictures"
        )
    return shared


def _among_strangers(
    random: np.random.Generator, identity: NDArray[np.int64], contour: int, given: int, other: int
) -> Trial:
    """The trial that hides `other`, a further picture of the person given, among three people of neither picture."""
    people = np.unique(identity)
    rest = people[(people != identity[given]) & (people != identity[contour])]
    shown = [int(random.choice(np.flatnonzero(identity == one))) for one in random.choice(rest, 3, replace=False)]
    right = int(random.integers(len(LETTERS)))
    shown.insert(right, other)
    return Trial(contour, given, tuple(shown), right)


def judge_answers(judge: Any, drawn: Tensor, candidates: Tensor) -> list[str]:
    """Which of four a network finds nearest.

    judge: images to unit vectors. drawn: [B, 3, H, H]; candidates: [B, 4, 3, H, H]. Returns B letters.
    """
    with torch.inference_mode():
        outputs = judge(drawn)  # [B, D]
        people = judge(candidates.flatten(0, 1)).unflatten(0, candidates.shape[:2])  # [B, 4, D]
    return [LETTERS[place] for place in torch.einsum("bd,bkd->bk", outputs, people).argmax(1).tolist()]


def draw_sheet(drawn: Tensor, candidates: Tensor, names: list[str]) -> Image.Image:
    """A sheet. drawn: [B, 3, H, H]; candidates: [B, 4, 3, H, H], values in [-1, 1]; names: of the B trials."""
    width = (len(LETTERS) + 1) * (SIDE + GAP) + 3 * GAP
    sheet = Image.new("RGB", (width, len(names) * (SIDE + HEAD + GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        top = row * (SIDE + HEAD + GAP)
        pictures = [drawn[row], *candidates[row]]
        for place, (title, picture) in enumerate(zip((f"{name}: drawn", *LETTERS), pictures, strict=True)):
            left = place * (SIDE + GAP) + (3 * GAP if place else 0)
            pen.text((left + 4, top + 4), title, fill="black")
            tile = to_image(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            sheet.paste(tile, (left, top + HEAD))
    return sheet


def read_answers(text: str, names: list[str], where: str) -> dict[str, str]:
    """Answers, a line a trial: its name and a letter, such as "sketch-3 b"; empty lines and those with # are skipped.

    names: of all trials. where: the file, for messages. Raises InputError for lines that are no answers, for trials
    that are unknown or answered twice, and where one is missing: left-out hard ones would raise the share.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in names or words[1].lower() not in tuple(LETTERS):
            raise InputError(
                f"{where}, line {number}: {line.strip()!r} is no answer; write one like {names[0]!r} and a letter"
            )
        if words[0] in found:
            raise InputError(f"{where}, line {number}: {words[0]!r} is answered twice; keep one answer")
        found[words[0]] = words[1].lower()
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"{where}: {missing[0]!r} has no answer; give one to every trial, a guess where you cannot tell"
        )
    return found


def score(answers: Mapping[str, str], right: Mapping[str, str], judged: Mapping[str, str]) -> Score:
    """Shares with Wilson's 95 % intervals; all three hold a letter for the same trials."""
    n = len(right)
    return Score(
        share_interval(sum(answers[name] == letter for name, letter in right.items()), n),
        share_interval(sum(judged[name] == letter for name, letter in right.items()), n),
        share_interval(sum(answers[name] == judged[name] for name in right), n),
    )
