"""`idnb train fine-tuning`: the last part of the generator's training, against a discriminator that can already see."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from idnb.cli.arguments import BATCH, COUNT, MINUTES, RATE, SEED, SHARE, THREADS, WEIGHT, Whole
from idnb.cli.export import a_file, add_export, check_finished, export_network, generator_entry, noted, sets
from idnb.core.errors import InputError
from idnb.core.messages import printable
from idnb.core.presets import get_preset
from idnb.env import fast_bf16, pick_device
from idnb.faces.real_images import read_strips
from idnb.models.stylegan2_files import load_generator
from idnb.pretraining.gan.fine_tuning import FineTuning, interpolated
from idnb.pretraining.gan.growing import GanConfig
from idnb.pretraining.gan.loop import train_gan
from idnb.training.loop import CHECKPOINT

__all__ = ["add_arguments", "run"]

AVERAGE = 5_000  # images, half-life of the average generator


def add_arguments(parser: argparse.ArgumentParser, network: str = "fine-tuning") -> None:
    """Add the arguments of `idnb train fine-tuning`."""
    add = parser.add_argument
    add("--start", type=a_file, required=True, help="file of the generator to begin with, from `idnb train generator`")
    add("--data", type=sets, nargs="+", default=["starter"], help="sets of rendered people: names or folders")
    add("--people", type=COUNT, default=None, help="of each set only so many of the first people")
    add("--out", default="runs/fine_tuning", help="folder for checkpoint, log, sample sheets")
    add("--images", type=COUNT, default=40_000, help="images to show, those of --encoder-warmup included")
    add(
        "--encoder-warmup",
        type=Whole(0, COUNT.high),
        default=6_400,
        help="images from which the encoder of pictures learns alone at first",
    )
    add(
        "--cool-down",
        type=Whole(0, COUNT.high),
        default=4_000,
        help="of the images, the last, with a quarter of the generator's rate",
    )
    add("--batch", type=BATCH, default=16, help="images a step")
    add("--learning-rate", type=RATE, default=2e-3, help="of Adam (default 0.002)")
    add("--generator-rate", type=RATE, default=0.4, help="share of it for the generator")
    add("--r1-gamma", type=WEIGHT, default=0.05, help="weight of the gradient penalty of the plain discriminator")
    add("--lambda-rec", type=WEIGHT, default=100.0, help="weight of real pictures drawn again")
    add("--keep", type=SHARE, default=0.2, help="share of the weights it began with, mixed in on --export")
    add("--seed", type=SEED, default=1, help="of initial weights, batches and noise (default 1)")
    add("--minutes", type=MINUTES, default=None, help="stop after so much time; go on later")
    add("--save-minutes", type=MINUTES, default=5.0, help="time between checkpoints")
    add("--device", default=None, help="cpu, cuda, mps; the fastest there is when not given")
    add("--threads", type=THREADS, default=None, help="CPU threads")
    add_export(parser, "mix, and write the weights into the package and its manifest")


def run(args: argparse.Namespace) -> int:
    """Train, or go on training."""
    from idnb.faces.synthetic import load_rendered

    if args.threads:
        torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    preset, start = get_preset("tiny"), load_generator(path=args.start)
    if (start.size, start.channels) != (preset.image_size, preset.generator_channels):
        raise InputError(f"{args.start}: holds a generator of {start.size} px; the one to fine-tune has the tiny sizes")
    config = GanConfig(
        phases=((start.size, args.images),),
        batch=args.batch,
        learning_rate=args.learning_rate,
        generator_rates=(args.generator_rate,),
        r1_gamma=args.r1_gamma,
        lambda_rec=args.lambda_rec,
        ema_images=AVERAGE,
        encoder_warmup=args.encoder_warmup,
        cool_down=args.cool_down,
        seed=args.seed,
    )
    training = FineTuning(preset, config, device, fast_bf16(device))
    folders = [load_rendered(name).folder for name in args.data]

    def read(size: int) -> Tensor:
        return torch.cat([read_strips(folder, size, args.people) for folder in folders])  # [N, size, size, 3]

    with noted(args, args.out):
        if not (Path(args.out) / CHECKPOINT).is_file():
            training.start_from(start)
        average = train_gan(training, read, Path(args.out), args.minutes, args.save_minutes)
    where = printable(Path(args.out) / CHECKPOINT)
    print(f"{training.images:,} images shown; average generator of {average.size} px in {where}")
    if args.export:
        check_finished(training.images, config.total_images, args.out)
        mixed = interpolated(start, average, args.keep)
        names = ", ".join(Path(name).name for name in args.data)
        entry = generator_entry(mixed, args.seed, f"rendered people: {names}; {training.images:,} images shown")
        entry.figures = {"images_shown": training.images, "trained_up_to_px": average.size}
        export_network(args, args.out, entry, mixed.state_dict(), used=["face_features"])
    return 0
