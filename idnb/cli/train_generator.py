"""`idnb train generator`: from rendered people to the bundled generator, in one command."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from idnb.cli.arguments import BATCH, COUNT, MINUTES, RATE, SEED, THREADS, WEIGHT, Listed, Whole
from idnb.cli.export import add_export, check_finished, export_network, generator_entry, noted, sets
from idnb.core.errors import InputError
from idnb.core.messages import printable
from idnb.core.presets import get_preset
from idnb.env import fast_bf16, pick_device
from idnb.faces.real_images import read_strips
from idnb.models.stylegan2 import Generator
from idnb.pretraining.gan.adversarial import GanTraining
from idnb.pretraining.gan.codes import read_codes
from idnb.pretraining.gan.generator import train_generator
from idnb.pretraining.gan.growing import GanConfig, grow_generator, parse_phases
from idnb.training.loop import CHECKPOINT

__all__ = ["add_arguments", "export", "parse_rates", "run"]


def add_arguments(parser: argparse.ArgumentParser, network: str = "generator") -> None:
    """Add the arguments of `idnb train generator`."""
    parser.add_argument("--data", type=sets, nargs="+", required=True, help="sets of rendered people: names or folders")
    parser.add_argument("--people", type=COUNT, default=None, help="of each set only so many of the first people")
    parser.add_argument("--out", default="runs/generator", help="folder for checkpoint, log, sample sheets")
    parser.add_argument("--preset", default="tiny", help="sizes: tiny or paper")
    parser.add_argument("--warm-up", default="", help="SIZE:IMAGES,... first draw real pictures again")
    parser.add_argument("--phases", default="64:150000,128:100000", help="SIZE:IMAGES,... one after the other")
    parser.add_argument("--batch", type=BATCH, default=16, help="images a step")
    parser.add_argument("--learning-rate", type=RATE, default=2e-3, help="of Adam (default 0.002)")
    parser.add_argument(
        "--generator-rates", default="1", help="share of it for the generator; one a phase, with commas"
    )
    parser.add_argument(
        "--d-warmup", type=Whole(0, COUNT.high), default=0, help="images the discriminator learns from alone at first"
    )
    parser.add_argument("--r1-gamma", type=WEIGHT, default=0.2, help="weight of the gradient penalty at 64 px")
    parser.add_argument("--lambda-rec", type=WEIGHT, default=100.0, help="weight of real pictures drawn again")
    parser.add_argument("--seed", type=SEED, default=1, help="of initial weights, batches and noise (default 1)")
    parser.add_argument("--minutes", type=MINUTES, default=None, help="stop after so much time; go on later")
    parser.add_argument("--save-minutes", type=MINUTES, default=5.0, help="time between checkpoints")
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; the fastest there is when not given")
    parser.add_argument("--threads", type=THREADS, default=None, help="CPU threads")
    add_export(parser, "write the weights into the package and its manifest")


def parse_rates(text: str) -> tuple[float, ...]:
    """`"0.2,0.5"` -> (0.2, 0.5). Raises InputError for anything else."""
    try:
        return Listed(RATE)(text)
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--generator-rates {text!r}: expected numbers such as 0.2,0.5; {error}") from error


def run(args: argparse.Namespace) -> int:
    """Train, or go on training; then export the weights if asked to."""
    from idnb.faces.synthetic import load_rendered

    if args.threads:
        torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    preset, bf16 = get_preset(args.preset), fast_bf16(device)
    if args.export and args.preset != "tiny":
        raise InputError("--export: only the tiny generator is part of the package; load others by their path")
    for argument, text in (("--phases", args.phases), *([("--warm-up", args.warm_up)] if args.warm_up else [])):
        if (largest := parse_phases(text, argument)[-1][0]) > preset.image_size:
            raise InputError(f"{argument}: {largest} px; faces of preset {preset.name} have {preset.image_size}")
    config = GanConfig(
        phases=parse_phases(args.phases),
        batch=args.batch,
        learning_rate=args.learning_rate,
        generator_rates=parse_rates(args.generator_rates),
        r1_gamma=args.r1_gamma,
        lambda_rec=args.lambda_rec,
        d_warmup=args.d_warmup,
        seed=args.seed,
    )
    warm_up = parse_phases(args.warm_up, "--warm-up") if args.warm_up else ()
    codes = read_codes(args.data, args.people, args.seed) if warm_up else None
    training = GanTraining(preset, config, codes, device, bf16)
    counts = [sum(p.numel() for p in n.parameters()) for n in (training.generator, training.discriminator)]
    print(f"generator {counts[0]:,} parameters, discriminator {counts[1]:,}, at {training.size} px on {device}")

    folders = [load_rendered(name).folder for name in args.data]

    def read(size: int) -> Tensor:
        return torch.cat([read_strips(folder, size, args.people) for folder in folders])  # [N, size, size, 3]

    with noted(args, args.out):
        begun = train_generator(training, read, args.out, warm_up, args.minutes, args.save_minutes)
    if begun:
        where = printable(Path(args.out) / CHECKPOINT)
        print(f"{training.images:,} images shown; average generator of {training.average.size} px in {where}")
    if args.export:
        done = training.images if begun else 0
        check_finished(done, config.total_images, args.out)
        export(args, training.average, done)
    return 0


def export(args: argparse.Namespace, average: Generator, images: int) -> None:
    """Put the average generator into the package, with the command that made it.

    A generator that has not grown to the full size is exported as if it had: its pictures come out enlarged.
    """
    preset, trained_size = get_preset(args.preset), average.size
    while average.size < preset.image_size:
        average = grow_generator(average, preset)
    shown = f"{images:,} images shown"
    if args.warm_up:
        before = sum(count for _, count in parse_phases(args.warm_up))
        shown = f"{before:,} images shown in the warm-up, then {images:,}"
    names = ", ".join(Path(name).name for name in args.data)
    entry = generator_entry(average, args.seed, f"rendered people: {names}; {shown}")
    entry.figures = {"images_shown": images, "trained_up_to_px": trained_size}
    export_network(args, args.out, entry, average.state_dict(), used=["face_features"] if args.warm_up else [])
