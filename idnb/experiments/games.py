"""The game "which of four people is drawn?": sheets of trials about encoders or ideal results, and scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.files import read_json, read_text, whole_file, write_text
from idnb.core.presets import get_preset
from idnb.core.resize import resize
from idnb.evaluation.game import (
    LETTERS,
    ROWS,
    Trial,
    draw_sheet,
    draw_trials,
    judge_answers,
    pair_trials,
    read_answers,
    score,
)
from idnb.evaluation.metrics import load_judges
from idnb.faces.triples import COLOURS, load_triples
from idnb.models.encoder_files import load_encoder
from idnb.models.stylegan2_files import load_generator

if TYPE_CHECKING:
    from torch import Tensor

    from idnb.contours.contour import Contour
    from idnb.faces.triples import Triples

__all__ = ["Game", "encoder_games", "ideal_games", "scored", "sheets_of", "write_game"]

Game: TypeAlias = tuple[str, list[Trial], Callable[[Sequence[Trial]], "Tensor"]]
"""Name, trials, and a function that draws what some trials ask about."""


def scored(path: Path, key: Path) -> str:
    """The score of a file of answers, in words. Raises InputError where a file is missing or is no such file."""
    text = read_text(path, "write one line a trial, its name and a letter")
    known = read_json(key, "make sheets first, into another folder")
    right, judged = known.get("right"), known.get("judge")
    if not (isinstance(right, dict) and right and isinstance(judged, dict) and set(judged) == set(right)):
        raise InputError(f"{key} is damaged (it has no answers); make the sheets again into another folder")
    answers = read_answers(text, list(right), str(path))
    lines = []
    groups: dict[str, list[str]] = {name.rpartition("-")[0]: [] for name in right}
    for name in right:
        groups[name.rpartition("-")[0]].append(name)
    parts = {"all": list(right), **(groups if len(groups) > 1 else {})}
    for title, names in parts.items():
        found = score(answers, {name: right[name] for name in names}, judged)
        texts = [
            f"{what} {100 * one.value:.0f} % ({100 * one.low:.0f}–{100 * one.high:.0f})"
            for what, one in (("right", found.share), ("judge right", found.judge), ("as the judge", found.agreement))
        ]
        lines.append(f"{title}: n = {len(names)}; {'; '.join(texts)}")
    return "\n".join([*lines, "chance 25 %; in brackets Wilson's 95 % interval over trials"])


def encoder_games(faces: Any, kinds: Sequence[str], trials: int, seed: int, preset: str = "tiny") -> Iterator[Game]:
    """One game a kind of contour, about what the encoders draw; arguments as of `write_game`."""
    generator, side = load_generator(preset), get_preset(preset).encoder_size
    for place, name in enumerate(kinds):
        kind, encoder = contour_kind(name), load_encoder(preset, name)

        def draw(part: Sequence[Trial], kind: Contour = kind, encoder: Any = encoder) -> Tensor:
            rows = np.array([trial.contour for trial in part])
            x_c = kind.sized(side // 8 if kind.has_side else None).make(faces.images(rows), kind.labels_of(faces, rows))
            given = resize(faces.images([trial.given for trial in part]), side)
            with torch.inference_mode():
                images: Tensor = encoder.generate(generator, x_c, given).images[:, -1].clamp(-1, 1)  # [B, 3, H, H]
            return images

        yield name, draw_trials(np.asarray(faces.identity), trials, seed + 1000 * place), draw


def ideal_games(faces: Any, folder: str | Path, trials: int, seed: int) -> Iterator[Game]:
    """One game for each of the two colours that ideal results have; both are about the same pairs.

    folder: of ideal results, from `idnb render --pairs`. faces, trials, seed: as of `write_game`.
    """
    for place, colours in enumerate(COLOURS):
        triples = load_triples(folder, faces, colours)
        order = np.argsort(triples.contour)  # as `idnb evaluate` goes through the pairs
        contour, given = triples.contour[order], triples.given[order]
        rows = dict(zip(zip(contour.tolist(), given.tolist(), strict=True), order.tolist(), strict=True))

        def draw(part: Sequence[Trial], triples: Triples = triples, rows: dict[Any, int] = rows) -> Tensor:
            return triples.ideal.images([rows[trial.contour, trial.given] for trial in part])

        own = seed + 1000 * place
        yield f"colours_of_{colours}", pair_trials(faces.identity, contour, given, trials, own), draw


def write_game(
    games: Sequence[Game], faces: Any, out: Path, key: Path, told: dict[str, Any], preset: str = "tiny"
) -> int:
    """Draw all trials of all games, a sheet for six, and write down the right answers and those of the judge.

    games: from `encoder_games` or `ideal_games`. faces: the set that they are about. out: folder of the sheets, see
    `sheets_of`. key: file for the answers; told: what else is written into it. preset: whose judge looks on.
    Returns how many trials there are.
    """
    side = get_preset(preset).encoder_size
    (judge,) = load_judges(preset, ["judge"]).values()
    right: dict[str, str] = {}
    judged: dict[str, str] = {}
    for name, trials, draw in games:
        sheets = sheets_of(name, trials, out)
        for start in range(0, len(trials), ROWS):
            part = trials[start : start + ROWS]
            names = [f"{name}-{start + row + 1}" for row in range(len(part))]
            drawn = draw(part)
            shown = torch.stack([faces.images(list(trial.candidates)) for trial in part])  # [B, 4, 3, H, H]
            letters = judge_answers(
                judge, resize(drawn, side), resize(shown.flatten(0, 1), side).unflatten(0, shown.shape[:2])
            )
            right |= {one: LETTERS[trial.right] for one, trial in zip(names, part, strict=True)}
            judged |= dict(zip(names, letters, strict=True))
            with whole_file(sheets[start // ROWS]) as file:
                draw_sheet(drawn, shown, names).save(file, format="PNG")
    write_text(key, json.dumps({**told, "right": right, "judge": judged}, indent=1) + "\n")
    return len(right)


def sheets_of(name: str, trials: Sequence[Trial], out: Path) -> list[Path]:
    """The files of a game's sheets."""
    return [out / f"{name}_{i + 1}.png" for i in range(-(-len(trials) // ROWS))]
