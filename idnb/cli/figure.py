"""`idnb figure`: the figures of the paper, made anew from bundled networks and test people."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from idnb.contours.kinds import CONTOURS, contour_kind
from idnb.core.errors import InputError
from idnb.models.encoder import ContourEncoder
from idnb.models.stylegan2 import Generator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["add_arguments", "choose_people", "kinds_figure", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb figure`."""
    add = parser.add_argument
    add("which", choices=["kinds"], help="kinds: rows of contours of the three kinds, columns of identities (figure 4)")
    add("--out", default="kinds.png", help="the PNG to write (default kinds.png)")
    add("--data", default="test", help="set of people: test, starter, or a folder")
    add("--identities", type=int, default=5, help="columns (default 5)")
    add("--contours", type=int, default=2, help="rows of each kind (default 2)")
    add("--steps", type=int, default=None, help="refinement steps")
    add("--seed", type=int, default=4, help="of the choice of people (default 4)")
    add("--kinds", nargs="+", default=list(CONTOURS), choices=list(CONTOURS), help="of contours, one after the other")
    add("--encoders", nargs="+", default=[], help="files of your own, one for each kind")
    add("--generator", default=None, help="a generator of your own")


def run(args: argparse.Namespace) -> int:
    """Draw the figure and write it."""
    from idnb.faces.synthetic import load_faces
    from idnb.models.encoder_files import load_encoder
    from idnb.models.stylegan2_files import load_generator

    if args.encoders and len(args.encoders) != len(args.kinds):
        raise InputError(f"--encoders: {len(args.encoders)} files for {len(args.kinds)} kinds; give one for each")
    files = args.encoders or [None] * len(args.kinds)
    encoders = [load_encoder("tiny", kind, file) for kind, file in zip(args.kinds, files, strict=True)]
    generator = load_generator("tiny", args.generator)
    faces = load_faces(args.data)
    contours, identities = choose_people(faces, args.contours * len(encoders), args.identities, args.seed)
    figure = kinds_figure(encoders, generator, faces, contours, identities, args.steps)
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, metadata={"Description": str(figure.get_label()), "Software": None})
    print(f"wrote {out}: {figure.get_label()}")
    return 0


def choose_people(faces: Any, contours: int, identities: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of different people for rows and columns, the same for every run with this seed.

    faces: a set. Returns row numbers of the set, [contours] and [identities]. Raises InputError when there are too few.
    """
    people, first = np.unique(faces.identity, return_index=True)
    wanted = contours + identities
    if contours < 1 or identities < 1 or wanted > len(people):
        raise InputError(f"{contours} contours and {identities} identities: the set has {len(people)} people")
    order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed)).numpy()[:wanted]
    return first[order[:contours]], first[order[contours:]]


def kinds_figure(
    encoders: list[ContourEncoder],
    generator: Generator,
    faces: Any,
    contours: np.ndarray,
    identities: np.ndarray,
    steps: int | None = None,
) -> Figure:
    """Rows of contours, kind after kind; columns of identities; generated faces where they meet. Paper: figure 4.

    encoders: one for each kind. generator: frozen. faces: a set. contours: row numbers of the set, the same count for
    each encoder. identities: row numbers of the set. Returns the figure.
    """
    from idnb.plots.grids import show_grid

    x_id = faces.images(identities)  # [C, 3, H, H]
    rows: list[list[Any]] = [[None, *x_id]]
    labels = ["identities"]
    for encoder, part in zip(encoders, np.array_split(contours, len(encoders)), strict=True):
        kind = contour_kind(encoder.kind)
        for row in part:
            x_c = kind.make(faces.images([row]), faces.label_maps([row]))
            images = encoder.generate(generator, x_c, x_id, steps).images[:, -1]  # [C, 3, H, H]
            rows.append([kind.display(x_c, images.shape[-1])[0], *images.clamp(-1, 1)])
            labels.append(kind.title)
    heads = ["contour", *(f"person {i}" for i in faces.identity[identities])]
    title = "One identity in each column, one contour in each row"
    alt = (
        f"Generated faces: {len(rows) - 1} rows of contours ({', '.join(dict.fromkeys(labels[1:]))}), {len(x_id)} "
        "columns of identities; the contour of each face is that of its row, the identity that of its column"
    )
    return show_grid(rows, labels, heads, title, alt=alt)
