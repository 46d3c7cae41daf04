"""The paper's size on this machine: a strip of refinement steps at 1024 px, and a training step, in time and memory.

    python benchmarks/paper.py [--steps 5] [--threads 2] [--batches 1 2] [--no-training]

All weights are random; they cost what trained ones cost. Every row is measured in a process of its own, so that peak
memory means what it says. The last column of the training rows is what `idnb estimate` says of the same step, without
having run it. Trust processor seconds more than the clock on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from idnb.contours.kinds import contour_kind
from idnb.core.presets import PAPER
from idnb.core.resize import resize
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork
from idnb.models.stylegan2 import Generator
from idnb.training.cost import step_cost
from idnb.training.losses import EncoderLoss


def peak_memory() -> float:
    """The most memory this process has held, in GB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def networks() -> tuple[IdentityGuidedEncoder, Generator]:
    torch.manual_seed(0)
    return IdentityGuidedEncoder("low_res", PAPER), Generator.from_preset(PAPER).eval().requires_grad_(False)


def timed(function: Callable[[], object]) -> dict[str, float]:
    clock, processor = time.perf_counter(), time.process_time()
    function()
    return {"seconds": time.perf_counter() - clock, "processor": time.process_time() - processor}


def measure_strip(steps: int) -> dict[str, float]:
    """One contour and one identity image through `steps` refinement steps."""
    from idnb.env import keep_freed_memory

    keep_freed_memory()
    encoder, generator = networks()
    encoder.eval()
    x_c, x_id = torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 1024, 1024) * 2 - 1
    return timed(lambda: encoder.generate(generator, x_c, x_id, steps)) | {"peak": peak_memory()}


def measure_training(batch: int, checkpoint: bool) -> dict[str, float]:
    """Forward, backward and Adam for one refinement step."""
    import warnings

    import lpips

    encoder, generator = networks()
    encoder.train()
    generator.checkpoint = checkpoint
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        perceptual = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False)
    loss = EncoderLoss(IdentityNetwork(IDENTITY_SIZES["paper"]), perceptual)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-4)
    photo = torch.rand(batch, 3, 256, 256) * 2 - 1
    contour = contour_kind("low_res").network_input(torch.rand(batch, 3, 32, 32) * 2 - 1, 256)

    def step() -> None:
        identity = encoder.encode_identity(photo)
        latents, y_hat = encoder.start(generator, batch)
        latents = encoder.refine(contour, identity, y_hat, latents)
        picture = resize(generator.synthesis(*latents), 256)
        loss(picture, loss.targets(photo, photo), latents.w_plus, generator.w_avg)["total"].backward()
        optimizer.step()

    return timed(step) | {"peak": peak_memory()}


def ask(words: list[str], threads: int) -> dict[str, float]:
    """Measure one row in a process of its own."""
    command = [sys.executable, __file__, "--threads", str(threads), *words]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description="the paper's size on this machine: time and memory")
    parser.add_argument("--steps", type=int, default=5, help="refinement steps of the strip")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2], help="batches of the training step")
    parser.add_argument("--no-training", action="store_true", help="measure the strip only")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.one:
        what, *rest = args.one
        strip = what == "strip"
        print(json.dumps(measure_strip(int(rest[0])) if strip else measure_training(int(rest[0]), rest[1] == "yes")))
        return
    print(f"torch {torch.__version__}, {args.threads} threads, float32, random weights\n")
    row = ask(["--one", "strip", str(args.steps)], args.threads)
    print(
        f"{args.steps} refinement steps at 1024 px: {row['seconds']:.1f} s ({row['processor']:.1f} s of processor), "
        f"peak {row['peak']:.2f} GB"
    )
    if args.no_training:
        return
    print("\none training step, one refinement   seconds   processor   peak GB   estimate GB")
    for checkpoint in (False, True):
        cost = step_cost("paper", "low_res", checkpoint)
        for batch in args.batches:
            row = ask(["--one", "train", str(batch), "yes" if checkpoint else "no"], args.threads)
            name = f"batch {batch}, generator {'checkpointed' if checkpoint else 'as it is'}"
            print(
                f"{name:34s} {row['seconds']:9.1f} {row['processor']:11.1f} {row['peak']:9.2f} "
                f"{cost.memory(batch) / 1e9:13.2f}"
            )


if __name__ == "__main__":
    main()
