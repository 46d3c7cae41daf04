"""The label map: what each pixel of a face shows."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.contours.checks import check_images, check_size, check_square, matching_labels
from idnb.contours.contour import Contour, LabelReader, Measure, Pen
from idnb.core.errors import InputError
from idnb.faces.iou import intersection_and_union
from idnb.faces.label_files import read_class_numbers
from idnb.faces.labels import (
    LABEL_NAMES,
    LABEL_PALETTE,
    LABEL_TITLES,
    N_LABELS,
    check_label_map,
    colour_labels,
    official_order,
)

__all__ = ["LabelMap"]


@dataclass(frozen=True)
class LabelMap(Contour):
    """The class number of each pixel, in the order of `idnb.faces.labels.LABEL_NAMES`; resized by nearest only.

    Contours are [B, S, S] int64, 0 to 18; the network's input has a channel for each class. Outputs are compared by
    intersection over union, with the label map that a parser paints of them.
    """

    name: ClassVar[str] = "label_map"
    title: ClassVar[str] = "label map"
    channels: ClassVar[int] = N_LABELS
    measure: ClassVar[Measure] = Measure("iou", "contour fidelity, mean IoU", "contour, mIoU", figure="miou")
    needs_label_map: ClassVar[bool] = True
    uses_label_map: ClassVar[bool] = True
    pens: ClassVar[tuple[Pen, ...]] = tuple(
        Pen(title, k, tuple(LABEL_PALETTE[k].tolist())) for k, title in enumerate(LABEL_TITLES)
    )
    first_pen: ClassVar[int] = LABEL_NAMES.index("hair")
    pen_radius: ClassVar[float] = 3.0
    soft: ClassVar[bool] = False

    def make(self, images: Tensor, label_maps: Tensor | None = None) -> Tensor:
        """The label maps at the size of the images: [B, H, H] int64."""
        side = check_images(images).shape[-1]
        if label_maps is None:
            raise InputError(
                "a label_map contour needs label_maps: a photo alone has none. Use rendered faces (faces.label_maps), "
                "CelebAMask-HQ, or an index PNG of your own with contour_from_file"
            )
        return _nearest(matching_labels(label_maps, images), side)

    def display(self, contour: Tensor, size: int) -> Tensor:
        """Painted with the palette."""
        return colour_labels(_nearest(self._check(contour), size))

    def network_input(self, contour: Tensor, size: int) -> Tensor:
        """One channel for each class, 1 where the pixel is of that class: [B, 19, size, size]."""
        check_size(size, "input size", 4, 4096)
        labels = _nearest(self._check(contour), size)
        return F.one_hot(labels, N_LABELS).movedim(-1, 1).float()  # [B, 19, S, S]

    def read(self, path: str | PathLike, size: int, **options: Any) -> Tensor:
        """A grey or index PNG, or a map in our colours; `order="face-parsing"` for maps in which hair is 17.

        order: None is the official one, and a map that looks like the other is refused; one that is given wins.
        """
        order = options.pop("order", None)
        self.refuse(options)
        numbers = read_class_numbers(path)
        if not numbers.any():
            raise InputError(f"{path} is an empty label map: all of it is background (class 0); choose another file")
        labels = official_order(numbers, order, name=str(path))[None]  # [1, H, W]
        return _nearest(check_square(labels, path), size)

    def fidelity(self, outputs: Tensor, x_c: Tensor, parser: LabelReader | None = None) -> dict[str, Tensor]:
        """Mean intersection over union of the classes that the contour has, [B]; "iou_counts": [B, 19, 2], see below.

        "iou_counts" holds intersection and union of each class in pixels, of which tables take the mIoU.
        Raises InputError without a parser.
        """
        if parser is None:
            raise InputError("parser: label maps of outputs need idnb.models.face_parser.load_face_parser()")
        truth = _nearest(self._check(x_c), parser.size)  # [B, S, S]
        counts = intersection_and_union(parser.label_maps(outputs.clamp(-1.0, 1.0)), truth)
        asked = F.one_hot(truth.flatten(1), N_LABELS).sum(1) > 0  # [B, 19] classes that the contour has
        iou = counts[..., 0] / counts[..., 1].clamp_min(1)
        return {self.measure.name: (iou * asked).sum(1) / asked.sum(1), "iou_counts": counts}

    def pack(self, images: Tensor, label_maps: Tensor | None, size: int) -> Tensor:
        """Bytes, [B, size, size]."""
        return _nearest(self.make(images, label_maps), size).to(torch.uint8)

    def unpack(self, packed: Tensor) -> Tensor:
        """Bytes as class numbers."""
        return packed.long()

    def mirror(self, contour: Tensor) -> Tensor:
        """The mirror image, in which what was left is right."""
        names = list(LABEL_NAMES)
        for part in ("eye", "brow", "ear"):
            left, right = names.index(f"l_{part}"), names.index(f"r_{part}")
            names[left], names[right] = names[right], names[left]
        return torch.tensor([LABEL_NAMES.index(name) for name in names])[contour.flip(-1)]

    def to_sheet(self, contour: Tensor) -> np.ndarray:
        """A label map [1, S, S] as class numbers."""
        return self._check(contour)[0].numpy().astype(np.uint8)

    def from_sheet(self, sheet: np.ndarray) -> Tensor:
        """Class numbers as a label map, [1, S, S]."""
        return torch.from_numpy(sheet.astype(np.int64).clip(0, N_LABELS - 1))[None]

    @staticmethod
    def _check(contour: Tensor) -> Tensor:
        labels = check_label_map(contour, "a label_map contour")
        if labels.ndim != 3:
            raise InputError(
                f"a label_map contour is [B, S, S]; got {list(labels.shape)}; add the batch axis with [None]"
            )
        return labels


def _nearest(labels: Tensor, size: int) -> Tensor:
    if labels.shape[-2:] == (size, size):
        return labels
    rows, columns = (  # the pixel under each new pixel's middle, in whole numbers: no rounding error decides a tie
        ((2 * torch.arange(size, device=labels.device) + 1) * side) // (2 * size) for side in labels.shape[-2:]
    )
    return labels[..., rows[:, None], columns]  # [B, S, S]
