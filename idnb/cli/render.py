"""`idnb render`: make a set of synthetic people, or check the distribution they come from."""

import argparse
from pathlib import Path

import numpy as np

from idnb.cli.arguments import COUNT, PROCESSES, SEED, Whole
from idnb.cli.outputs import add_overwrite, check_outputs
from idnb.core.errors import InputError
from idnb.core.files import whole_file
from idnb.core.messages import printable

__all__ = ["add_arguments", "run"]

SHEETS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}  # how a contact sheet may be stored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb render`."""
    parser.add_argument("--identities", type=COUNT, metavar="N", help="number of people")
    parser.add_argument("--shots", type=Whole(1, 1000), default=4, metavar="K", help="pictures of each (default 4)")
    parser.add_argument(
        "--seed", type=SEED, default=0, metavar="S", help="of the distribution: other seeds, other people"
    )
    parser.add_argument(
        "--workers", type=PROCESSES, default=1, metavar="W", help="processes; the pixels do not depend on it"
    )
    parser.add_argument("--size", type=Whole(16, 2048), default=128, metavar="PX", help="of a picture (default 128)")
    parser.add_argument(
        "--pairs",
        type=COUNT,
        metavar="N",
        help="instead of these people's own pictures the ideal results of N pairs of pictures, of both kinds",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the set; an interrupted set goes on")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also write a contact sheet of 64 people")
    add_overwrite(parser)
    parser.add_argument("--check", action="store_true", help="measure new people instead (--identities, default 500)")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code: 0, or 1 when --check finds a figure below its bar."""
    if args.check:
        from idnb.faces.render.check import check_people

        return 0 if check_people(args.identities or 500, args.size) else 1
    if args.identities is None or args.out is None:
        raise InputError("--identities and --out are needed, for example: idnb render --identities 8 --out people")
    if args.sheet is not None and args.sheet.suffix.lower() not in SHEETS:
        raise InputError(f"--sheet {args.sheet}: give a name that ends in {', '.join(SHEETS)}")
    if args.sheet is not None:
        check_outputs([("the contact sheet", [args.sheet])], [args.out], args.overwrite)
    from idnb.faces.render.ideals import IdealPlan
    from idnb.faces.render.sets import SetPlan, make_set

    people = args.identities, args.shots, args.seed, args.size
    plan = SetPlan(*people) if args.pairs is None else IdealPlan(*people, args.pairs)
    card = make_set(plan, args.out, args.workers)
    cost = card.get("seconds_per_image_and_core")
    spent = f", {cost:.2f} s an image and core" if cost else ", nothing was left to do"
    what = f"{card['identities']} people x {card['shots']} pictures"
    if args.pairs is not None:
        what = f"ideal results of {args.pairs} pairs among {what}"
    print(f"{printable(args.out)}: {what} of {card['size']} px{spent}")
    print(f"sha256 {card['sha256']}")
    if args.sheet:
        from idnb.core.images import sheet, to_image
        from idnb.faces.synthetic import load_rendered

        faces = load_rendered(args.out)
        first = np.flatnonzero(faces.shot == faces.shot.min())[:64]
        with whole_file(args.sheet) as file:
            to_image(sheet(faces.images(first))).save(file, SHEETS[args.sheet.suffix.lower()], quality=92)
        print(f"contact sheet: {printable(args.sheet)}")
    return 0
