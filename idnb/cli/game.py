"""`idnb game`: sheets that ask which of four people is drawn, and the score of whoever answered."""

from __future__ import annotations

import argparse
from pathlib import Path

from idnb.cli.arguments import SEED, Whole
from idnb.cli.outputs import add_overwrite, check_outputs
from idnb.core.errors import InputError

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
    from idnb.contours.kinds import CONTOURS
    from idnb.experiments.games import encoder_games, ideal_games, scored, sheets_of, write_game
    from idnb.faces.sources import load_faces

    out = Path(args.out)
    key = out.with_name(f"{out.name}.key.json")
    if args.answers is not None:
        print(scored(Path(args.answers), key))
        return 0
    if key.exists() and not args.overwrite:
        raise InputError(f"{key} exists: a game is there already; score it with --answers FILE, or give another --out")
    if args.ideals and args.kind is not None:
        raise InputError("--kind: ideal results are the same for all kinds of contour; leave it out, or --ideals")
    faces = load_faces(args.data, otherwise="test")
    if args.ideals:
        games = list(ideal_games(faces, args.ideals, args.trials, args.seed))
    else:
        kinds = args.kind.split(",") if args.kind else list(CONTOURS)
        games = list(encoder_games(faces, kinds, args.trials, args.seed, args.preset))
    planned = [(f"the sheets of {name}", sheets_of(name, trials, out)) for name, trials, _ in games]
    check_outputs(planned, [Path(place) for place in (args.data, args.ideals) if place], args.overwrite)
    count = write_game(games, faces, out, key, {"seed": args.seed, "data": args.data}, args.preset)
    first = f"{games[0][0]}-1"
    print(f"{count} trials on sheets in {out}; the right answers are in {key}: do not look before you have answered")
    print(f"write a line a trial into a file, such as '{first} b'; then: idnb game --out {out} --answers FILE")
    return 0
