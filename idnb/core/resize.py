"""Every way of bringing image tensors to another size, and a Gaussian blur."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.core.errors import InputError

__all__ = ["at_size", "gaussian_blur", "resize_bicubic", "resize_smoothly", "shrink", "to_size"]


def gaussian_blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur images with a Gaussian, edges repeated.

    Args:
        images: [B, C, H, W] float, any range.
        sigma: standard deviation in pixels; 0 returns the images as they are.

    Returns:
        [B, C, H, W], same type. The kernel reaches to three sigma and sums to 1.
    """
    if sigma <= 0:
        return images
    radius = max(1, math.ceil(3.0 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(images)  # [2r + 1]
    b, c, h, w = images.shape
    out = images.reshape(b * c, 1, h, w)  # [B*C, 1, H, W]
    out = F.conv2d(F.pad(out, (radius, radius, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    out = F.conv2d(F.pad(out, (0, 0, radius, radius), mode="replicate"), kernel.view(1, 1, -1, 1))
    return out.reshape(b, c, h, w)  # [B, C, H, W]


def to_size(images: Tensor, size: int) -> Tensor:
    """Bring square images to a side: larger ones are averaged down, smaller ones enlarged.

    images: [B, 3, H, H]. Returns [B, 3, size, size]. Raises InputError for other shapes.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise InputError(f"images: expected [B, 3, H, H] in [-1, 1], got {list(images.shape)}; align faces first")
    if images.shape[-1] > size:
        return F.adaptive_avg_pool2d(images, size)  # [B, 3, size, size]
    if images.shape[-1] < size:
        return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    return images


def at_size(images: Tensor, size: int) -> Tensor:
    """Average images down to a side of `size` pixels; smaller ones are enlarged: [B, 3, H, H] -> [B, 3, size, size]."""
    if images.shape[-1] < size:
        return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    return F.adaptive_avg_pool2d(images, size)  # [B, 3, size, size]; an exact mean for whole ratios


def shrink(images: Tensor, size: int) -> Tensor:
    """The operation that makes a low-resolution contour, without its clamp, so that gradients pass everywhere.

    images: [B, 3, H, H] -> [B, 3, size, size]. See `resize_bicubic`.
    """
    return F.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)


def resize_smoothly(images: Tensor, size: int) -> Tensor:
    """Images [B, 3, H, H] at another side: averaged down by whole factors, otherwise bilinear with antialiasing."""
    side = images.shape[-1]
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != side:
        raise InputError(f"images: expected [B, 3, H, H] in [-1, 1], got {list(images.shape)}")
    if side == size:
        return images
    if side % size == 0:
        return F.avg_pool2d(images, side // size)  # [B, 3, size, size]
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def resize_bicubic(images: torch.Tensor, size: int) -> torch.Tensor:
    """Bicubic resizing with antialiasing, up or down; the same as Pillow's BICUBIC but without rounding to 8 bits.

    Torch has two bicubics. With `antialias=True` (used here) the kernel is Keys' with a = -0.5 and grows with the
    shrinking factor, as in Pillow. With `antialias=False` it is a = -0.75 and looks at 4 x 4 pixels only, so shrinking
    by 8 skips most of the picture.

    Args:
        images: [B, C, H, W] float in [-1, 1].
        size: side of the result in pixels.

    Returns:
        [B, C, size, size] float, clamped to [-1, 1] because the kernel overshoots at edges.
    """
    if images.shape[-2:] == (size, size):
        return images.clone()
    out = F.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
    return out.clamp(-1.0, 1.0)
