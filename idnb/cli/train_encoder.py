"""`idnb train encoder`: from rendered people to a bundled encoder of one kind of contour, in one command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import torch

from idnb.cli.arguments import BATCH, COUNT, MINUTES, RATE, SEED, SHARE, STEPS, THREADS, WEIGHT, Listed, Whole
from idnb.cli.export import a_file, add_export, check_finished, export_network, kind_and_file, noted, sets
from idnb.contours.kinds import CONTOURS, contour_kind
from idnb.core.checkpoints import read_run
from idnb.core.errors import InputError
from idnb.core.presets import Preset, get_preset
from idnb.core.tensor_files import write_tensors
from idnb.core.weights import WeightFile
from idnb.models.contour_encoder import ContourEncoder
from idnb.models.encoder import MODULATIONS
from idnb.models.encoder_files import ENCODERS, bundled_name, encoder_class, start_from
from idnb.training.config import EncoderConfig, Phase
from idnb.training.loop import CHECKPOINT
from idnb.training.losses import WEIGHTS, LossWeights
from idnb.training.pair_data import PairData, read_pair_data
from idnb.training.recipe import CONFIGS, build_loss, fitting, make_accelerator, pair_panel
from idnb.training.run import train_encoder

__all__ = ["add_arguments", "parse_phases", "run"]


def add_arguments(parser: argparse.ArgumentParser, network: str = "encoder") -> None:
    """Add the arguments of `idnb train encoder`; what is not given is the preset's choice."""
    add = parser.add_argument
    add("--kind", required=True, choices=list(CONTOURS), help="of contour")
    add("--method", default="dual", choices=list(ENCODERS), help="dual is the paper's; the others are its baselines")
    add(
        "--data",
        type=sets,
        nargs="+",
        default=["starter"],
        help="sets of people: names or folders; see data/README.md",
    )
    add("--people", type=COUNT, default=None, help="use so many people of each set at most")
    add(
        "--out",
        default=None,
        help="folder for checkpoint, log, panels, and encoder.safetensors at the end (default runs/METHOD_KIND)",
    )
    add("--preset", default="tiny", help="sizes: tiny or paper")
    add("--generator", type=a_file, default=None, help="file of another generator than the preset's")
    add(
        "--start",
        type=kind_and_file,
        default=None,
        metavar="KIND=FILE",
        help="begin with a trained encoder, of any kind of contour",
    )
    add("--identity", type=a_file, nargs="+", default=[], help="files of further identity networks for the loss")
    add("--phases", default=None, help="STEPS:IMAGES or STEPS@SIZE:IMAGES, commas between; see below")
    add("--batch", type=BATCH, default=None, help="images at once in a process")
    add("--accumulate", type=BATCH, default=None, help="batches a step and process, where memory is short (default 1)")
    add(
        "--checkpoint",
        action="store_true",
        help="save memory: compute the generator's feature maps again on the way back",
    )
    add("--learning-rate", type=RATE, default=None, help="of Adam")
    add("--decay", type=SHARE, default=None, help="last share of the run, in which the rate falls to zero")
    add("--p-same-identity", type=SHARE, default=None, help="share of pairs that show one person twice")
    add(
        "--ideals",
        type=sets,
        default=None,
        metavar="DIR",
        help="learn from ideal results as well, a folder of `idnb render --pairs` over the first set of --data",
    )
    add("--p-ideal", type=SHARE, default=0.5, help="share of pairs whose target is an ideal result (default 0.5)")
    add(
        "--weights",
        default=None,
        metavar="L2,PERCEPTUAL,IDENTITY,W[,CONTOUR,LATENT]",
        help="lambda 1 to 4, then two terms that are not the paper's (tiny: 3,0.6,1,0.002; paper: 0.1,1,0.5,0.003)",
    )
    add(
        "--augmentations",
        type=Whole(0, 100),
        default=0,
        help="random augmentations of each output in the identity loss (default 0, as in the paper)",
    )
    add("--perceptual", default="vgg", choices=("alex", "vgg"), help="backbone of LPIPS in the loss (default vgg)")
    add("--modulation", default="tensor", choices=MODULATIONS, help="ablation: of the identity features")
    add("--no-input-latent", action="store_true", help="ablation: keep the generator's constant input")
    add("--no-pretrained-identity", action="store_true", help="ablation: the identity encoder starts from nothing")
    add("--seed", type=SEED, default=None, help="of initial weights, pairs and augmentations (default 1)")
    add("--minutes", type=MINUTES, default=None, help="stop after so much time; go on later")
    add("--save-minutes", type=MINUTES, default=5.0, help="time between checkpoints and panels")
    add("--device", default=None, help="cpu, cuda, mps; the fastest there is when not given")
    add("--precision", default=None, choices=("no", "bf16", "fp16"), help="mixed precision; bf16 where it is fast")
    add("--threads", type=THREADS, default=None, help="CPU threads")
    add_export(parser, "write the weights into the package and its manifest")
    parser.epilog = (
        "A phase such as 2@64:60000 trains with 2 refinement steps on 60,000 images and generates them up to 64 px "
        "only, which is faster, but such pictures may show other people than whole ones; 3:20000 uses the whole "
        "generator. Several processes: torchrun "
        "--nproc_per_node 2 -m idnb train encoder ..., or accelerate launch; on CPUs that one needs --multi_gpu, too"
    )


