"""Differentiable augmentation: random views of a face, through which gradients flow.

A generator that is trained against one recognition network learns to please that network, not to look like the person.
A pattern that only works at one place, in one colour and without noise does not survive being moved, turned, cut,
tinted, blurred and disturbed at random; the shape of a face does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.core.images import LUMA

__all__ = ["AugmentationConfig", "augment", "placement"]


@dataclass(frozen=True)
class AugmentationConfig:
    """Strength of each change.

    rotation: degrees at most. zoom: largest logarithm of the scale. shift: at most, as a share of the side. mirror,
    grey, blur, cover: chance of each, 0 to 1. tint: spread of brightness and colour. noise: largest standard deviation.
    """

    rotation: float = 10.0
    zoom: float = 0.1
    shift: float = 0.05
    mirror: float = 0.5
    grey: float = 0.25
    tint: float = 0.2
    blur: float = 0.3
    noise: float = 0.1
    cover: float = 0.3


def placement(angle: Tensor, zoom: Tensor, mirror: Tensor, shift: Tensor) -> Tensor:
    """Where each pixel of a turned, zoomed, mirrored and shifted picture comes from, for `affine_grid`: [B, 2, 3].

    angle: [B] in radians. zoom: [B], more than 1 shows more. mirror: [B], -1 for the mirror image, else 1.
    shift: [B, 2] in half sides, to the right and down.
    """
    rows = [zoom * angle.cos() * mirror, -zoom * angle.sin(), zoom * angle.sin() * mirror, zoom * angle.cos()]
    return torch.cat([torch.stack(rows, 1).view(-1, 2, 2), shift[:, :, None]], dim=2)


def augment(images: Tensor, random: torch.Generator, config: AugmentationConfig) -> Tensor:
    """One random view of each image (Athalye and others, 2018: optimising over random transformations).

    images: [B, 3, H, H] float around [-1, 1]. random: source of everything that is drawn, on the CPU.
    Returns [B, 3, H, H]; gradients reach the images.
    """
    count, device = len(images), images.device

    def draw(*shape: int) -> Tensor:
        """Uniform in [-1, 1)."""
        return torch.rand(shape, generator=random) * 2 - 1

    def chance(p: float) -> Tensor:
        """True with probability p, [B, 1, 1, 1]."""
        return (torch.rand(count, 1, 1, 1, generator=random) < p).to(device)

    angle = draw(count) * math.radians(config.rotation)
    zoom = torch.exp(draw(count) * config.zoom)
    mirror = 1.0 - 2.0 * (torch.rand(count, generator=random) < config.mirror).float()
    matrix = placement(angle, zoom, mirror, 2 * config.shift * draw(count, 2))  # [B, 2, 3]
    grid = F.affine_grid(matrix.to(images), list(images.shape), align_corners=False)  # [B, H, H, 2]
    seen = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)

    small = F.interpolate(F.avg_pool2d(seen, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    seen = torch.where(chance(config.blur), small, seen)
    gain = torch.exp(config.tint * (draw(count, 1, 1, 1) + 0.5 * draw(count, 3, 1, 1))).to(images)
    seen = (seen + 1) * gain - 1
    grey = (seen * seen.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)  # [B, 1, H, H]
    seen = torch.where(chance(config.grey), grey, seen)

    size = images.shape[-1]
    strength = config.noise * torch.rand(count, 1, 1, 1, generator=random)
    seen = seen + (strength * torch.randn(count, 3, size, size, generator=random)).to(images)
    place = torch.linspace(-1, 1, size)
    centre, half = draw(count, 2, 1), 0.1 + 0.25 * torch.rand(count, 2, 1, generator=random)
    inside = (place - centre).abs() < half  # [B, 2, H]
    covered = (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None].to(device)  # [B, 1, H, H]
    colour = draw(count, 3, 1, 1).to(images)
    return torch.where(covered & chance(config.cover), colour, seen)
