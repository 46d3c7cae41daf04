"""`idnb train parser` and `idnb train attributes`: networks that measure faces, from a set to a bundled file."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from idnb.cli.arguments import BATCH, COUNT, SEED, THREADS
from idnb.cli.export import add_export, export_network, noted, sets
from idnb.core.weights import WeightFile
from idnb.pretraining.data import some_people
from idnb.pretraining.measuring import MeasuringConfig, train_attributes, train_parser

__all__ = ["add_arguments", "run"]

NAMES = {"parser": "face_parser", "attributes": "face_reader"}  # of the files in the package
ABOUT = {
    "parser": "paints the label map of a face; measures label-map contours, used in no loss",
    "attributes": "reads pose, light and shape off a face in the renderer's numbers; used in no loss",
}
STEPS = {"parser": 700, "attributes": 1600}


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    """Add the arguments of `idnb train parser` or `idnb train attributes`."""
    parser.set_defaults(kind=kind)
    parser.add_argument(
        "--data", type=sets, default="starter", help="sets of rendered people: names or folders, commas between"
    )
    parser.add_argument("--people", type=COUNT, default=None, help="of each set only people with a smaller number")
    parser.add_argument("--test", type=sets, default="test", help="set of other people for the final metrics")
    parser.add_argument("--out", default=f"runs/{kind}", help="folder for checkpoint and log")
    parser.add_argument("--steps", type=COUNT, default=STEPS[kind], help=f"length of the run (default {STEPS[kind]})")
    parser.add_argument("--batch", type=BATCH, default=48, help="images a step (default 48)")
    parser.add_argument("--seed", type=SEED, default=4, help="of initial weights and batches (default 4)")
    parser.add_argument("--threads", type=THREADS, default=None, help="CPU threads")
    add_export(parser, "write the weights into the package and its manifest")


def run(args: argparse.Namespace) -> int:
    """Train, or go on training; then print the figures on the test set, and export the weights if asked to."""
    from idnb.faces.synthetic import load_rendered

    if args.threads:
        torch.set_num_threads(args.threads)
    people = [some_people(load_rendered(name), args.people) for name in args.data.split(",")]
    test = some_people(load_rendered(args.test))
    config = MeasuringConfig(steps=args.steps, batch=args.batch, seed=args.seed)
    train = train_parser if args.kind == "parser" else train_attributes
    with noted(args, args.out):
        network, data, metrics = train(people, test, config, args.out)
    for name, value in metrics.items():
        print(f"{name:28} {value}")
    if args.export:
        entry = WeightFile(
            name=NAMES[args.kind],
            file=f"{NAMES[args.kind]}.safetensors",
            about=ABOUT[args.kind],
            licence="CC0-1.0",
            seed=args.seed,
            data=f"rendered people: {len(data.identity):,} images of {len(data.identity.unique()):,} people; "
            f"metrics on set {Path(args.test).name}, people never trained on",
            metrics=metrics,
        )
        export_network(args, args.out, entry, network.state_dict())
    return 0