def parse_phases(text: str) -> tuple[Phase, ...]:
    """`"1@64:40000,3:20000"` -> (Phase(1, 40000, 64), Phase(3, 20000)). Raises InputError for anything else."""
    phases = []
    try:
        for part in text.split(","):
            what, images = part.split(":")
            steps, _, size = what.partition("@")
            side = Whole(4, 1024)(size) if size else None
            if side is not None and side.bit_count() != 1:
                raise argparse.ArgumentTypeError(f"'{size}' is no size of a generator, which are 4, 8, 16 and so on")
            phases.append(Phase(STEPS(steps), COUNT(images), side))
    except (argparse.ArgumentTypeError, ValueError) as error:
        reason = f"{error}; " if isinstance(error, argparse.ArgumentTypeError) else ""
        raise InputError(
            f"--phases {text!r}: {reason}expected STEPS:IMAGES or STEPS@SIZE:IMAGES, commas between"
        ) from error
    return tuple(phases)


def parse_weights(text: str) -> LossWeights:
    """`"0.1,1,0.5,0.003"` -> LossWeights; two more are not the paper's. Raises InputError."""
    expected = "expected four numbers such as 0.1,1,0.5,0.003, or six"
    try:
        numbers = Listed(WEIGHT)(text)
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--weights {text!r}: {error}; {expected}") from error
    if len(numbers) not in (4, 6):
        raise InputError(f"--weights {text!r}: {expected}")
    return LossWeights(*numbers)


def parse_start(text: str) -> tuple[str, str]:
    """`"low_res=file.pt"` -> (file, kind). Raises InputError for anything else."""
    kind, _, path = text.partition("=")
    if kind not in CONTOURS or not path:
        raise InputError(f"--start {text!r}: expected KIND=FILE such as low_res=runs/encoder_low_res/checkpoint.pt")
    return path, kind


def build_encoder(args: argparse.Namespace, preset: Preset) -> Any:
    """The untrained encoder that the arguments ask for; ablations are of the dual encoder."""
    options = {"pretrained_identity": not args.no_pretrained_identity}
    if args.method == "dual":
        options |= {"modulation": args.modulation, "input_latent": not args.no_input_latent}
    elif args.modulation != "tensor" or args.no_input_latent:
        raise InputError(f"--method {args.method}: --modulation and --no-input-latent belong to the dual encoder")
    return encoder_class(args.method)(args.kind, preset, **options)


