"""The low-resolution contour: a face of a few pixels."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from idnb.contours.checks import check_contour, check_images, check_size, check_square
from idnb.contours.contour import Contour, LabelReader, Measure
from idnb.core.errors import InputError
from idnb.core.psnr import psnr
from idnb.core.resize import resize
from idnb.faces.photo import photo_to_tensor

__all__ = ["LowRes"]


@dataclass(frozen=True)
class LowRes(Contour):
    """The image shrunk to `size` x `size` pixels (8 for inputs of 64, 32 for inputs of 256: the paper's ratio).

    Contours are [B, 3, s, s] float in [-1, 1], and so is the network's input. Outputs are compared by PSNR.
    """

    size: int = 8
    name: ClassVar[str] = "low_res"
    title: ClassVar[str] = "low resolution"
    channels: ClassVar[int] = 3
    measure: ClassVar[Measure] = Measure("psnr", "contour fidelity, PSNR", "contour, dB", 1, "dB")
    has_side: ClassVar[bool] = True
    is_picture: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_size(self.size, "low_res size", 4, 4096)

    def make(self, images: Tensor, label_maps: Tensor | None = None) -> Tensor:
        """Shrink by `resize`, bicubic: [B, 3, size, size] in [-1, 1]; label maps are not looked at."""
        side = check_images(images).shape[-1]
        check_size(self.size, "low_res size", 4, side, f" (the side of the images is {side})")
        return resize(images, self.size, "bicubic")

    def display(self, contour: Tensor, size: int) -> Tensor:
        """Each pixel becomes a square block."""
        return F.interpolate(check_contour(contour, self.name, 3, -1.0), size=(size, size), mode="nearest-exact")

    def network_input(self, contour: Tensor, size: int) -> Tensor:
        """Brought back to the input size by `resize`, bicubic, so a smooth, blurred face: [B, 3, size, size]."""
        side = check_contour(contour, self.name, 3, -1.0).shape[-1]
        check_size(size, "input size", side, 4096, f" (the contour has {side})")
        return resize(contour, size, "bicubic")

    def read(self, path: str | PathLike, size: int, **options: Any) -> Tensor:
        """Any square picture, shrunk; one that is already smaller than `LowRes.size` is kept."""
        self.refuse(options)
        image = photo_to_tensor(path)[None]  # [1, 3, H, W]
        side = min(check_square(image, path).shape[-1], self.size)
        if side < 4:
            raise InputError(f"{path} has only {side} x {side} pixels; a low_res contour has at least 4 x 4")
        return resize(image, side, "bicubic")

    def fidelity(self, outputs: Tensor, x_c: Tensor, parser: LabelReader | None = None) -> dict[str, Tensor]:
        """PSNR of the two small images in dB, [B]."""
        found = LowRes(x_c.shape[-1]).make(outputs.clamp(-1.0, 1.0))
        return {self.measure.name: psnr(found, x_c)}

    def sized(self, side: int | None) -> LowRes:
        """Contours of `side` pixels."""
        return self if side is None else LowRes(side)
