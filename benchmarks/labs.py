"""How long a lab takes to answer: `python benchmarks/labs.py`. The promise is 150 ms at `tiny` on two cores.

Untrained networks of the same size are used, as time does not depend on weights. Two clocks are printed: the wall's,
and the processor's divided by the number of threads, which does not mind what else the machine is doing.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

import idnb

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from widget_parts import untrained_session

from idnb.widgets import DrawLab, FaceLab, MixLab, SampleLab, StyleMixLab


def measure(name: str, act: Callable[[int], object], rounds: int) -> None:
    """Print the median of both clocks over some rounds."""
    act(0)
    wall, processor = [], []
    for number in range(1, rounds + 1):
        begin = time.perf_counter(), time.process_time()
        act(number)
        wall.append(1000 * (time.perf_counter() - begin[0]))
        processor.append(1000 * (time.process_time() - begin[1]) / torch.get_num_threads())
    print(f"{name:<34} {statistics.median(wall):7.0f} ms {statistics.median(processor):7.0f} ms", flush=True)


def scribble(sheet: DrawLab, number: int) -> None:
    """One stroke more."""
    sheet.pad.draw([{"v": 0, "r": 2, "p": [20, 10 * number, 100, 10 * number]}])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    session, faces = untrained_session(), idnb.load_faces("test")
    pick = {"contours": [0, 4, 8], "identities": [5, 9, 13]}
    print(f"{args.threads} threads, median of {args.rounds}{'':<11} wall   processor")
    sample, mix = SampleLab(session.generator, session.judge), StyleMixLab(session.generator, session.judge)
    measure("SampleLab: seed", lambda i: sample.update(seed=i), args.rounds)
    measure("StyleMixLab: rows", lambda i: mix.update(rows=(i % 12, 12)), args.rounds)
    lab = FaceLab(session, faces, **pick)
    for kind in session.encoders:
        lab.update(kind=kind)
        measure(f"FaceLab, {kind}: person", lambda i: lab.update(person=i % 3), args.rounds)
    measure("FaceLab: another step", lambda i: lab.update(step=i % 4), args.rounds)
    mixture = MixLab(session, faces, **pick)
    measure("MixLab: share of B", lambda i: mixture.update(to_b=0.05 * (i + 1)), args.rounds)
    for kind in ("sketch", "label_map"):
        sheet = DrawLab(session, faces, kind=kind, **pick)
        draw = partial(scribble, sheet)
        measure(f"DrawLab, {kind}: a stroke", draw, args.rounds)


if __name__ == "__main__":
    main()
