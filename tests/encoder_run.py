"""A training run of a few seconds: `python tests/encoder_run.py OUT IMAGES [PAUSE]`; tests kill it."""

import sys
import time
from pathlib import Path

import torch

import idnb
from idnb.core.presets import TINY
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.lpips_distance import load_lpips
from idnb.models.stylegan2 import Generator
from idnb.training.config import EncoderConfig, Phase
from idnb.training.losses import EncoderLoss
from idnb.training.pair_data import PairData
from idnb.training.run import train_encoder


def random_pairs(kind: str = "low_res", count: int = 12) -> PairData:
    """Pairs of noise, four pictures a person."""
    random = torch.Generator().manual_seed(0)
    photos = torch.randint(0, 256, (count, 3, 64, 64), generator=random, dtype=torch.uint8)
    contours = {
        "low_res": lambda: torch.rand(count, 3, 8, 8, generator=random).half(),
        "sketch": lambda: torch.randint(0, 256, (count, 1, 64, 64), generator=random, dtype=torch.uint8),
        "label_map": lambda: torch.randint(0, 19, (count, 64, 64), generator=random, dtype=torch.uint8),
    }
    return PairData(kind, TINY, photos, torch.arange(count) // 4, contours[kind]())


def parts(kind: str = "low_res", **options) -> tuple:
    """Encoder, generator, pairs and loss of a short run: the generator is random, everything else is real."""
    torch.manual_seed(1)
    generator = Generator.from_preset(TINY)
    encoder = IdentityGuidedEncoder(kind, TINY, **options)
    loss = EncoderLoss(idnb.load_identity_network("tiny"), load_lpips())
    return encoder, generator, random_pairs(kind), loss


def config(images: int) -> EncoderConfig:
    """Two images a step, faces up to 8 px only."""
    return EncoderConfig((Phase(1, 4, 8), Phase(2, images - 4, 8)), batch=2, learning_rate=1e-3, ema=8.0)


def main() -> None:
    out, images = Path(sys.argv[1]), int(sys.argv[2])
    pause = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    torch.set_num_threads(1)
    encoder, generator, data, loss = parts()
    if pause:
        draw = data.draw
        data.draw = lambda *args: (time.sleep(pause), draw(*args))[1]  # time to be killed in
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    train_encoder(encoder, generator, data, loss, config(images), out, accelerator, save_minutes=0)
    torch.save(encoder.state_dict(), out / f"weights_{accelerator.process_index}.pt")


if __name__ == "__main__":
    main()
