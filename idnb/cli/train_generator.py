"""`idnb train generator`: StyleGAN2 and a picture encoder learn to draw pictures of rendered people again."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from idnb.cli.arguments import BATCH, COUNT, MINUTES, OWN_STEPS, RATE, SEED, THREADS, Whole
from idnb.cli.export import add_export, check_finished, export_network, noted, sets
from idnb.core.errors import InputError
from idnb.core.messages import printable
from idnb.core.presets import get_preset
from idnb.core.tensor_files import write_tensors
from idnb.core.weights import WeightFile
from idnb.env import fast_bf16, pick_device
from idnb.faces.real_images import RealImages, read_labels, read_strips
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import BUNDLED_NAMES
from idnb.pretraining.gan.alone import AdversarialTraining
from idnb.pretraining.gan.codes import read_codes
from idnb.pretraining.gan.growing import GanConfig, grow_generator, parse_phases, sample_sheet
from idnb.pretraining.gan.loop import train_gan
from idnb.pretraining.gan.mapping import half_whitening, learn_mapping
from idnb.pretraining.gan.paired import PairedTraining

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser, network: str = "generator") -> None:
    """Add the arguments of `idnb train generator`."""
    add = parser.add_argument
    add("--data", type=sets, nargs="+", default=["starter"], help="sets of rendered people: names or folders")
    add("--people", type=COUNT, default=None, help="of each set only so many of the first people")
    add("--out", default="runs/generator", help="folder for checkpoint, log, sheets")
    add("--phases", default="16:16000,32:24000,64:48000,128:1000000", help="SIZE:IMAGES,... one after the other")
    add(
        "--adversarial", type=Whole(0, COUNT.high), default=0, help="images at the end with a discriminator (default 0)"
    )
    add(
        "--alone",
        action="store_true",
        help="learn from a discriminator alone, as StyleGAN2 does; --phases 128:IMAGES",
    )
    add("--mapping-steps", type=OWN_STEPS, default=6000, help="of the mapping network alone, at the end (default 6000)")
    add("--batch", type=BATCH, default=16, help="images a step")
    add("--learning-rate", type=RATE, default=4e-3, help="of Adam (default 0.004)")
    add("--seed", type=SEED, default=1, help="of initial weights, batches and noise (default 1)")
    add("--minutes", type=MINUTES, default=None, help="stop after so much time; go on later")
    add("--save-minutes", type=MINUTES, default=10.0, help="time between checkpoints")
    add("--device", default=None, help="cpu, cuda, mps; the fastest there is when not given")
    add("--threads", type=THREADS, default=None, help="CPU threads")
    add("--compile", action="store_true", help="fuse operations with torch.compile: faster, needs a C++ compiler")
    add_export(parser, "write the generator into the package; the bundled encoders belong to another one")


def run(args: argparse.Namespace) -> int:
    """Train, or go on training."""
    from idnb.faces.synthetic import load_rendered

    if args.threads:
        torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    preset = get_preset("tiny")
    phases = parse_phases(args.phases)
    if (largest := phases[-1][0]) > preset.image_size:
        raise InputError(f"--phases: {largest} px; faces of preset {preset.name} have {preset.image_size}")
    if args.adversarial > (phases[-1][1] if phases[-1][0] == preset.image_size else 0):
        raise InputError(
            f"--adversarial {args.adversarial}: the discriminator looks at {preset.image_size} px; the last phase of "
            "--phases is to be of that size and to have at least so many images"
        )
    if args.alone and (args.adversarial or args.export or args.compile):
        raise InputError("--alone: leave --adversarial, --compile and --export out; the recipe is compared with it")
    if args.alone and [size for size, _ in phases] != [preset.image_size]:
        raise InputError(f"--alone: the discriminator looks at one size; give --phases {preset.image_size}:IMAGES")
    config = GanConfig(
        phases=phases,
        adversarial=args.adversarial,
        batch=args.batch,
        learning_rate=args.learning_rate,
        seed=args.seed,
    )
    folders = [load_rendered(name).folder for name in args.data]

    def read(size: int) -> Tensor:
        return torch.cat([read_strips(folder, size, args.people) for folder in folders])  # [N, size, size, 3]

    codes = read_codes(args.data, args.people, args.seed)
    out = Path(args.out)
    if args.alone:
        alone = AdversarialTraining(preset, config, codes, device, fast_bf16(device))
        with noted(args, out):
            train_gan(alone, read, out, args.minutes, args.save_minutes)
        if alone.images >= config.total_images:
            sample_sheet(alone.ema, out / "samples.png")
            write_tensors(out / "generator.safetensors", alone.ema.state_dict(), {})
        print(f"{alone.images:,} of {config.total_images:,} images shown; checkpoint and sheets in {printable(out)}")
        return 0
    labels = torch.cat([read_labels(folder, args.people) for folder in folders])  # [N, S, S]
    shown = load_rendered("test").images(list(range(0, 128, 4)))  # [32, 3, S, S]
    training = PairedTraining(preset, config, codes, labels, device, fast_bf16(device), args.compile, shown)
    counts = [sum(p.numel() for p in network.parameters()) for network in (training.generator, training.encoder)]
    print(f"{len(codes):,} pictures; generator {counts[0]:,} parameters at first, encoder {counts[1]:,}, on {device}")
    with noted(args, out):
        train_gan(training, read, out, args.minutes, args.save_minutes)
        done = training.images >= config.total_images
        if done:  # the encoder stays as it is from now on: what w it gives, the mapping network learns to the end
            w = training.encode_all(RealImages(read(preset.image_size)))
            given = (training.ema, w, half_whitening(w), codes, out / "mapping", args.mapping_steps, args.seed)
            done = learn_mapping(*given, args.minutes, args.save_minutes)
    if done:
        sample_sheet(training.ema, out / "samples.png")
        write_tensors(out / "generator.safetensors", training.ema.state_dict(), {})
        write_tensors(out / "picture_encoder.safetensors", training.encoder_ema.state_dict(), {})
    where = printable(args.out)
    print(f"{training.images:,} of {config.total_images:,} images shown; checkpoint and sheets in {where}")
    if args.export:
        check_finished(training.images, config.total_images, args.out)
        if not done:
            raise InputError(f"--export: the mapping network in {where} is not ready; give the same command again")
        export(args, training.ema, training.images)
    return 0


def export(args: argparse.Namespace, ema: Generator, images: int) -> None:
    """Put the moving average of the generator into the package, with the command that made it.

    A generator that has not grown to the full size is exported as if it had: its pictures come out enlarged.
    """
    preset, trained_size = get_preset("tiny"), ema.size
    while ema.size < preset.image_size:
        ema = grow_generator(ema, preset)
    name, names = BUNDLED_NAMES["tiny"], ", ".join(Path(name).name for name in args.data)
    about = f"StyleGAN2 generator of rendered people, {ema.size} px, {ema.n_styles} styles"
    entry = WeightFile(name, f"{name}.safetensors", about, "CC0-1.0", seed=args.seed)
    entry.data = f"rendered people: {names}; {images:,} images shown"
    entry.metrics = {"images_shown": images, "trained_up_to_px": trained_size}
    export_network(args, args.out, entry, ema.state_dict())
