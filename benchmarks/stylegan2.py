"""How fast is our generator, and how much memory does it take, beside a plain implementation of the same network?

    python benchmarks/stylegan2.py [--size 1024] [--runs 3] [--threads 2] [--bf16]

The plain one is written here in the way that is common in public code: each sample gets a convolution weight of its
own, the batch is folded into the groups of one convolution, and every blur is zero insertion, padding and a
convolution of single planes. Both have the same random weights, and the last column tells how far the images differ.
Every row of the table is measured in a process of its own, so that peak memory means what it says. All rows of one run
come from the same minutes of the same machine: trust the ratios more than the seconds, and on a busy machine the
processor time more than the clock.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.core.presets import PAPER
from idnb.env import fast_bf16
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_layers import upsampling_conv

ROWS = {"plain": "plain, float32", "ours": "ours, float32", "ours-bf16": "ours, bfloat16"}
KERNEL = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 16


def plain_resample(x: Tensor, up: int, before: int, after: int) -> Tensor:
    """Zero insertion, padding and filtering, one plane at a time: [B, C, H, W]."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch * channels, height, 1, width, 1)
    x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1]).reshape(batch * channels, 1, height * up, width * up)
    x = F.conv2d(F.pad(x, [before, after, before, after]), KERNEL[None, None])
    return x.reshape(batch, channels, x.shape[2], x.shape[3])


