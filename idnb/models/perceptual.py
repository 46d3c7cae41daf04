"""A bundled perceptual distance, for machines that cannot download the backbones of LPIPS.

Built like LPIPS (compare unit-length features at several scales), over a small network trained here on rendered people
to read everything that was put into an image: which part is where, shape, colours, light, pose, expression, and how
much an image was corrupted. It is not LPIPS and its values are not comparable with LPIPS; hence its own name.

Reference: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018, eq. 1.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.tensor_files import load_strictly, read_tensors
from idnb.core.weights import weight_path
from idnb.env import pick_device

__all__ = ["FaceFeatureDistance", "FaceFeatures", "load_face_feature_distance"]

WIDTHS = (16, 32, 64, 96)


class FaceFeatures(nn.Module):
    """Four scales of features: full size, 1/2, 1/4 and 1/8. No norms, so that contrast and colour are kept."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        channels = 3
        for i, width in enumerate(widths):
            first = nn.Conv2d(channels, width, 3, 1 if i == 0 else 2, 1)
            stages.append(nn.Sequential(first, nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1), nn.ReLU()))
            channels = width
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """images: [B, 3, H, W] in [-1, 1]. Returns four maps [B, C_i, H / 2^i, W / 2^i], i = 0..3."""
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return maps


class FaceFeatureDistance(nn.Module):
    """How different two face images look: 0 for equal ones, larger for more different ones.

    features: a trained `FaceFeatures`. At each scale the feature vectors of every position are brought to length one;
    the squared differences are averaged over positions and summed over scales, without learned weights.
    """

    def __init__(self, features: FaceFeatures) -> None:
        super().__init__()
        self.features = features

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """a, b: [B, 3, H, W] float in [-1, 1], same shape; trained at 64 px. Returns one distance an image, [B]."""
        if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3:
            raise InputError(f"a and b: expected [B, 3, H, W] of one shape, got {list(a.shape)} and {list(b.shape)}")
        total = a.new_zeros(len(a))
        for x, y in zip(self.features(a), self.features(b), strict=True):
            difference = F.normalize(x, dim=1, eps=1e-3) - F.normalize(y, dim=1, eps=1e-3)
            total = total + difference.square().sum(dim=1).mean(dim=(1, 2))  # [B]
        return total


def load_face_feature_distance(
    path: str | Path | None = None, device: torch.device | str | None = None
) -> FaceFeatureDistance:
    """The bundled distance: frozen, in eval mode; gradients reach the images.

    path: a weight file of your own; None takes the bundled one. device: where to put it; None is the CPU.
    Raises InputError when the file is missing, damaged or foreign.
    """
    features = FaceFeatures()
    path = weight_path("face_features") if path is None else Path(path)
    load_strictly(features, read_tensors(path), path)
    return FaceFeatureDistance(features).requires_grad_(False).eval().to(pick_device(device or "cpu"))
