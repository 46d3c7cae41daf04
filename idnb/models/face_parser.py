"""A small network that paints the label map of a face: it measures how well an output keeps a label-map contour.

No loss uses it. It was trained on rendered faces, sharp, blurred and noisy; what it says of photographs is unknown.

Reference: Ronneberger et al., "U-Net", MICCAI 2015, with sums in place of joined channels.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.images import OVERSHOOT, check_range
from idnb.core.resize import resize
from idnb.core.tensor_files import load_strictly, read_tensors
from idnb.core.weights import weight_path
from idnb.env import pick_device
from idnb.faces.labels import N_LABELS

__all__ = ["FaceParser", "conv_unit", "load_face_parser"]


def conv_unit(in_channels: int, channels: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, BatchNorm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )


class FaceParser(nn.Module):
    """Faces in, class scores of each pixel out, at 64 px.

    size: side at which it works; widths: channels at 1, 1/2, 1/4 and 1/8 of it.
    """

    def __init__(self, size: int = 64, widths: tuple[int, ...] = (16, 32, 64, 96)) -> None:
        super().__init__()
        self.size = size
        self.stem = conv_unit(3, widths[0])
        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(nn.Sequential(conv_unit(a, b, 2), conv_unit(b, b)) for a, b in pairs)
        self.bridge = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.up = nn.ModuleList(conv_unit(a, a) for a, _ in pairs)
        self.head = nn.Conv2d(widths[0], N_LABELS, 1)

    def forward(self, images: Tensor) -> Tensor:
        """images: [B, 3, H, H] float in [-1, 1], framed as in FFHQ. Returns scores [B, 19, size, size]."""
        x = self.stem(resize(images, self.size))
        levels = [x]
        for block in self.down:
            levels.append(block(levels[-1]))
        x = levels.pop()
        for bridge, up in zip(reversed(self.bridge), reversed(self.up), strict=True):
            below = F.interpolate(bridge(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = up(levels.pop() + below)
        return self.head(x)

    @torch.inference_mode()
    def label_maps(self, images: Tensor) -> Tensor:
        """The likeliest class of each pixel: [B, size, size] long, numbers of `idnb.faces.labels`."""
        check_range(images, "images", OVERSHOOT)
        return self(images).argmax(1)  # [B, size, size]


def load_face_parser(path: str | Path | None = None, device: torch.device | str | None = None) -> FaceParser:
    """The bundled parser: frozen, in eval mode.

    path: a weight file of your own; None takes the bundled one. device: where to put it; None is the CPU.
    Raises InputError when the file is missing, damaged or foreign.
    """
    network = FaceParser()
    path = weight_path("face_parser") if path is None else Path(path)
    load_strictly(network, read_tensors(path), path)
    return network.requires_grad_(False).eval().to(pick_device(device or "cpu"))
