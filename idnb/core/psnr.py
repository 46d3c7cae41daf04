"""Peak signal-to-noise ratio, the one way in which all of the package takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idnb.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CAP", "psnr"]

CAP = 100.0
"""In dB, for equal images."""


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of images in [-1, 1] (peak 2), one an image, at most 100 dB.

    a, b: [B, C, H, W] of one shape; clamp outputs first, as a picture is. Returns [B].
    Raises InputError for two shapes, or another number of axes.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise InputError(f"a and b: expected [B, C, H, W] of one shape, got {list(a.shape)} and {list(b.shape)}")
    error = (a.double() - b.double()).square().mean(dim=(1, 2, 3))  # [B]
    return (10.0 * (4.0 / error.clamp_min(1e-30)).log10()).clamp_max(CAP).float()
