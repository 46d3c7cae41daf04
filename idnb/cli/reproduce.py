"""`idnb reproduce`: the whole recipe, from the renderer on; `--list` says how far it has come."""

from __future__ import annotations

import argparse
import os

from idnb.cli.arguments import MINUTES, PROCESSES
from idnb.experiments.reproduce import DONE, Recipe

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb reproduce`."""
    add = parser.add_argument
    add("--list", action="store_true", help="print the stages, what they read and make, their state, and stop")
    add("--only", nargs="+", default=None, metavar="STAGE", help="these stages only, whatever their state")
    add("--out", default="runs/reproduce", help="folder for sets, trainings and notes (default runs/reproduce)")
    add("--profile", default="full", help="smoke does every stage in seconds, on a copy of the package (default full)")
    add("--minutes", type=MINUTES, default=None, help="stop a training after so long; the same command goes on")
    add("--device", default=None, help="cpu, cuda, mps; the fastest there is when not given")
    add("--processes", type=PROCESSES, default=os.cpu_count() or 1, help="processes that render (default: all cores)")


def show(recipe: Recipe) -> None:
    """Print the table of stages."""
    print(f"{'stage':<10} {'state':<8} {'minutes':>7}  what it makes")
    for stage in recipe.stages:
        state = recipe.state(stage)
        print(f"{stage.name:<10} {state.word:<8} {stage.minutes:>7g}  {stage.about}{': ' * bool(state.why)}{state.why}")
        print(f"{'':<28}reads {', '.join(stage.reads) or 'nothing'}; makes {', '.join(stage.makes)}")
        print(f"{'':<28}{recipe.command(stage)}")
    print("minutes: of two cores without a GPU; bundled: made by this command, before this folder was begun")


def run(args: argparse.Namespace) -> int:
    """Walk the recipe; returns 0 when all that was asked for is done, 1 when a stage was stopped before its end."""
    recipe = Recipe(args.out, args.profile)
    if args.list:
        show(recipe)
        return 0
    chosen = recipe.stages if args.only is None else [recipe.stage(name) for name in args.only]
    options = {"minutes": args.minutes, "device": args.device, "workers": args.processes}
    for stage in chosen:
        state = recipe.state(stage)
        if args.only is None and state.word in DONE:
            print(f"{stage.name}: {state.word}")
        elif not recipe.make(stage, options):
            return 1
    return 0
