"""Pictures out of tensors: grey ones, sheets of many faces, PNG files that stand beside the numbers of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.files import whole_file

__all__ = ["LUMA", "OVERSHOOT", "check_range", "grey_scale", "save_png", "sheet", "tile", "to_bytes", "to_image"]

LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in how light a colour is (ITU-R BT.601)

OVERSHOOT = 15.0
"""How far outputs of a generator may lie outside [-1, 1]: untrained ones reach 6. Bytes in [0, 255] go further."""


def check_range(images: Tensor, name: str, beyond: float = 0.01) -> None:
    """Raise InputError unless images are float and lie in [-1, 1], all of them numbers.

    name: of the argument, for the message. beyond: how far outside they may be; what a generator makes overshoots.
    """
    if not images.is_floating_point():
        raise InputError(f"{name} have type {images.dtype}; expected float in [-1, 1]: use x / 127.5 - 1")
    if images.numel() == 0 or images.is_meta:  # nothing to look at
        return
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.0 - beyond and high <= 1.0 + beyond):  # also false for NaN
        raise InputError(
            f"{name} hold values from {low:.3g} to {high:.3g}; expected [-1, 1]: of bytes use x / 127.5 - 1"
        )


def to_bytes(images: Tensor) -> Tensor:
    """Pictures around [-1, 1], of any shape, as bytes 0 to 255; values beyond are clamped."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_image(picture: Tensor) -> Image.Image:
    """A tensor [3, H, W] around [-1, 1] as an image; values beyond are clamped."""
    return Image.fromarray(to_bytes(picture.detach().cpu()).permute(1, 2, 0).numpy())  # [H, W, 3]


def tile(rows: Sequence[Sequence[Tensor | None]], side: int, gap: int = 2) -> Tensor:
    """Put pictures into a table on white ground.

    rows: lists of pictures [3, h, h] around [-1, 1]; None leaves a place empty. Smaller pictures are enlarged to `side`
    with sharp pixels, larger ones averaged down. gap: white pixels between them.
    Returns [3, H, W] in [-1, 1]. Raises InputError when there is no picture.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise InputError("there is no picture to put into a table")
    step = side + gap
    table = torch.ones(3, len(rows) * step - gap, columns * step - gap)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            if picture is None:
                continue
            shown = picture.detach().cpu().float()[None]  # [1, 3, h, h]
            if shown.shape[-1] < side:
                shown = F.interpolate(shown, size=(side, side), mode="nearest-exact")
            elif shown.shape[-1] > side:
                shown = F.adaptive_avg_pool2d(shown, side)
            table[:, r * step : r * step + side, c * step : c * step + side] = shown[0].clamp(-1, 1)
    return table


def sheet(images: Tensor, columns: int = 8) -> Tensor:
    """Pictures [N, 3, S, S] around [-1, 1] without gaps, `columns` in a row: [3, H, W]; empty places are white."""
    cells = [*images, *[None] * (-len(images) % columns)]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return tile(rows, images.shape[-1], gap=0)


def save_png(picture: Tensor, path: str | Path) -> Path:
    """Write a picture [3, H, W] around [-1, 1] as PNG, whole or not at all, and return its path."""
    with whole_file(path) as file:
        to_image(picture).save(file, format="PNG")
    return Path(path)


def grey_scale(images: Tensor) -> Tensor:
    """images: [B, 3, H, W]. Returns the luma in all three channels, same shape."""
    weights = images.new_tensor(LUMA).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True).expand_as(images)
