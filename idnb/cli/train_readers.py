"""`idnb train parser` and `idnb train reader`: networks that read rendered faces, from a set to a bundled file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from idnb.cli.arguments import BATCH, COUNT, SEED, THREADS
from idnb.cli.export import add_export, export_network, noted, sets
from idnb.core.weights import WeightFile
from idnb.faces.synthetic import finished
from idnb.models.face_parser import FaceParser
from idnb.models.face_reader import FaceReader, truth_table
from idnb.pretraining.data import join, read_people
from idnb.pretraining.readers import ReaderConfig, parser_figures, reader_figures, train_reader

__all__ = ["add_arguments", "run"]

NAMES = {"parser": "face_parser", "reader": "face_reader"}
ABOUT = {
    "parser": "paints the label map of a face; measures label-map contours, used in no loss",
    "reader": "reads pose, light and shape off a face in the renderer's numbers; used in no loss",
}
STEPS = {"parser": 700, "reader": 1600}


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    """Add the arguments of `idnb train parser` or `idnb train reader`."""
    parser.set_defaults(kind=kind)
    parser.add_argument(
        "--data", type=sets, default="starter", help="sets of rendered people: names or folders, commas between"
    )
    parser.add_argument("--people", type=COUNT, default=None, help="of each set only people with a smaller number")
    parser.add_argument("--test", type=sets, default="test", help="set of other people for the final figures")
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
    data = join([read_people(faces) for faces in people])
    test_faces = finished(load_rendered(args.test), print)
    test = read_people(test_faces)
    torch.manual_seed(args.seed)
    config = ReaderConfig(steps=args.steps, batch=args.batch, seed=args.seed)
    network: nn.Module
    if args.kind == "parser":
        network = FaceParser()
        with noted(args, args.out):
            train_reader(network, data, data.label_maps, config, args.out)
        figures = parser_figures(network, test)
    else:
        network = FaceReader()
        table = torch.cat([truth_table(faces.parameters) for faces in people])
        network.mean.copy_(table.mean(0))
        network.deviation.copy_(table.std(0).clamp_min(1e-6))
        values = ((table - network.mean) / network.deviation).clamp(-4.0, 4.0)
        with noted(args, args.out):
            train_reader(network, data, values, config, args.out)
        figures = reader_figures(network, test, truth_table(test_faces.parameters))
    for name, value in figures.items():
        print(f"{name:28} {value}")
    if args.export:
        entry = WeightFile(
            name=NAMES[args.kind],
            file=f"{NAMES[args.kind]}.safetensors",
            about=ABOUT[args.kind],
            licence="CC0-1.0",
            seed=args.seed,
            data=f"rendered people: {len(data.identity):,} images of {len(data.identity.unique()):,} people; "
            f"figures on set {Path(args.test).name}, people never trained on",
            figures=figures,
        )
        export_network(args, args.out, entry, network.state_dict())
    return 0


def some_people(faces: Any, limit: int | None) -> Any:
    """The people of a set whose number is below `limit` and whose files are there."""
    if limit is not None:
        faces = faces.select(np.unique(faces.identity[faces.identity < limit]))
    return finished(faces, print)