def run(args: argparse.Namespace) -> int:
    """Train, or go on training; then export the weights if asked to."""
    from idnb.env import keep_freed_memory
    from idnb.models.identity_files import load_identity_network
    from idnb.models.stylegan2_files import load_generator
    from idnb.training.estimate import say_estimate
    from idnb.training.ideals import read_ideals
    from idnb.training.pair_data import checked_sets

    preset = get_preset(args.preset)
    if args.export and (preset.name != "tiny" or args.modulation != "tensor" or args.no_input_latent):
        raise InputError("--export: only the whole tiny encoder is part of the package; drop the ablation's options")
    if args.ideals is not None and args.people is not None:
        raise InputError("--ideals: belongs to a whole set; leave --people out")
    given = {
        "phases": None if args.phases is None else parse_phases(args.phases),
        **{name: getattr(args, name) for name in ("batch", "learning_rate", "decay", "p_same_identity", "seed")},
        **{"accumulate": args.accumulate, "checkpoint": args.checkpoint or None},
    }
    config = replace(CONFIGS[preset.name], **{name: value for name, value in given.items() if value is not None})
    if too_large := [phase.size for phase in config.phases if phase.size and phase.size > preset.image_size]:
        raise InputError(f"--phases: {too_large[0]} px; faces of preset {preset.name} have {preset.image_size}")
    weights = WEIGHTS[preset.name] if args.weights is None else parse_weights(args.weights)
    if args.threads:
        torch.set_num_threads(args.threads)
    keep_freed_memory()
    accelerator = make_accelerator(args.device, args.precision)
    say: Callable[[str], None] = print if accelerator.is_main_process else (lambda text: None)
    generator = load_generator(preset.name, path=args.generator)
    torch.manual_seed(config.seed)
    encoder = build_encoder(args, preset)
    config = replace(config, phases=fitting(config.phases, encoder, args.phases))
    if not args.no_pretrained_identity:
        encoder.load_identity(load_identity_network(preset.name))
    if args.start is not None:
        start_from(encoder, *parse_start(args.start), args.method)
    count = sum(p.numel() for p in encoder.parameters())
    say(f"{args.method} encoder for {args.kind}: {count:,} parameters on {accelerator.device}")
    if preset.name != "tiny" and accelerator.is_main_process:
        say_estimate(config, preset, args.kind, accelerator, say)
    with accelerator.main_process_first():  # it fills the cache, the others read it
        people = checked_sets(args.data, args.kind, say)
        data = read_pair_data(people, args.kind, preset, args.people, report=say)
        if args.ideals is not None:
            data.ideals = read_ideals(args.ideals, people[0], args.kind, preset, args.p_ideal, say)
    loss = build_loss(preset, args.kind, weights, args.augmentations, args.identity, args.perceptual)
    out = Path(args.out or f"runs/{bundled_name(args.kind, args.method)}")
    with noted(args, out) if accelerator.is_main_process else nullcontext():
        kept = train_encoder(
            encoder,
            generator,
            data,
            loss,
            config,
            out,
            accelerator,
            args.minutes,
            args.save_minutes,
            say,
            pair_panel(generator, data),
        )
    if not accelerator.is_main_process:
        return 0
    images = int(read_run(out / CHECKPOINT)["images"])
    if images >= config.images:
        write_tensors(out / "encoder.safetensors", kept.state_dict(), {})
    if args.export:
        check_finished(images, config.images, out)
        precision, device = accelerator.mixed_precision, accelerator.device.type
        chosen = choices(config, weights, args.augmentations) | {"precision": precision, "device": device}
        export(args, out, kept, data, config, chosen)
    return 0


def choices(config: EncoderConfig, weights: LossWeights, augmentations: int) -> dict[str, Any]:
    """What a preset has chosen for options that were not given, as they would be given."""
    phases = ",".join(f"{p.steps}{f'@{p.size}' if p.size else ''}:{p.images}" for p in config.phases)
    names = ("batch", "accumulate", "learning_rate", "decay", "p_same_identity", "seed")
    given = next(count for count in (4, 6) if not any(astuple(weights)[count:]))
    lambdas = astuple(weights)[:given]
    return {
        "phases": phases,
        "weights": lambdas,
        "augmentations": augmentations,
        **{name: getattr(config, name) for name in names},
    }


def export(
    args: argparse.Namespace,
    out: Path,
    encoder: ContourEncoder,
    data: PairData,
    config: EncoderConfig,
    chosen: dict[str, Any],
) -> None:
    """Put an encoder into the package, with the command that made it."""
    name, folders = bundled_name(args.kind, args.method), ", ".join(Path(folder).name for folder in args.data)
    entry = WeightFile(
        name=name,
        file=f"{name}.safetensors",
        about=f"{args.method} encoder: {contour_kind(args.kind).title} contour and identity image to codes of "
        "generator_tiny",
        licence="CC0-1.0",
        seed=config.seed,
        data=f"rendered people: {folders}; {len(data):,} images of {data.people:,} people",
        metrics={"images_shown": config.images},
    )
    used = ["arcface_tiny"]
    used += ["lpips_alexnet"] if args.perceptual == "alex" else []
    used += ["generator_tiny"] if args.generator is None else []
    export_network(args, out, entry, encoder.state_dict(), chosen, used)
