"""The one way of bringing image tensors to another size, and a Gaussian blur."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.core.errors import InputError

__all__ = ["gaussian_blur", "resize"]


def resize(images: Tensor, size: int, how: str = "area", clamp: bool = True) -> Tensor:
    """Bring images to a side of `size` pixels.

    "area" is what networks look through: larger images are averaged down, which is an exact mean for whole ratios,
    smaller ones enlarged bilinearly. "bilinear", antialiased, brings pictures of a set to one size. "bicubic" makes and
    enlarges low-resolution contours; it is antialiased, the same as Pillow's BICUBIC but without rounding to 8 bits. Of
    torch's two bicubics that is the one with `antialias=True`: Keys' kernel with a = -0.5, which grows with the
    shrinking factor. The other has a = -0.75 and looks at 4 x 4 pixels only, so shrinking by 8 skips most of the
    picture.

    images: "area": [B, 3, H, H] float; the others: [B, C, H, W] float, for "bicubic" in [-1, 1].
    size: side of the result in pixels.
    how: "area", "bilinear" or "bicubic".
    clamp: keep what is bicubic in [-1, 1], since the kernel overshoots at edges; False lets gradients pass there.
    Returns [B, C, size, size], differentiable. Images of that size already come back as they are, bicubic ones as a
    copy.
    Raises InputError: images to be averaged that are not square RGB; an unknown way.
    """
    if how == "bicubic":
        if images.shape[-2:] == (size, size):
            return images.clone()
        found = F.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
        return found.clamp(-1.0, 1.0) if clamp else found
    if how == "bilinear":
        if images.shape[-2:] == (size, size):
            return images
        return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    if how != "area":
        raise InputError(f"how is {how!r}; choose area, bilinear or bicubic")
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise InputError(
            f"images: expected [B, 3, H, H] in [-1, 1], got {list(images.shape)}; "
            "align the face first (idnb.faces.align) and add the batch axis with image[None]"
        )
    side = images.shape[-1]
    if side == size:
        return images
    if side > size:
        return F.adaptive_avg_pool2d(images, size)  # [B, 3, size, size]
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Blur images with a Gaussian, edges repeated.

    images: [B, C, H, W] float, any range.
    sigma: standard deviation in pixels; 0 returns the images as they are.
    Returns [B, C, H, W], same type. The kernel reaches to three sigma and sums to 1.
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
