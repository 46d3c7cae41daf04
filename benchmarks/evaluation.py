"""How long does `idnb evaluate` take for 3,000 pairs, and where does the time go?

    python benchmarks/evaluation.py [--contours 300] [--threads 2] [--kind low_res]

Takes an untrained encoder of the right size (its speed does not depend on what it knows) and the bundled generator, or
one of random weights where none is bundled. Some chunks are timed and stand for all pairs; on a busy machine trust the
processor time more than the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

import idnb
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.evaluation.dataset import load_evaluation_set
from idnb.evaluation.protocol import measure_pairs
from idnb.evaluation.setting import CHUNK, Setting, chunks_of, pairs_of, part_of
from idnb.evaluation.summary import summarise
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.stylegan2 import Generator


def bundled_generator() -> Generator:
    """The generator of the package, or one of random weights."""
    try:
        return idnb.load_generator("tiny")
    except InputError as error:
        print(f"random generator: {error}")
        return Generator.from_preset(TINY).eval().requires_grad_(False)


def main() -> None:
    """Time the parts of an evaluation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contours", type=int, default=300, help="with ten identities each (default 300)")
    parser.add_argument(
        "--chunks", type=int, default=1, help=f"how many chunks of {CHUNK} contours to time (default 1)"
    )
    parser.add_argument("--kind", default="low_res", help="low_res, sketch or label_map")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []

    def clock(name: str, factor: float = 1.0):
        """Note the seconds since the last call, by clock and processor, times a factor."""
        nonlocal wall, cpu
        now, used = time.perf_counter(), time.process_time()
        rows.append((name, factor * (now - wall), factor * (used - cpu)))
        wall, cpu = time.perf_counter(), time.process_time()

    wall, cpu = time.perf_counter(), time.process_time()
    generator = bundled_generator()
    encoder = IdentityGuidedEncoder(args.kind, TINY).eval().requires_grad_(False)
    data = load_evaluation_set(idnb.load_faces("test"), reference=idnb.load_faces("starter"), kind=args.kind)
    clock("test set, reference set, networks")
    setting = Setting("benchmark", kind=args.kind, contours=args.contours)
    pairs = pairs_of(setting, data.identity)
    chunks = chunks_of(pairs)
    share = [measure_pairs(encoder, generator, data, setting, part_of(pairs, rows_)) for rows_ in chunks[: args.chunks]]
    done = sum(len(part["contour"]) for part in share)
    clock(f"generate and measure {len(pairs):,} pairs ({done} timed)", len(pairs) / done)
    columns = {key: torch.cat([torch.as_tensor(part[key]) for part in share]).numpy() for key in share[0]}
    with tempfile.TemporaryDirectory() as folder:
        summary = summarise(columns, pairs, data, setting)
        (Path(folder) / "result.json").write_text(str(summary), encoding="utf-8")
    clock("summary with intervals, distributions, oracle")
    seconds = summary["metrics"]["seconds"]["value"]
    print(f"{args.kind}, {len(pairs):,} pairs, {args.threads} threads; to generate: {1000 * seconds:.0f} ms a pair")
    for name, wall_seconds, cpu_seconds in rows:
        print(f"{name:60} {wall_seconds:8.1f} s by the clock {cpu_seconds:8.1f} s of processor")
    total, used = sum(row[1] for row in rows), sum(row[2] for row in rows)
    print(f"{'all':60} {total:8.1f} s by the clock {used:8.1f} s of processor")


if __name__ == "__main__":
    main()
