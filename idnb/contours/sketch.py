"""The sketch: dark lines on white paper."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.contours.checks import check_contour, check_images, check_size, check_square, matching_labels
from idnb.contours.contour import Contour, LabelReader, Measure, Pen
from idnb.contours.line_art import draw_from_image, draw_from_labels
from idnb.core.errors import InputError
from idnb.core.images import to_bytes
from idnb.core.resize import resize
from idnb.faces.photo import photo_to_tensor

__all__ = ["Sketch", "sketch_agreement"]


@dataclass(frozen=True)
class Sketch(Contour):
    """Dark lines on white paper: from the image alone, or from image and label map where one exists.

    Contours are [B, 1, S, S] float in [0, 1], the network's input is in [-1, 1]. Outputs are compared by the F-score of
    the lines, a line counting as met within one pixel.
    """

    name: ClassVar[str] = "sketch"
    title: ClassVar[str] = "sketch"
    channels: ClassVar[int] = 1
    measure: ClassVar[Measure] = Measure("line_f", "contour fidelity, lines met", "contour, F of lines")
    uses_label_map: ClassVar[bool] = True
    pens: ClassVar[tuple[Pen, ...]] = (Pen("ink", 0, (0, 0, 0)), Pen("eraser", 255, (255, 255, 255)))

    def make(self, images: Tensor, label_maps: Tensor | None = None) -> Tensor:
        """Line art of the size of the images: [B, 1, H, H] in [0, 1], 1 is paper. See `idnb.contours.line_art`."""
        check_size(check_images(images).shape[-1], "the side of the images", 16, 4096)
        if label_maps is None:
            return draw_from_image(images)
        return draw_from_labels(images, matching_labels(label_maps, images))

    def display(self, contour: Tensor, size: int) -> Tensor:
        """The drawing in black on white."""
        return self.network_input(contour, size).expand(-1, 3, -1, -1).clone()

    def network_input(self, contour: Tensor, size: int) -> Tensor:
        """Resized, bicubic, and moved to [-1, 1]: 1 is paper, -1 is ink: [B, 1, size, size]."""
        check_size(size, "input size", 4, 4096)
        return resize(2.0 * check_contour(contour, self.name, 1, 0.0) - 1.0, size, "bicubic")

    def read(self, path: str | PathLike, size: int, **options: Any) -> Tensor:
        """A drawing in dark lines on light paper (`drawing=True`, the default), or a photo (`drawing=False`)."""
        drawing = options.pop("drawing", True)
        self.refuse(options)
        image = check_square(photo_to_tensor(path)[None], path)  # [1, 3, H, W]
        if not drawing:
            return _check_ink(self.make(resize(image, size, "bicubic")), path)
        grey = 0.5 * resize(image, size, "bicubic").mean(1, keepdim=True) + 0.5  # [1, 1, S, S]
        if float(grey.median()) < 0.6:
            raise InputError(
                f"{path} is mostly dark; a sketch has dark lines on light paper. Invert the drawing, "
                "or pass drawing=False if it is a photo from which lines shall be drawn"
            )
        paper = grey.flatten().quantile(0.9).clamp_min(0.1)
        return _check_ink((grey / paper).clamp(0.0, 1.0), path)  # grey paper becomes white

    def fidelity(self, outputs: Tensor, x_c: Tensor, parser: LabelReader | None = None) -> dict[str, Tensor]:
        """F-score of the lines, [B]; without parser, outputs are drawn from the image alone."""
        outputs = resize(outputs.clamp(-1.0, 1.0), x_c.shape[-1], "bilinear")  # lines are drawn at the contour's size
        labels = None if parser is None else parser.label_maps(outputs)
        return {self.measure.name: sketch_agreement(self.make(outputs, labels), x_c)}

    def pack(self, images: Tensor, label_maps: Tensor | None, size: int) -> Tensor:
        """Bytes, [B, 1, size, size]; every second one is drawn from the image alone, as it is for a user's photo."""
        drawn = torch.empty(len(images), 1, *images.shape[-2:])
        drawn[::2] = self.make(images[::2], None if label_maps is None else label_maps[::2])
        if len(images) > 1:
            drawn[1::2] = self.make(images[1::2])
        return to_bytes(self.network_input(drawn, size))

    def unpack(self, packed: Tensor) -> Tensor:
        """Bytes as drawings in [0, 1]."""
        return packed.float() / 255

    def to_sheet(self, contour: Tensor) -> np.ndarray:
        """A drawing [1, 1, S, S] as grey values."""
        if contour.ndim != 4 or contour.shape[:2] != (1, 1) or not contour.is_floating_point():
            raise InputError(f"a sketch to draw on is float [1, 1, S, S]; got {contour.dtype} {list(contour.shape)}")
        return (255 * contour[0, 0].clamp(0, 1)).round().byte().numpy()

    def from_sheet(self, sheet: np.ndarray) -> Tensor:
        """Grey values as a drawing, [1, 1, S, S]."""
        return torch.from_numpy(sheet.astype(np.float32) / 255.0)[None, None]


def _check_ink(sketch: Tensor, path: str | PathLike) -> Tensor:
    if float(sketch.min()) > 0.9:
        raise InputError(f"{path} is a blank sheet: no line in it is darker than its paper; draw with a darker pen")
    return sketch


def sketch_agreement(found: Tensor, asked: Tensor, reach: int = 1) -> Tensor:
    """F-score of two drawings: how much ink of each lies within `reach` pixels of ink of the other.

    found, asked: [B, 1, S, S] in [0, 1], 1 is paper. Returns [B]: 1 for equal drawings, 0 for lines that never meet;
    two empty sheets agree.
    """
    if found.shape != asked.shape or found.ndim != 4:
        raise InputError(f"found is {list(found.shape)} and asked {list(asked.shape)}; expected [B, 1, S, S] twice")
    ink, wanted = 1.0 - found, 1.0 - asked

    def met(lines: Tensor, other: Tensor) -> Tensor:
        near = F.max_pool2d(other, 2 * reach + 1, 1, reach)  # [B, 1, S, S]
        return torch.minimum(lines, near).sum((1, 2, 3)) / lines.sum((1, 2, 3)).clamp_min(1e-6)

    precision, recall = met(ink, wanted), met(wanted, ink)
    empty = torch.maximum(ink, wanted).amax((1, 2, 3)) < 1e-6
    return torch.where(empty, 1.0, 2 * precision * recall / (precision + recall).clamp_min(1e-6))
