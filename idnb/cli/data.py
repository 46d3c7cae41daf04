"""`idnb data`: check a folder of photographs before a run, and merge the parts of label maps once and for all."""

from __future__ import annotations

import argparse
from pathlib import Path

from idnb.cli.outputs import add_overwrite, check_outputs
from idnb.core.files import write_text
from idnb.core.messages import printable

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `idnb data`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    check = actions.add_parser("check", help="name every missing, broken or foreign file of a folder in one report")
    check.add_argument("folder", help="CelebAMask-HQ, or any folder of aligned photos; FOLDER@test takes one split")
    check.add_argument("--decode", action="store_true", help="read every pixel, not only both ends of each file")
    check.add_argument("--order", choices=("celebamask", "face-parsing"), help="of the classes of index maps")
    check.add_argument("--out", type=Path, metavar="FILE", help="write the whole report here; the screen gets a part")
    add_overwrite(check)
    merge = actions.add_parser("merge", help="merge the parts of CelebAMask-HQ into one index map an image")
    merge.add_argument("folder", help="CelebAMask-HQ; FOLDER@test takes one split")
    merge.add_argument("--out", type=Path, help="folder for the maps; without it CelebAMask-HQ-mask inside FOLDER")


def run(args: argparse.Namespace) -> int:
    """Check or merge. Returns 1 when a folder is not usable as it is, else 0."""
    from idnb.faces.celeba_split import SPLITS

    text, at, split = args.folder.rpartition("@")
    folder, part = (text, split) if at and split in SPLITS and not Path(args.folder).exists() else (args.folder, None)
    return _check(args, folder, part) if args.action == "check" else _merge(args, folder, part)


def _check(args: argparse.Namespace, folder: str, split: str | None) -> int:
    from idnb.faces.sources import open_photos

    if args.out is not None:
        check_outputs([("the report", [args.out])], [Path(folder)], args.overwrite)
    faces = open_photos(folder, split, args.order, allow_missing=True)
    report = faces.check(decode=args.decode, progress=True)
    print(report)
    if args.out is not None:
        write_text(args.out, report.text() + "\n")
        print(f"the whole report: {printable(args.out)}")
    return 0 if report.usable else 1


def _merge(args: argparse.Namespace, folder: str, split: str | None) -> int:
    from idnb.faces.celebahq import INDEX_FOLDERS, CelebAMaskHQ
    from idnb.faces.merging import merge_set

    faces = CelebAMaskHQ(folder, split, allow_missing=True, merge=True)
    out = args.out or faces.folder / INDEX_FOLDERS[0]
    without = merge_set(faces, out)
    print(f"{printable(out)}: {len(faces) - len(without):,} label maps, in the order of CelebAMask-HQ")
    if without:
        print(f"{len(without):,} images have no parts, the first is {without[0]}")
    return 1 if without else 0
