"""`idnb ablate`: train the variants of a table from scratch, with several seeds, measure them, print the table."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from idnb.cli.arguments import BATCH, COUNT, MINUTES, RATE, SEED, STEPS, THREADS, Listed, parse_shard
from idnb.core.errors import InputError
from idnb.evaluation.dataset import load_evaluation_set
from idnb.evaluation.store import RESULTS, keep
from idnb.experiments.ablation import Budget, describe, plan, report, run_variant, take_over
from idnb.experiments.variants import TABLES

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb ablate`."""
    default = Budget()
    parser.add_argument("table", choices=list(TABLES), help="which ablation")
    parser.add_argument(
        "--seeds", type=Listed(SEED), default="0,1,2", help="training seeds, commas between (default 0,1,2)"
    )
    parser.add_argument("--variants", default=None, help="only these rows, by name, commas between")
    parser.add_argument(
        "--images", type=COUNT, default=default.images, help="images shown to each variant (default 2400)"
    )
    parser.add_argument("--batch", type=BATCH, default=default.batch, help="images a step (default 8)")
    parser.add_argument("--learning-rate", type=RATE, default=default.learning_rate, help="of Adam (default 0.0008)")
    parser.add_argument("--steps", type=STEPS, default=default.steps, help="refinement steps (default 2)")
    parser.add_argument("--kind", default=default.kind, help="low_res, sketch or label_map (default low_res)")
    parser.add_argument("--contours", type=COUNT, default=default.contours, help="test contours (default 100)")
    parser.add_argument(
        "--precision",
        choices=("no", "bf16"),
        default=default.precision,
        help="of the training, no or bf16 (default no)",
    )
    parser.add_argument("--data", default="starter", help="training sets: names or folders, commas between")
    parser.add_argument("--people", type=COUNT, default=None, help="so many people of each set at most")
    parser.add_argument(
        "--ideals", default=None, metavar="DIR", help="ideal results over the first set of --data, for `tradeoff`"
    )
    parser.add_argument("--test", default="test", help="set of test people (default test)")
    parser.add_argument(
        "--full",
        action="store_true",
        help="measure LPIPS over VGG16 and ImageNet features as well, as `idnb evaluate` does",
    )
    parser.add_argument("--preset", default="tiny", help="tiny or paper")
    parser.add_argument("--generator", default=None, help="a generator file of your own")
    parser.add_argument("--out", default="runs/ablation", help="folder for training, with one folder a table")
    parser.add_argument("--store", default=None, help="keep results in this folder; `package` is that of the package")
    parser.add_argument(
        "--minutes", type=MINUTES, default=None, help="stop each variant after so long; call again to go on"
    )
    parser.add_argument("--shard", default=None, help="k/n: do only every n-th variant from the k-th (from 0) on")
    parser.add_argument("--threads", type=THREADS, default=None, help="CPU threads")


def run(args: argparse.Namespace) -> int:
    """Train and measure what is missing, then print the table of all there is."""
    from idnb.env import keep_freed_memory
    from idnb.faces.sources import load_faces
    from idnb.models.stylegan2_files import load_generator

    if args.threads:
        torch.set_num_threads(args.threads)
    todo = list(plan(args.table, args.seeds))
    if args.variants is not None:
        names = args.variants.split(",")
        known = [variant.name for variant in TABLES[args.table]]
        if set(names) - set(known):
            raise InputError(
                f"--variants: {args.table} has no row {sorted(set(names) - set(known))[0]!r}; it has {known}"
            )
        todo = [(variant, seed) for variant, seed in todo if variant.name in names]
    first, step = parse_shard(args.shard)
    budget = Budget(
        images=args.images,
        batch=args.batch,
        learning_rate=args.learning_rate,
        steps=args.steps,
        people=args.people,
        kind=args.kind,
        contours=args.contours,
        precision=args.precision,
    )
    store = RESULTS if args.store == "package" else Path(args.store or Path(args.out) / "results")
    files = {(variant.name, seed): store / args.table / f"{variant.name}_seed{seed}.json" for variant, seed in todo}
    missing = [(variant, seed) for variant, seed in todo[first::step] if not files[variant.name, seed].is_file()]
    print(f"{args.table}: {len(todo)} runs, {len(todo) - len(missing)} of them not to be done here or stored already")
    for variant, seed in list(missing):
        if take_over(store, args.table, variant, describe(variant, seed, budget, args.preset)):
            print(f"{variant.title}, seed {seed}: the same training stands in another table; its result is taken over")
            missing.remove((variant, seed))
    if missing:
        keep_freed_memory()
        generator = load_generator(args.preset, path=args.generator)
        data = load_evaluation_set(
            load_faces(args.test, otherwise="test"),
            args.preset,
            reference=load_faces("starter"),
            kind=args.kind,
            full=args.full,
        )
        faces = [load_faces(name, otherwise="train") for name in args.data.split(",")]
        for variant, seed in missing:
            print(f"{variant.title}, seed {seed}", flush=True)
            began = time.perf_counter()
            folder = Path(args.out) / args.table
            result = run_variant(
                variant, seed, budget, generator, faces, data, folder, args.preset, args.minutes, args.ideals
            )
            if result is not None:
                result["minutes"] = round((time.perf_counter() - began) / 60, 2)
                examples = folder / f"{variant.name}_seed{seed}" / "evaluation" / "examples.png"
                keep(result, files[variant.name, seed], examples if seed == args.seeds[0] else None)
    print(report(args.table, store / args.table))
    return 0
