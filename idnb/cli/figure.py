"""`idnb figure`: the figures of the paper, made anew from bundled networks and test people."""

from __future__ import annotations

import argparse
from pathlib import Path

from idnb.cli.arguments import SEED, STEPS, Whole
from idnb.cli.outputs import add_overwrite, check_outputs, figure_name
from idnb.core.messages import printable
from idnb.experiments.figures import choose_people, kinds_figure

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb figure`."""
    add = parser.add_argument
    add("which", choices=["kinds"], help="kinds: rows of contours of the three kinds, columns of identities (figure 4)")
    add("--out", default="kinds.png", help="the PNG to write (default kinds.png)")
    add("--data", default="test", help="set of people: test, starter, or a folder")
    add("--identities", type=Whole(1, 20), default=5, help="columns (default 5)")
    add("--contours", type=Whole(1, 20), default=2, help="rows of each kind (default 2)")
    add("--steps", type=STEPS, default=None, help="refinement steps")
    add("--seed", type=SEED, default=4, help="of the choice of people (default 4)")
    add("--generator", default=None, help="a generator of your own")
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the figure and write it."""
    from idnb.faces.sources import load_faces
    from idnb.models.encoder_files import bundled_encoders
    from idnb.models.stylegan2_files import load_generator
    from idnb.plots.style import save_figure

    figure_name(args.out)
    check_outputs([("the figure", [Path(args.out)])], [Path(args.data)], args.overwrite)
    encoders = list(bundled_encoders().values())
    generator = load_generator("tiny", args.generator)
    faces = load_faces(args.data, otherwise="test")
    contours, identities = choose_people(faces, args.contours * len(encoders), args.identities, args.seed)
    figure = kinds_figure(encoders, generator, faces, contours, identities, args.steps)
    save_figure(figure, args.out)
    print(f"wrote {printable(args.out)}: {figure.get_label()}")
    return 0
