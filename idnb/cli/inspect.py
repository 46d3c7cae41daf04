"""`idnb inspect generator`: sample sheets, parts, distances and inversions of a generator, in one folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from idnb.cli.arguments import BATCH, COUNT, OWN_STEPS, RATE, SEED, THREADS, Whole
from idnb.cli.export import NOTE, a_file, add_export, recorded, sets
from idnb.cli.outputs import add_overwrite, check_outputs
from idnb.core.errors import InputError
from idnb.core.files import read_json, write_text
from idnb.core.messages import printable
from idnb.core.weights import find_weight, write_entry
from idnb.experiments.generators import GENERATORS
from idnb.inversion.optimise import InversionConfig
from idnb.models.stylegan2_files import BUNDLED_NAMES

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand for each kind of network that can be looked into."""
    kinds = parser.add_subparsers(dest="network", metavar="WHAT", title="networks", required=True)
    about = "sample sheets, parts that samples lack, Frechet distance beside its floor, inversion of unseen faces"
    generator = kinds.add_parser("generator", help=about, description=about)
    generator.add_argument("--preset", default="tiny", help="which generator: tiny or paper")
    generator.add_argument("--path", type=a_file, default=None, help="a generator file in place of the preset's own")
    generator.add_argument(
        "--data", type=sets, default="starter", help="rendered people it is compared with: a name or a folder"
    )
    generator.add_argument(
        "--images", type=Whole(2, COUNT.high), default=5000, help="most images on each side of a distance"
    )
    generator.add_argument(
        "--features", default="identity,inception", help="feature networks, commas between; missing ones are left out"
    )
    generator.add_argument("--test", type=sets, default="test", help="set of other people, whose faces are inverted")
    generator.add_argument("--faces", type=Whole(0, COUNT.high), default=50, help="optimised ones, 0 for none")
    generator.add_argument(
        "--encoder", type=a_file, default=None, help="the picture encoder that grew up with the generator"
    )
    generator.add_argument("--reconstructed", type=COUNT, default=300, help="faces that it reconstructs, one a person")
    generator.add_argument("--steps", type=OWN_STEPS, default=InversionConfig.steps, help="of each optimisation")
    generator.add_argument(
        "--rate", type=RATE, default=InversionConfig.learning_rate, help="in standard deviations of w"
    )
    generator.add_argument("--batch", type=BATCH, default=None, help="faces at once (default 10 at 128 px)")
    generator.add_argument("--seed", type=SEED, default=0, help="of samples, halves and faces (default 0)")
    generator.add_argument("--out", default="runs/inspect", help="folder for report.json and pictures")
    generator.add_argument(
        "--store", default=None, metavar="NAME", help="keep the report in the package, for `idnb results generators`"
    )
    generator.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    generator.add_argument("--threads", type=THREADS, default=None, help="CPU threads")
    add_overwrite(generator)
    add_export(generator, "write the metrics into the manifest of the package")


def run(args: argparse.Namespace) -> int:
    """Inspect the generator."""
    from idnb.experiments.inspection import Inspection, inspect_generator
    from idnb.faces.synthetic import load_rendered
    from idnb.models.picture_encoder import load_picture_encoder
    from idnb.models.stylegan2_files import load_generator

    if args.export and (args.path or args.preset != "tiny"):
        raise InputError("--export: only the bundled generator has an entry; leave --path and --preset out")
    if args.store is not None and not args.store.isidentifier():
        raise InputError(f"--store {args.store}: give a plain word, the name of the row")
    if args.threads:
        torch.set_num_threads(args.threads)
    config = InversionConfig(steps=args.steps, learning_rate=args.rate, batch=args.batch)
    settings = Inspection(args.images, args.features.split(","), args.faces, args.reconstructed, config, args.seed)
    generator = load_generator(args.preset, path=args.path, device=args.device)
    encoder = None if args.encoder is None else load_picture_encoder(args.encoder, args.device)
    out = Path(args.out)
    drawn = [path for name in ("samples_*.png", "reconstructions.png", "reach_*.png") for path in out.glob(name)]
    kept = [out / "report.json", *([] if args.store is None else [GENERATORS / f"{args.store}.json"])]
    check_outputs([("the report", [*kept, *drawn])], [], args.overwrite)
    command = made_by(args)
    out.mkdir(parents=True, exist_ok=True)
    people, others = load_rendered(args.data), load_rendered(args.test)
    found = inspect_generator(generator, people, others, out, settings, encoder)
    named = {"generator": str(args.path or args.preset), "size": generator.size}
    report = {**named, **found, "command": recorded(args).whole, "made_by": command}
    for path in kept:
        write_text(path, json.dumps(report, indent=2) + "\n")
        print(f"wrote {printable(path)}")
    if args.export:
        export(report)
    return 0


def made_by(args: argparse.Namespace) -> str:
    """The command that made the generator: of the manifest, or as its training noted it beside the file."""
    if args.path is None:
        return find_weight(BUNDLED_NAMES[args.preset]).command or "a download"
    note = Path(args.path).with_name(NOTE)
    told = read_json(note, "inspect a file in the folder of its training") if note.is_file() else {}
    noted = [str(one.get("command")) for one in told.get("commands", []) if isinstance(one, dict)]
    return "; ".join(noted) or "a command that was not noted"


def export(report: dict[str, Any]) -> None:
    """Put the report into the manifest, beside what training wrote there."""
    entry = find_weight(BUNDLED_NAMES["tiny"])
    entry.metrics["inspected"] = {key: value for key, value in report.items() if key != "generator"}
    write_entry(entry)
    print(f"the manifest's entry {entry.name} has these metrics now")
