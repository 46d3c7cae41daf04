"""What kinds of contours refuse: wrong shapes, types, ranges and sizes, each in words."""

from __future__ import annotations

from os import PathLike
from typing import Any

from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.images import check_range
from idnb.faces.labels import check_label_map

__all__ = ["check_contour", "check_images", "check_size", "check_square", "matching_labels"]


def check_images(images: Tensor) -> Tensor:
    """Images [B, 3, H, H] float in [-1, 1] as they are; InputError for others."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        found = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
        hint = "; add the batch axis with x[None]" if isinstance(images, Tensor) and images.ndim == 3 else ""
        raise InputError(f"images: expected a tensor [B, 3, H, W], got {found}{hint}")
    if images.shape[2] != images.shape[3]:
        raise InputError(f"images are {images.shape[3]} x {images.shape[2]}, not square; cut out faces with align_face")
    check_range(images, "images")
    return images


def check_contour(contour: Tensor, kind: str, channels: int, low: float) -> Tensor:
    """Contours [B, channels, s, s] float in [low, 1] as they are; InputError for others. kind: for the message."""
    shape = list(contour.shape)
    if contour.ndim != 4 or shape[1] != channels or shape[2] != shape[3] or not contour.is_floating_point():
        raise InputError(f"a {kind} contour is float [B, {channels}, s, s]; got {contour.dtype} {shape}")
    if not (float(contour.min()) >= low - 0.01 and float(contour.max()) <= 1.01):
        found = f"{float(contour.min()):.3g} to {float(contour.max()):.3g}"
        raise InputError(f"a {kind} contour has values in [{low:g}, 1]; got {found}")
    return contour


def check_size(size: Any, name: str, low: int, high: int, reason: str = "") -> int:
    """A whole number of pixels from `low` to `high` as it is; InputError for others. name, reason: for the message."""
    if isinstance(size, bool) or not isinstance(size, int) or not low <= size <= high:
        raise InputError(f"{name} is {size!r}; expected a whole number of pixels from {low} to {high}{reason}")
    return size


def check_square(picture: Tensor, path: str | PathLike) -> Tensor:
    """A picture [..., H, W] of equal sides, a pixel more or less; InputError that names the file for others."""
    height, width = picture.shape[-2:]
    if abs(width - height) > 1:
        raise InputError(
            f"{path} is {width} x {height}, not square; cut it to a square first (align_face does, for faces)"
        )
    return picture


def matching_labels(label_maps: Tensor, images: Tensor) -> Tensor:
    """Label maps [B, S, S] as int64 beside their images; InputError where they are not one for each."""
    labels = check_label_map(label_maps, "label_maps")
    if labels.ndim != 3 or len(labels) != len(images) or labels.shape[1] != labels.shape[2]:
        raise InputError(f"label_maps are {list(labels.shape)}; expected [{len(images)}, S, S], one for each image")
    return labels.to(images.device)
