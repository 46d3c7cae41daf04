"""`idnb evaluate`: measure methods by the protocol of `idnb.evaluation`; a run that was interrupted goes on."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from idnb.cli.arguments import COUNT, OWN_STEPS, PROCESSES, SEED, THREADS, Listed, Whole, parse_shard
from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.weights import find_weight, write_entry
from idnb.evaluation.dataset import load_evaluation_set
from idnb.evaluation.methods import METHODS, load_method
from idnb.evaluation.protocol import evaluate
from idnb.evaluation.setting import Setting
from idnb.evaluation.store import keep, run_name, stored_path
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
    parser.add_argument("--generator", default=None, help="a generator file of your own")
    parser.add_argument("--weights", default=None, help="weights of the method: a file, for methods that are trained")
    parser.add_argument("--data", default="test", help="set of test people: a name or a folder (default test)")
    parser.add_argument("--reference", default="starter", help="set for the distance between sets; none: the test set")
    parser.add_argument("--features", default="identity", help="features of that distance: identity or inception")
    parser.add_argument("--out", default="runs/evaluation", help="folder with one folder a run")
    parser.add_argument(
        "--store",
        default=None,
        help="keep results and examples in this folder as well, or, given a "
        "plain word such as table1, in that folder of the package",
    )
    parser.add_argument("--processes", type=PROCESSES, default=1, help="share the work among so many processes")
    parser.add_argument("--threads", type=THREADS, default=None, help="CPU threads of each process")
    parser.add_argument("--export", action="store_true", help="write the figures into the manifest of the package")
    parser.add_argument("--shard", default=None, help="k/n: do only every n-th part from the k-th (from 0) on")


def run(args: argparse.Namespace) -> int:
    """Measure each method with each seed and print the table."""
    from idnb.faces.sources import load_faces
    from idnb.models.stylegan2_files import load_generator

    if args.weights and len(args.methods) > 1:
        raise InputError("--weights belongs to one method; name only one")
    if args.export and (args.weights or args.generator or args.methods != ["dual"]):
        raise InputError(
            "--export: only bundled encoders (dual) have entries; drop --weights, --generator, other methods"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.processes > 1 and args.shard is None:
        share_out(args.processes)
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
    data = load_evaluation_set(
        load_faces(args.data, otherwise="test"),
        args.preset,
        features=args.features,
        reference=None if args.reference == "none" else load_faces(args.reference),
        kind=args.kind,
    )
    began, pairs, results = time.perf_counter(), 0, []
    for name, setting in runs:
        method = load_method(name, args.preset, args.kind, args.weights)
        folder = Path(args.out) / run_name(setting)
        result = evaluate(method, generator, data, setting, folder, shard)
        if result is not None:
            results.append(result)
            pairs += result["pairs"]
            if args.store:
                keep(result, stored_path(args.store, setting), folder / "examples.png")
            if args.export:
                export(name, result)
    if results:
        print(method_table(results))
        print(f"\n{pairs:,} pairs in {(time.perf_counter() - began) / 60:.1f} minutes; every figure is in {args.out}")
    return 0


def export(method: str, result: dict[str, Any]) -> None:
    """Put the figures that say most into the manifest, beside what training wrote there.

    method: of `ENCODERS`. result: of `evaluate`; its setting says how to measure it again.
    """
    setting, figures = result["setting"], result["figures"]
    entry = find_weight(bundled_name(setting["kind"], method))
    words = ["idnb", "evaluate", method, "--kind", setting["kind"], "--mode", setting["mode"]]
    words += ["--contours", str(setting["contours"] or "all"), "--count", str(setting["count"])]
    words += ["--seeds", str(setting["seed"])] + (["--steps", str(setting["steps"])] if setting["steps"] else [])
    judge = figures["judge.judge"]
    told = {name: judge[name] for name in ("similarity", "preference", "rank1", "above_lower_quartile")}
    told |= {name: figures[name] for name in (contour_kind(setting["kind"]).measure.key, "perceptual", "frechet")}
    told |= {name: figures["correlation"][name] for name in ("pose.yaw", "pose.pitch") if "correlation" in figures}
    entry.figures["evaluated"] = {**told, "set": result["set"], "pairs": result["pairs"], "command": shlex.join(words)}
    write_entry(entry)
    print(f"the manifest's entry {entry.name} has these figures now")


def share_out(processes: int) -> None:
    """Start this very command once for each share and wait; what they leave is put together afterwards."""
    words = list(sys.argv[1:])
    started = [
        subprocess.Popen([sys.executable, "-m", "idnb", *words, "--shard", f"{k}/{processes}"])
        for k in range(processes)
    ]
    try:
        codes = [process.wait() for process in started]
    except KeyboardInterrupt:
        for process in started:
            process.wait()
        raise
    if any(codes):
        raise InputError(f"a process of --processes ended with code {max(codes)}; its message stands above")
