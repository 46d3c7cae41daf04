"""People, a judge and a distance of a few lines each, for tests of what measures methods."""

import numpy as np
import torch
from torch import nn

from idnb.core.resize import resize
from idnb.evaluation.dataset import EvaluationSet
from idnb.evaluation.features import FeatureNetwork

__all__ = ["Colour", "Flat", "People", "Perceptual", "colour_set"]


class People:
    """Sixteen people of three pictures: a colour of their own, a brightness of each picture, label maps in stripes."""

    image_size = 32
    has_label_maps = True

    def __init__(self, people=16, shots=3):
        random = torch.Generator().manual_seed(0)
        self.identity = np.repeat(np.arange(people) + 100, shots)
        colour = torch.rand(people, 3, generator=random) * 1.6 - 0.8
        light = 0.2 * torch.rand(people * shots, 1, generator=random)
        noise = 0.02 * torch.randn(people * shots, 3, 32, 32, generator=random)
        flat = (colour.repeat_interleave(shots, 0) + light)[:, :, None, None] + noise
        flat[:, :, :16] *= torch.rand(people * shots, 1, 1, 1, generator=random)
        self._images = flat.clamp(-1, 1)
        self._labels = (torch.arange(32)[None, :, None] // 8).expand(len(flat), 32, 32).clone()

    def images(self, rows):
        return self._images[torch.as_tensor(rows)]

    def label_maps(self, rows):
        return self._labels[torch.as_tensor(rows)]


class Colour(nn.Module):
    """A judge that knows people by the colour of the lower half."""

    def forward(self, images):
        return nn.functional.normalize(images[:, :, images.shape[2] // 2 :].mean((2, 3)), dim=1)


class Flat(FeatureNetwork):
    frechet_name, kernel_name = "Frechet distance of colours", "kernel distance of colours"

    def forward(self, images):
        return images.mean((2, 3))


class Perceptual:
    name = "squared error"

    def __call__(self, a, b):
        return (resize(a, b.shape[-1]) - b).square().mean((1, 2, 3))


def colour_set() -> EvaluationSet:
    """A test set of 48 pictures, with the colour judge as `judge`."""
    return EvaluationSet(People(), 32, {"judge": Colour()}, Perceptual(), Flat())
