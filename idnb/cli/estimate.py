"""`idnb estimate`: memory and time of training an encoder, before it is started, here and on GPUs that others have."""

from __future__ import annotations

import argparse

import torch

from idnb.cli.arguments import BATCH, COUNT, STEPS
from idnb.contours.kinds import CONTOURS
from idnb.core.presets import PRESETS
from idnb.training.cost import step_cost
from idnb.training.estimate import fit_table, run_estimate

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb estimate`."""
    parser.add_argument("--preset", default="paper", choices=list(PRESETS), help="sizes (default paper)")
    parser.add_argument("--kind", default="low_res", choices=list(CONTOURS), help="of contour (default low_res)")
    parser.add_argument("--batch", type=BATCH, default=8, help="images a step, over all processes (default 8)")
    parser.add_argument("--steps", type=STEPS, default=5, help="refinement steps of a training step (default 5)")
    parser.add_argument("--images", type=COUNT, default=500_000, help="images of the whole run (default 500,000)")
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; the fastest there is when not given")


def run(args: argparse.Namespace) -> int:
    """Print the estimate for this machine and the table of GPUs."""
    from idnb.env import fast_bf16, pick_device

    device = pick_device(args.device)
    dtype = torch.bfloat16 if fast_bf16(device) else torch.float32
    print(run_estimate(step_cost(args.preset, args.kind, False, dtype), args.batch, args.steps, args.images, device))
    print(f"\n{fit_table(args.preset, args.kind, args.batch, args.steps, args.images)}")
    return 0
