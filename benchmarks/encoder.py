"""Time of the dual encoder: one pair in several refinement steps, and training, part by part.

    python benchmarks/encoder.py [--threads N]

Clock and processor time are printed side by side; on a machine that does other work too, believe the second. A thread
of a busy machine may wait, but it does not compute for longer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

import idnb
from idnb.core.presets import TINY
from idnb.core.resize import resize
from idnb.env import keep_freed_memory
from idnb.models.contour_encoder import identity_tensors, map_identity
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.stylegan2 import Generator
from idnb.training.config import EncoderConfig, Phase
from idnb.training.losses import LossWeights
from idnb.training.pair_data import read_pair_data
from idnb.training.recipe import build_loss
from idnb.training.run import EncoderRun
from idnb.training.step import picture_of


def fastest(function: Callable[[], object], runs: int) -> tuple[float, float]:
    """Seconds on the clock and of the processor, each the best of several runs after one that does not count."""
    clock, processor = [], []
    for _ in range(runs + 1):
        began = time.perf_counter(), time.process_time()
        function()
        clock.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    return min(clock[1:]), min(processor[1:])


def say(name: str, times: tuple[float, float], unit: str = "") -> None:
    """One line of the report, in milliseconds."""
    print(f"  {name:58s} {1000 * times[0]:8.1f} {1000 * times[1]:10.1f} {unit}", flush=True)


def time_pair(runs: int) -> None:
    """One face from one pair, weights at random: the time does not depend on them."""
    generator = Generator.from_preset(TINY).eval().requires_grad_(False)
    print("one pair, ms                                                  clock  processor")
    for kind, contour in (("low_res", torch.zeros(1, 3, 8, 8)), ("label_map", torch.zeros(1, 64, 64).long())):
        encoder = IdentityGuidedEncoder(kind, TINY).eval().to(memory_format=torch.channels_last)
        for steps in (1, 3):
            run = lambda c=contour, e=encoder, s=steps: e.generate(generator, c, torch.zeros(1, 3, 128, 128), s)  # noqa: E731
            say(f"{kind}, {steps} steps", fastest(run, runs))


def time_training(runs: int, batch: int) -> None:
    """Images a second of training, and where the time goes."""
    from accelerate import Accelerator

    keep_freed_memory()
    data = read_pair_data([idnb.load_faces("test")], "low_res", TINY, 20, cache=False, report=lambda text: None)
    generator = Generator.from_preset(TINY)
    encoder = IdentityGuidedEncoder("low_res", TINY)
    loss = build_loss(TINY, "low_res", LossWeights())
    print(f"training, batch {batch}                                images/s: clock  processor second")
    for phase in (Phase(1, 1, 64), Phase(2, 1, 64), Phase(2, 1), Phase(3, 1)):
        config = EncoderConfig((phase,), batch=batch, ema=1000.0)
        run = EncoderRun(encoder, generator, data, loss, config, Accelerator(cpu=True))
        clock, processor = fastest(run.run_step, runs)
        name = f"{phase.steps} refinement steps, faces up to {phase.size or 128} px"
        print(f"  {name:58s} {batch / clock:8.2f} {batch / processor:10.2f}", flush=True)
    pairs = data.draw(batch, torch.Generator().manual_seed(0))
    targets = loss.targets(pairs.photo, pairs.x_id)
    latents, y_hat = encoder.start(generator, batch)
    x_id = resize(pairs.x_id, TINY.encoder_size)
    seen = map_identity(lambda part: part.detach().requires_grad_(), encoder.encode_identity(x_id))

    def identity() -> None:
        parts = identity_tensors(encoder.encode_identity(x_id))
        torch.autograd.backward(parts, [torch.ones_like(part) for part in parts])

    def refine() -> None:
        encoder.refine(pairs.contour_input, seen, y_hat, latents).w_plus.sum().backward()

    def generate(size: int | None) -> None:
        leaf = latents._replace(w_plus=latents.w_plus.clone().requires_grad_())
        picture_of(generator, leaf, TINY.loss_size, size).sum().backward()

    def losses() -> None:
        leaf = pairs.photo.clone().requires_grad_()
        loss(leaf, targets, latents.w_plus, generator.w_avg)["total"].backward()

    print(f"parts, forward and backward, ms for {batch} images              clock  processor")
    say("identity encoder and equation 1, once a batch", fastest(identity, runs))
    say("main encoder, each refinement step", fastest(refine, runs))
    say("generator up to 64 px, each refinement step", fastest(lambda: generate(64), runs))
    say("whole generator, each refinement step", fastest(lambda: generate(None), runs))
    say("losses, each refinement step", fastest(losses, runs))


def main() -> None:
    parser = argparse.ArgumentParser(description="time of the dual encoder: generating and training")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each; the best counts")
    parser.add_argument("--batch", type=int, default=16, help="of training")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {args.threads} threads")
    time_pair(args.runs)
    time_training(args.runs, args.batch)


if __name__ == "__main__":
    main()
