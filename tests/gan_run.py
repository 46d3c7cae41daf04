"""A training of a small generator, which the tests of trainings and checkpoints share."""

import dataclasses

import numpy as np
import torch

from idnb.core.presets import TINY
from idnb.pretraining.gan.growing import GanConfig
from idnb.pretraining.gan.paired import PairedTraining

SMALL = dataclasses.replace(
    TINY,
    image_size=32,
    style_dim=24,
    mapping_depth=2,
    generator_channels=(16, 16, 12, 8),
    discriminator_channels=(12, 12, 8, 8),
)
CONFIG = GanConfig(phases=((8, 16), (16, 16), (32, 16)), batch=8, learning_rate=3e-3)
SHORT = GanConfig(phases=((8, 8), (16, 16)), batch=4)


def pictures(size=32):
    """Twenty pictures of bright discs, [20, size, size, 3] uint8."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    discs = [(x - cx) ** 2 + (y - cy) ** 2 < 0.1 for cx, cy in random.uniform(0.3, 0.7, (20, 2))]
    return torch.from_numpy(np.stack(discs)[..., None].repeat(3, axis=3).astype(np.uint8) * 200)


def fresh(config=CONFIG, **options):
    """The training at its first step."""
    labels = (pictures()[..., 0] > 0).byte()  # discs are skin, the rest background
    codes = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    return PairedTraining(SMALL, config, codes, labels, **options)
