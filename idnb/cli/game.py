"""`idnb game`: sheets that ask which of four people is drawn, and the score of whoever answered."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from idnb.cli.arguments import SEED, Whole
from idnb.cli.outputs import add_overwrite, check_outputs
from idnb.core.errors import InputError
from idnb.core.files import read_json, read_text, whole_file, write_text

if TYPE_CHECKING:
    from torch import Tensor

    from idnb.contours.contour import Contour
    from idnb.evaluation.game import Trial
    from idnb.faces.triples import Triples

    Game: TypeAlias = tuple[str, list[Trial], Callable[[Sequence[Trial]], Tensor]]  # name, trials, what is drawn

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb game`."""
    parser.add_argument("--out", required=True, help="folder for the sheets; the right answers go into OUT.key.json")
    parser.add_argument("--answers", default=None, help="file of answers: score them, with the key of --out")
    parser.add_argument("--kind", default=None, help="kinds of contour, commas between (default all)")
    parser.add_argument(
        "--ideals",
        default=None,
        metavar="DIR",
        help="show ideal results instead, a folder of `idnb render --pairs`: the ceiling of the game",
    )
    parser.add_argument("--trials", type=Whole(1, 10_000), default=12, help="trials a kind, six a sheet (default 12)")
    parser.add_argument("--seed", type=SEED, default=0, help="of the trials (default 0)")
    parser.add_argument("--data", default="test", help="set of people: a name or a folder (default test)")
    parser.add_argument("--preset", default="tiny", help="tiny or paper")
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    """Write sheets and key, or score answers."""
    out = Path(args.out)
    key = out.with_name(f"{out.name}.key.json")
    if args.answers is not None:
        print(scored(Path(args.answers), key))
        return 0
    if key.exists() and not args.overwrite:
        raise InputError(f"{key} exists: a game is there already; score it with --answers FILE, or give another --out")
    write_game(args, out, key)
    return 0


def scored(path: Path, key: Path) -> str:
    """The score of a file of answers, in words. Raises InputError where a file is missing or is no such file."""
    from idnb.evaluation.game import read_answers, score

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


def encoder_games(args: argparse.Namespace, faces: Any) -> Iterator[Game]:
    """One game a kind of contour, about what the encoders draw."""
    import numpy as np
    import torch

    from idnb.contours.kinds import CONTOURS, contour_kind
    from idnb.core.presets import get_preset
    from idnb.core.resize import resize
    from idnb.evaluation.game import draw_trials
    from idnb.models.encoder_files import load_encoder
    from idnb.models.stylegan2_files import load_generator

    generator, side = load_generator(args.preset), get_preset(args.preset).encoder_size
    for place, name in enumerate(args.kind.split(",") if args.kind else CONTOURS):
        kind, encoder = contour_kind(name), load_encoder(args.preset, name)

        def draw(part: Sequence[Trial], kind: Contour = kind, encoder: Any = encoder) -> Tensor:
            rows = np.array([trial.contour for trial in part])
            x_c = kind.sized(side // 8 if kind.has_side else None).make(faces.images(rows), kind.labels_of(faces, rows))
            given = resize(faces.images([trial.given for trial in part]), side)
            with torch.inference_mode():
                images: Tensor = encoder.generate(generator, x_c, given).images[:, -1].clamp(-1, 1)  # [B, 3, H, H]
            return images

        yield name, draw_trials(np.asarray(faces.identity), args.trials, args.seed + 1000 * place), draw


def ideal_games(args: argparse.Namespace, faces: Any) -> Iterator[Game]:
    """One game for each of the two colours that ideal results have; both are about the same pairs."""
    import numpy as np

    from idnb.evaluation.game import pair_trials
    from idnb.faces.triples import COLOURS, load_triples

    if args.kind is not None:
        raise InputError("--kind: ideal results are the same for all kinds of contour; leave it out, or --ideals")
    for place, colours in enumerate(COLOURS):
        triples = load_triples(args.ideals, faces, colours)
        order = np.argsort(triples.contour)  # as `idnb evaluate` goes through the pairs
        contour, given = triples.contour[order], triples.given[order]
        rows = dict(zip(zip(contour.tolist(), given.tolist(), strict=True), order.tolist(), strict=True))

        def draw(part: Sequence[Trial], triples: Triples = triples, rows: dict[Any, int] = rows) -> Tensor:
            return triples.ideal.images([rows[trial.contour, trial.given] for trial in part])

        seed = args.seed + 1000 * place
        yield f"colours_of_{colours}", pair_trials(faces.identity, contour, given, args.trials, seed), draw


def write_game(args: argparse.Namespace, out: Path, key: Path) -> None:
    """Draw all trials of all games, a sheet for six."""
    import torch

    from idnb.core.presets import get_preset
    from idnb.core.resize import resize
    from idnb.evaluation.game import LETTERS, ROWS, draw_sheet, judge_answers
    from idnb.evaluation.metrics import load_judges
    from idnb.faces.sources import load_faces

    faces = load_faces(args.data, otherwise="test")
    side = get_preset(args.preset).encoder_size
    (judge,) = load_judges(args.preset, ["judge"]).values()
    right: dict[str, str] = {}
    judged: dict[str, str] = {}
    games = list(ideal_games(args, faces) if args.ideals else encoder_games(args, faces))
    sheets = {name: [out / f"{name}_{i + 1}.png" for i in range(-(-len(trials) // ROWS))] for name, trials, _ in games}
    planned = [(f"the sheets of {name}", files) for name, files in sheets.items()]
    check_outputs(planned, [Path(place) for place in (args.data, args.ideals) if place], args.overwrite)
    for name, trials, draw in games:
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
            with whole_file(sheets[name][start // ROWS]) as file:
                draw_sheet(drawn, shown, names).save(file, format="PNG")
    write_text(
        key, json.dumps({"seed": args.seed, "data": args.data, "right": right, "judge": judged}, indent=1) + "\n"
    )
    print(
        f"{len(right)} trials on sheets in {out}; the right answers are in {key}: do not look before you have answered"
    )
    print(
        f"write a line a trial into a file, such as '{next(iter(right))} b'; then: idnb game --out {out} --answers FILE"
    )
