"""How fast the generator's warm-up learns, with and without its own rates: errors on people held out, at equal images.

    python benchmarks/warm_up.py             # about five minutes on one core

Each setting draws 200 pictures of the bundled set `starter` that it was never shown, after 7,000 others at 16 px.
"""

from __future__ import annotations

import argparse

import torch

from idnb.core.presets import TINY
from idnb.env import keep_freed_memory
from idnb.faces.real_images import RealImages, read_strips
from idnb.faces.synthetic import load_rendered
from idnb.pretraining.gan import warmup
from idnb.pretraining.gan.codes import read_codes, with_filling
from idnb.pretraining.gan.growing import GanConfig

SIZE, HELD_OUT = 16, 200  # pixels; pictures, those of the last 50 people
SETTINGS = ((1.0, 1.0), (1.0, 100.0), (1.0, 300.0), (3.0, 100.0), (3.0, 300.0))  # RATE, MAPPING_RATE


def held_out_error(
    rate: float, mapping_rate: float, images: int, codes: torch.Tensor, real: RealImages
) -> tuple[float, float]:
    """Mean square errors on the held-out pictures after so many others: drawn again, and drawn from their codes."""
    warmup.RATE, warmup.MAPPING_RATE = rate, mapping_rate
    shown = RealImages(real.pixels[:-HELD_OUT])
    training = warmup.WarmUp(TINY, GanConfig(phases=((SIZE, images),), ema_share=0.2), codes[:-HELD_OUT])
    while training.images < images:
        training.run_step(shown)
    with torch.no_grad():
        pictures = real.at(torch.arange(len(real) - HELD_OUT, len(real)))  # [200, 3, 16, 16]
        network = training.generator
        again = network.synthesis(network.to_w_plus(training.encoder(pictures)))
        drawn = network(with_filling(codes[-HELD_OUT:], TINY.style_dim, torch.Generator().manual_seed(0)))
    return (again - pictures).square().mean().item(), (drawn - pictures).square().mean().item()


def main() -> None:
    """Print one line a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=7_000, help="shown in each setting")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    folder = load_rendered("starter").folder
    codes, real = read_codes([str(folder)]), RealImages(read_strips(folder, SIZE))
    mean = real.at(torch.arange(len(real) - HELD_OUT)).mean(dim=0)  # [3, 16, 16]
    baseline = (mean - real.at(torch.arange(len(real) - HELD_OUT, len(real)))).square().mean().item()
    print(f"the mean picture: error {baseline:.4f}")
    for rate, mapping_rate in SETTINGS:
        again, drawn = held_out_error(rate, mapping_rate, args.images, codes, real)
        print(
            f"RATE {rate:g}, MAPPING_RATE {mapping_rate:g}: drawn again {again:.4f}, from codes {drawn:.4f}", flush=True
        )


if __name__ == "__main__":
    main()
