"""`idnb train perceptual`: the features behind the bundled perceptual distance."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from idnb.cli.arguments import COUNT, SEED, THREADS
from idnb.cli.export import add_export, export_network, noted, sets
from idnb.core.weights import WeightFile
from idnb.faces.synthetic import finished
from idnb.models.perceptual import FaceFeatureDistance
from idnb.pretraining.data import read_people
from idnb.pretraining.perceptual import FeatureTraining, known_numbers, ordering
from idnb.training.loop import run_training

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser, kind: str = "perceptual") -> None:
    """Add the arguments of `idnb train perceptual`."""
    parser.add_argument("--data", type=sets, default="starter", help="set of rendered people: a name or a folder")
    parser.add_argument("--test", type=sets, default="test", help="set of other people for the final figures")
    parser.add_argument("--out", default="runs/perceptual", help="folder for checkpoint and log")
    parser.add_argument("--steps", type=COUNT, default=1000, help="length of the run")
    parser.add_argument("--seed", type=SEED, default=3, help="of initial weights and batches (default 3)")
    parser.add_argument("--threads", type=THREADS, default=None, help="CPU threads")
    add_export(parser, "write the weights into the package and its manifest")


def run(args: argparse.Namespace) -> int:
    """Train, print how well the distance orders distortions, and export the weights if asked to."""
    from idnb.faces.synthetic import load_rendered

    if args.threads:
        torch.set_num_threads(args.threads)
    faces = finished(load_rendered(args.data), print)
    data = read_people(faces)
    training = FeatureTraining(data, known_numbers(faces.parameters), args.steps, args.seed)
    with noted(args, args.out):
        run_training(training, args.out)
    features = training.features.requires_grad_(False).eval()
    test = read_people(load_rendered(args.test))
    figures = ordering(FaceFeatureDistance(features), test, args.seed)
    for name, value in figures.items():
        print(f"{name:40} {value}")
    if args.export:
        names = [Path(name).name for name in (args.data, args.test)]
        entry = WeightFile(
            name="face_features",
            file="face_features.safetensors",
            about="features of the bundled perceptual distance FaceFeatureDistance; not LPIPS",
            licence="CC0-1.0",
            seed=args.seed,
            data=f"rendered people, set {names[0]}: {len(data.identity):,} images; figures on {names[1]}",
            figures=figures,
        )
        export_network(args, args.out, entry, features.state_dict())
    return 0