def plain_conv(layer: torch.nn.Module, x: Tensor, w: Tensor, demodulate: bool = True) -> Tensor:
    """A modulated convolution with a weight per sample and the batch folded into the groups."""
    batch, channels, height, width = x.shape
    style = layer.modulation(w).reshape(batch, 1, channels, 1, 1)
    weight = layer.scale * layer.weight * style  # [B, O, I, k, k]
    if demodulate:
        weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
    outputs, side = weight.shape[1], weight.shape[3]
    x = x.reshape(1, batch * channels, height, width)
    if layer.up:
        weight = weight.transpose(1, 2).reshape(batch * channels, outputs, side, side)
        y = F.conv_transpose2d(x, weight, stride=2, groups=batch)
        return plain_resample(y.reshape(batch, outputs, *y.shape[2:]), 1, 1, 1)
    weight = weight.reshape(batch * outputs, channels, side, side)
    return F.conv2d(x, weight, padding=side // 2, groups=batch).reshape(batch, outputs, height, width)


def plain_styled(layer: torch.nn.Module, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    y = plain_conv(layer.conv, x, w)
    y = y + layer.noise.weight * noise
    return F.leaky_relu(y + layer.activate.bias[None, :, None, None], 0.2) * 2**0.5


def plain_rgb(layer: torch.nn.Module, x: Tensor, w: Tensor, rgb: Tensor | None) -> Tensor:
    y = plain_conv(layer.conv, x, w, demodulate=False) + layer.bias
    return y if rgb is None else y + plain_resample(rgb, 2, 2, 1)


def plain_synthesis(generator: Generator, w_plus: Tensor) -> Tensor:
    noise = generator.fixed_noise()
    x = plain_styled(generator.conv1, generator.input.input.repeat(len(w_plus), 1, 1, 1), w_plus[:, 0], noise[0])
    rgb = plain_rgb(generator.to_rgb1, x, w_plus[:, 1], None)
    for m, to_rgb in enumerate(generator.to_rgbs):
        x = plain_styled(generator.convs[2 * m], x, w_plus[:, 1 + 2 * m], noise[1 + 2 * m])
        x = plain_styled(generator.convs[2 * m + 1], x, w_plus[:, 2 + 2 * m], noise[2 + 2 * m])
        rgb = plain_rgb(to_rgb, x, w_plus[:, 3 + 2 * m], rgb)
    return rgb


def peak_memory() -> float:
    """The most memory this process has held, in GB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def fastest(function: Callable[[], object], runs: int) -> tuple[float, float]:
    """Seconds by the clock and of processor time, the smallest of some calls after a warm-up."""
    function()
    times = []
    for _ in range(runs):
        clock, processor = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - clock, time.process_time() - processor))
    return min(wall for wall, _ in times), min(busy for _, busy in times)


@torch.inference_mode()
def measure(which: str, size: int, runs: int, threads: int, image_path: str) -> dict[str, float]:
    """Time one implementation in this process and save its image."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    generator = Generator.from_preset(PAPER, size).eval()
    w_plus = generator.to_w_plus(generator.mapping(torch.randn(1, generator.style_dim)))
    if which == "ours-bf16":
        generator.compute_dtype = torch.bfloat16
    before = peak_memory()
    function = plain_synthesis if which == "plain" else Generator.synthesis
    seconds, processor = fastest(lambda: function(generator, w_plus), runs)
    torch.save(function(generator, w_plus), image_path)
    return {"seconds": seconds, "processor": processor, "peak": peak_memory(), "before": before}


def polyphase_conv(x: Tensor, weight: Tensor) -> Tensor:
    """`upsampling_conv` as one convolution: its 3 x 3 weight and the 4 x 4 blur are a weight of 6 x 6.

    Each of the four output pixels that come from one input pixel sees a 3 x 3 patch of the input, so a convolution with
    four times the channels makes them all, and a pixel shuffle puts them in place.
    """
    outputs, inputs = weight.shape[:2]
    planes = weight.reshape(outputs * inputs, 1, 3, 3)
    six = F.conv2d(planes, KERNEL.to(weight)[None, None], padding=3)  # the kernel is symmetric: no flip
    taps = six.flip(2, 3).reshape(outputs, inputs, 3, 2, 3, 2).flip(3, 5)  # tap 2a + p of phase p
    phases = taps.permute(0, 3, 5, 1, 2, 4).reshape(outputs * 4, inputs, 3, 3)
    return F.pixel_shuffle(F.conv2d(x, phases, padding=1), 2)


@torch.inference_mode()
def print_upsampling(runs: int, bf16: bool) -> None:
    """Why the package does the upsampling convolution in two steps: one folded step takes longer."""
    print("\nupsampling convolution, ms of processor   two steps   folded")
    for dtype in [torch.float32] + [torch.bfloat16] * bf16:
        for inputs, outputs, side in ((512, 512, 32), (512, 256, 64), (128, 64, 256), (64, 32, 512)):
            x = torch.randn(1, inputs, side, side, dtype=dtype).contiguous(memory_format=torch.channels_last)
            weight = torch.randn(outputs, inputs, 3, 3, dtype=dtype)
            assert (upsampling_conv(x, weight) - polyphase_conv(x, weight)).abs().mean() < 0.02 * weight[0].norm()
            times = [1000 * fastest(partial(f, x, weight), runs)[1] for f in (upsampling_conv, polyphase_conv)]
            name = f"{inputs} -> {outputs} channels, {side} -> {2 * side} px, {str(dtype)[6:]}"
            print(f"  {name:38s} {times[0]:9.1f} {times[1]:8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="time and memory of our generator beside a plain one")
    parser.add_argument("--size", type=int, default=1024, help="side of the image in pixels")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each; the fastest counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--bf16", action="store_true", help="measure bfloat16 even where it is emulated")
    parser.add_argument("--one", choices=list(ROWS), help=argparse.SUPPRESS)
    parser.add_argument("--image", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.size, args.runs, args.threads, args.image)))
        return
    native = fast_bf16("cpu")
    hardware = "yes" if native else "no, so it is emulated here"
    print(f"torch {torch.__version__}, {args.threads} threads, bf16 in hardware: {hardware}")
    print(f"one {args.size} px image, config-f channels\n")
    print(
        "                   seconds   ratio   processor s   ratio   peak GB   of it for the image   largest difference"
    )
    plain: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for which, name in ROWS.items():
            if which == "ours-bf16" and not (native or args.bf16):
                continue
            image = Path(folder) / f"{which}.pt"
            command = [sys.executable, __file__, "--one", which, "--size", str(args.size), "--runs", str(args.runs)]
            command += ["--threads", str(args.threads), "--image", str(image)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            row = json.loads(answer.splitlines()[-1])
            plain = plain or row
            error = (torch.load(image) - torch.load(Path(folder) / "plain.pt")).abs().max().item()
            print(
                f"{name:16s} {row['seconds']:9.2f} {plain['seconds'] / row['seconds']:6.1f}x {row['processor']:13.2f} "
                f"{plain['processor'] / row['processor']:6.1f}x {row['peak']:9.2f} {row['peak'] - row['before']:21.2f} "
                f"{error:20.1e}"
            )
    torch.set_num_threads(args.threads)
    print_upsampling(args.runs, native)


if __name__ == "__main__":
    main()
