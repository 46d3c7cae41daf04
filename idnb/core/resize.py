"""A Gaussian blur for image tensors."""

import math

import torch
import torch.nn.functional as F

__all__ = ["gaussian_blur"]


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
