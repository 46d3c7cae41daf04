"""`idnb train identity` and `idnb train judge`: from rendered people to a bundled weight file, in one command."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from idnb.cli.arguments import BATCH, COUNT, RATE, SEED, THREADS
from idnb.cli.export import add_export, export_network, noted, sets
from idnb.core.files import write_text
from idnb.core.weights import WeightFile
from idnb.env import fast_bf16, pick_device
from idnb.models.embedder import FaceEmbedder
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork
from idnb.pretraining.data import IdentityData, join, read_people, some_people, split_of
from idnb.pretraining.identity import IdentityTraining, TrainConfig
from idnb.pretraining.margin import ArcFaceHead, CosFaceHead
from idnb.pretraining.verification import BARS, Verification, evaluate_network, summary, table
from idnb.training.loop import run_training

__all__ = ["KINDS", "add_arguments", "build", "evaluate", "run"]

KINDS = ("identity", "judge")
SEEDS = {"identity": 1, "judge": 2}
NAMES = {"identity": "arcface_tiny", "judge": "judge_tiny"}
ABOUT = {
    "identity": "ArcFace (IR-SE) that says who a rendered face is; used in losses",
    "judge": "held-out identity network for measuring; used in no loss",
}


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    """Add the arguments of `idnb train identity` (kind "identity") or `idnb train judge` (kind "judge")."""
    parser.set_defaults(kind=kind)
    parser.add_argument(
        "--data", type=sets, default="train", help="sets of rendered people: names or folders, commas between"
    )
    parser.add_argument("--people", type=COUNT, default=None, help="of each set only people with a smaller number")
    parser.add_argument("--test", type=sets, default="test", help="set of other people for the final metrics")
    parser.add_argument("--out", default=f"runs/{kind}", help="folder for checkpoint, log, metrics")
    parser.add_argument("--steps", type=COUNT, default=3000, help="length of the run")
    parser.add_argument("--batch", type=BATCH, default=64, help="images a step")
    parser.add_argument("--learning-rate", type=RATE, default=2e-3, help="of Adam (default 0.002)")
    parser.add_argument(
        "--seed", type=SEED, default=SEEDS[kind], help=f"of initial weights and batches (default {SEEDS[kind]})"
    )
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; the fastest there is when not given")
    parser.add_argument("--threads", type=THREADS, default=None, help="CPU threads")
    add_export(parser, "write the weights into the package and its manifest")


def build(kind: str, seed: int) -> tuple[FaceEmbedder, type[ArcFaceHead], float]:
    """The network with fresh weights, its margin head and margin; the judge takes the other ones of each."""
    torch.manual_seed(seed)
    if kind == "judge":
        from idnb.models.judge import JudgeNetwork

        return JudgeNetwork(), CosFaceHead, 0.2
    return IdentityNetwork(IDENTITY_SIZES["tiny"]), ArcFaceHead, 0.3


def run(args: argparse.Namespace) -> int:
    """Train, or go on training; then print the figures, draw them, and export the weights if asked to."""
    from idnb.faces.synthetic import load_rendered

    if args.threads:
        torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    network, head_class, margin = build(args.kind, args.seed)
    print(f"{args.kind}: {sum(p.numel() for p in network.parameters()):,} parameters on {device}")
    wanted = (args.kind, "validation")
    data = join([read_people(some_people(load_rendered(name), args.people, wanted)) for name in args.data.split(",")])
    names = torch.as_tensor(split_of(data.identity) == args.kind)
    validation = data.part(torch.as_tensor(split_of(data.identity) == "validation"))
    config = TrainConfig(
        steps=args.steps, batch=args.batch, learning_rate=args.learning_rate, margin=margin, seed=args.seed
    )
    out = Path(args.out)
    training = data.part(names)
    others = validation if len(validation.identity) > 1 else None
    with noted(args, out):
        run_training(IdentityTraining(network, head_class, training, others, config, device, fast_bf16(device)), out)
    network.eval()
    results = evaluate(network, read_people(load_rendered(args.test)), out, args.kind)
    if args.export:
        export(args, network, results, len(training.identity.unique()), len(training.identity))
    return 0


def evaluate(network: FaceEmbedder, data: IdentityData, out: Path, title: str) -> dict[str, Verification]:
    """Print the table of verification figures and save it with a ROC and histogram figure in `out`.

    network: any identity network; data: people it has never seen; title: what the figure calls it.
    """
    from idnb.plots.style import save_figure
    from idnb.plots.verification import draw_verification

    results = evaluate_network(network, data.images.float() / 127.5 - 1.0, data.label_maps, data.identity)
    print(table(results))
    write_text(out / "metrics.json", json.dumps(summary(results), indent=2) + "\n")
    save_figure(draw_verification(results, title), out / "verification.png")
    return results


def export(
    args: argparse.Namespace, network: FaceEmbedder, results: dict[str, Verification], people: int, images: int
) -> None:
    """Put the weights into the package, with the command that made them."""
    names = ",".join(Path(name).name for name in args.data.split(","))
    missed = [
        name for name, (auc, tar) in BARS.items() if results[name].auc < auc or results[name].tar[1e-3] < (tar or 0)
    ]
    entry = WeightFile(
        name=NAMES[args.kind],
        file=f"{NAMES[args.kind]}.safetensors",
        about=ABOUT[args.kind],
        licence="CC0-1.0",
        seed=args.seed,
        data=f"rendered people, set {names}: {images:,} images of {people:,} identities (numbers modulo 20 "
        f"{'0 to 10' if args.kind == 'identity' else '11 to 18'}); "
        f"metrics on set {Path(args.test).name}, people never trained on",
        metrics=summary(results),
    )
    export_network(args, args.out, entry, network.state_dict())
    if missed:
        print(f"bars missed: {', '.join(missed)}")
