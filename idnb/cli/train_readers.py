"""`idnb train parser` and `idnb train reader`: networks that read rendered faces, from a set to a bundled file."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.weights import WeightFile, export_bundled
from idnb.faces.labels import LABEL_NAMES
from idnb.faces.overlap import class_overlap, mean_overlap
from idnb.models.face_parser import FaceParser
from idnb.models.face_reader import POSE, READINGS, SHAPE, FaceReader
from idnb.pretraining.data import IdentityData, finished, join, read_people
from idnb.pretraining.readers import ReaderConfig, damage, train_reader

__all__ = ["add_arguments", "parser_figures", "reader_figures", "run", "truth_table"]

NAMES = {"parser": "face_parser", "reader": "face_reader"}
ABOUT = {
    "parser": "paints the label map of a face; measures label-map contours, used in no loss",
    "reader": "reads pose, light and shape off a face in the renderer's numbers; used in no loss",
}
STEPS = {"parser": 700, "reader": 1600}


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    """Add the arguments of `idnb train parser` or `idnb train reader`."""
    parser.set_defaults(kind=kind)
    parser.add_argument("--data", default="starter", help="sets of rendered people: names or folders, commas between")
    parser.add_argument("--people", type=int, default=None, help="of each set only people with a smaller number")
    parser.add_argument("--test", default="test", help="set of other people for the final figures")
    parser.add_argument("--out", default=f"runs/{kind}", help="folder for checkpoint and log")
    parser.add_argument("--steps", type=int, default=STEPS[kind], help=f"length of the run (default {STEPS[kind]})")
    parser.add_argument("--batch", type=int, default=48, help="images a step (default 48)")
    parser.add_argument("--seed", type=int, default=4, help="of initial weights and batches (default 4)")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads")
    parser.add_argument("--export", action="store_true", help="write the weights into the package and its manifest")


def run(args: argparse.Namespace) -> int:
    """Train, or go on training; then print the figures on the test set, and export the weights if asked to."""
    from idnb.faces.synthetic import load_faces

    if args.threads:
        torch.set_num_threads(args.threads)
    sets = [some_people(load_faces(name), args.people) for name in args.data.split(",")]
    data = join([read_people(faces) for faces in sets])
    test_faces = finished(load_faces(args.test), print)
    test = read_people(test_faces)
    torch.manual_seed(args.seed)
    config = ReaderConfig(steps=args.steps, batch=args.batch, seed=args.seed)
    network: nn.Module
    if args.kind == "parser":
        network = FaceParser()
        train_reader(network, data, data.label_maps, config, Path(args.out))
        figures = parser_figures(network, test)
    else:
        network = FaceReader()
        table = torch.cat([truth_table(faces.parameters) for faces in sets])
        network.mean.copy_(table.mean(0))
        network.deviation.copy_(table.std(0).clamp_min(1e-6))
        values = ((table - network.mean) / network.deviation).clamp(-4.0, 4.0)
        train_reader(network, data, values, config, Path(args.out))
        figures = reader_figures(network, test, truth_table(test_faces.parameters))
    for name, value in figures.items():
        print(f"{name:28} {value}")
    if args.export:
        words = ["idnb", "train", args.kind, "--data", ",".join(Path(name).name for name in args.data.split(","))]
        words += [] if args.people is None else ["--people", str(args.people)]
        words += ["--steps", str(args.steps), "--batch", str(args.batch), "--seed", str(args.seed), "--export"]
        entry = WeightFile(
            name=NAMES[args.kind],
            file=f"{NAMES[args.kind]}.safetensors",
            about=ABOUT[args.kind],
            licence="CC0-1.0",
            command=shlex.join(words),
            seed=args.seed,
            data=f"rendered people: {len(data.identity):,} images of {len(data.identity.unique()):,} people; "
            f"figures on set {args.test}, people never trained on",
            figures=figures,
        )
        print(f"wrote {export_bundled(entry, network.state_dict())}")
    return 0


def some_people(faces: Any, limit: int | None) -> Any:
    """The people of a set whose number is below `limit` and whose files are there."""
    if limit is not None:
        faces = faces.select(np.unique(faces.identity[faces.identity < limit]))
    return finished(faces, print)


def truth_table(parameters: dict[str, np.ndarray]) -> Tensor:
    """What the reader is to read, [N, K] float32, from the table of a set.

    Raises InputError where the set was not made by `idnb render`.
    """
    missing = [name for name in READINGS if name not in parameters]
    if missing:
        raise InputError(f"the set has no column {missing[0]!r}: only sets of `idnb render` know pose, light and shape")
    return torch.as_tensor(np.stack([parameters[name] for name in READINGS], axis=1), dtype=torch.float32)


@torch.inference_mode()
def parser_figures(network: FaceParser, data: IdentityData) -> dict[str, Any]:
    """Mean intersection over union on test faces as they are and damaged, accuracy, and each class's own figure."""
    figures: dict[str, Any] = {"images": len(data.identity)}
    generator = torch.Generator().manual_seed(0)
    for name in ("", "_damaged"):
        overlap = torch.zeros(len(LABEL_NAMES), 2, dtype=torch.long)
        right = 0.0
        for start in range(0, len(data.identity), 100):
            images = data.images[start : start + 100].float() / 127.5 - 1.0
            found = network.label_maps(damage(images, generator) if name else images)
            truth = data.label_maps[start : start + 100].long()
            overlap += class_overlap(found, truth).sum(0)
            right += float((found == truth).float().mean((1, 2)).sum())
        figures[f"mean_iou{name}"] = round(mean_overlap(overlap), 4)
        figures[f"pixel_accuracy{name}"] = round(right / len(data.identity), 4)
        if not name:
            each = (overlap[:, 0] / overlap[:, 1].clamp_min(1)).tolist()
            there = (overlap[:, 1] > 0).tolist()
            figures["iou"] = {n: round(v, 3) for n, v, t in zip(LABEL_NAMES, each, there, strict=True) if t}
    return figures


@torch.inference_mode()
def reader_figures(network: FaceReader, data: IdentityData, truth: Tensor) -> dict[str, Any]:
    """Correlation with the truth on test faces; they are also written into the network, see `FaceReader`."""
    figures: dict[str, Any] = {"images": len(data.identity)}
    generator = torch.Generator().manual_seed(0)
    for name in ("", "_damaged"):
        parts = []
        for start in range(0, len(data.identity), 100):
            images = data.images[start : start + 100].float() / 127.5 - 1.0
            parts.append(network(damage(images, generator) if name else images))
        found = torch.cat(parts) * network.deviation + network.mean  # [N, K]
        both = torch.stack([found, truth]) - torch.stack([found, truth]).mean(1, keepdim=True)
        correlation = (both[0] * both[1]).sum(0) / (both[0].norm(dim=0) * both[1].norm(dim=0)).clamp_min(1e-9)
        named = dict(zip(READINGS, correlation.tolist(), strict=True))
        figures[f"correlation{name}"] = {k: round(v, 4) for k, v in named.items() if k not in SHAPE}
        of_shape = torch.tensor([named[k] for k in SHAPE])
        figures[f"shape_correlation_mean{name}"] = round(of_shape.mean().item(), 3)
        figures[f"shape_above_half{name}"] = f"{int((of_shape > 0.5).sum())} of {len(SHAPE)}"
        for column, angle in enumerate(POSE):
            error = (found[:, column] - truth[:, column]).abs().mean().item()
            figures[f"{angle.split('.')[1]}_error_degrees{name}"] = round(float(np.degrees(error)), 2)
        if not name:
            network.correlation.copy_(correlation)
    return figures
