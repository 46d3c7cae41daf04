"""The contour conditions of the paper: low-resolution image, sketch, label map.

A kind of contour is one small class: it makes the contour from an image, shows it, and turns it into what the network
reads. To add a fourth kind, write a subclass of `Contour` and enter it in `CONTOURS` at the end of this file; data,
training, plots and the lab find it there.

Shapes: images are [B, 3, H, W] float in [-1, 1], square; contours of one kind always have the same layout:

    low_res    [B, 3, s, s] float in [-1, 1]    network input: 3 channels in [-1, 1]
    sketch     [B, 1, S, S] float in [0, 1]     network input: 1 channel in [-1, 1]
    label_map  [B, S, S] int64, 0 to 18         network input: 19 channels, one-hot

Paper: section 3.1 (32 x 32 bicubic for inputs of 256; labels of CelebAMask-HQ; sketches of a data set that is no longer
to be had, for which `idnb.contours.line_art` stands in).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from idnb.contours.line_art import draw_from_image, draw_from_labels
from idnb.core.errors import InputError
from idnb.core.resize import resize_bicubic
from idnb.faces.labels import N_LABELS, check_label_map, colour_labels, official_order
from idnb.faces.photo import open_index_picture, photo_to_tensor

__all__ = ["CONTOURS", "Contour", "LabelMap", "LowRes", "Sketch", "contour_from_file", "contour_kind"]


def _check_images(images: torch.Tensor) -> torch.Tensor:
    if not isinstance(images, torch.Tensor) or images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        found = list(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
        hint = "; add the batch axis with x[None]" if isinstance(images, torch.Tensor) and images.ndim == 3 else ""
        raise InputError(f"images: expected a tensor [B, 3, H, W], got {found}{hint}")
    if images.shape[2] != images.shape[3]:
        raise InputError(f"images are {images.shape[3]} x {images.shape[2]}, not square; cut out faces with align_face")
    if not images.is_floating_point():
        raise InputError(f"images have type {images.dtype}; expected float in [-1, 1]: use x / 127.5 - 1")
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.01 and high <= 1.01):  # also false for NaN
        raise InputError(f"images hold values from {low:.3g} to {high:.3g}; expected [-1, 1]")
    return images


def _check_contour(contour: torch.Tensor, kind: str, channels: int, low: float) -> torch.Tensor:
    shape = list(contour.shape)
    if contour.ndim != 4 or shape[1] != channels or shape[2] != shape[3] or not contour.is_floating_point():
        raise InputError(f"a {kind} contour is float [B, {channels}, s, s]; got {contour.dtype} {shape}")
    if not (float(contour.min()) >= low - 0.01 and float(contour.max()) <= 1.01):
        found = f"{float(contour.min()):.3g} to {float(contour.max()):.3g}"
        raise InputError(f"a {kind} contour has values in [{low:g}, 1]; got {found}")
    return contour


def _check_size(size: Any, name: str, low: int, high: int, reason: str = "") -> int:
    if isinstance(size, bool) or not isinstance(size, int) or not low <= size <= high:
        raise InputError(f"{name} is {size!r}; expected a whole number of pixels from {low} to {high}{reason}")
    return size


class Contour(ABC):
    """One kind of contour. Subclasses set `name`, `title`, `channels` and `needs_label_map`."""

    name: ClassVar[str]
    title: ClassVar[str]
    channels: ClassVar[int]
    needs_label_map: ClassVar[bool] = False

    @abstractmethod
    def make(self, images: torch.Tensor, label_maps: torch.Tensor | None = None) -> torch.Tensor:
        """Contours of images.

        Args:
            images: [B, 3, H, H] float in [-1, 1].
            label_maps: [B, h, h] class numbers 0 to 18, where they exist.

        Returns:
            The contours, laid out as the module's table says.

        Raises:
            InputError: wrong shapes, types or ranges, or a label map is needed and missing.
        """

    @abstractmethod
    def display(self, contour: torch.Tensor, size: int) -> torch.Tensor:
        """Pictures of contours for people: [B, 3, size, size] float in [-1, 1]; pixels and classes stay sharp."""

    @abstractmethod
    def network_input(self, contour: torch.Tensor, size: int) -> torch.Tensor:
        """What the encoder reads: [B, channels, size, size] float."""

    @abstractmethod
    def read(self, path: str | PathLike, size: int, **options: Any) -> torch.Tensor:
        """A contour of your own from a file, batch of one; see `contour_from_file`."""


@dataclass(frozen=True)
class LowRes(Contour):
    """The image shrunk to `size` x `size` pixels (8 for inputs of 64, 32 for inputs of 256: the paper's ratio)."""

    size: int = 8
    name: ClassVar[str] = "low_res"
    title: ClassVar[str] = "low resolution"
    channels: ClassVar[int] = 3

    def __post_init__(self) -> None:
        _check_size(self.size, "low_res size", 4, 4096)

    def make(self, images: torch.Tensor, label_maps: torch.Tensor | None = None) -> torch.Tensor:
        """Shrink with `resize_bicubic`: [B, 3, size, size] in [-1, 1]; label maps are not looked at."""
        side = _check_images(images).shape[-1]
        _check_size(self.size, "low_res size", 4, side, f" (the side of the images is {side})")
        return resize_bicubic(images, self.size)

    def display(self, contour: torch.Tensor, size: int) -> torch.Tensor:
        """Each pixel becomes a square block."""
        return F.interpolate(_check_contour(contour, self.name, 3, -1.0), size=(size, size), mode="nearest-exact")

    def network_input(self, contour: torch.Tensor, size: int) -> torch.Tensor:
        """Brought back to the input size with `resize_bicubic`, so a smooth, blurred face: [B, 3, size, size]."""
        side = _check_contour(contour, self.name, 3, -1.0).shape[-1]
        _check_size(size, "input size", side, 4096, f" (the contour has {side})")
        return resize_bicubic(contour, size)

    def read(self, path: str | PathLike, size: int, **options: Any) -> torch.Tensor:
        """Any square picture, shrunk; one that is already smaller than `LowRes.size` is kept."""
        _refuse(options, self.name)
        image = photo_to_tensor(path)[None]  # [1, 3, H, W]
        side = min(_check_square(image, path).shape[-1], self.size)
        if side < 4:
            raise InputError(f"{path} has only {side} x {side} pixels; a low_res contour has at least 4 x 4")
        return resize_bicubic(image, side)


@dataclass(frozen=True)
class Sketch(Contour):
    """Dark lines on white paper: from the image alone, or from image and label map where one exists."""

    name: ClassVar[str] = "sketch"
    title: ClassVar[str] = "sketch"
    channels: ClassVar[int] = 1

    def make(self, images: torch.Tensor, label_maps: torch.Tensor | None = None) -> torch.Tensor:
        """Line art of the size of the images: [B, 1, H, H] in [0, 1], 1 is paper. See `idnb.contours.line_art`."""
        _check_size(_check_images(images).shape[-1], "the side of the images", 16, 4096)
        if label_maps is None:
            return draw_from_image(images)
        return draw_from_labels(images, _matching_labels(label_maps, images))

    def display(self, contour: torch.Tensor, size: int) -> torch.Tensor:
        """The drawing in black on white."""
        return self.network_input(contour, size).expand(-1, 3, -1, -1).clone()

    def network_input(self, contour: torch.Tensor, size: int) -> torch.Tensor:
        """Resized with `resize_bicubic` and moved to [-1, 1]: 1 is paper, -1 is ink: [B, 1, size, size]."""
        _check_size(size, "input size", 4, 4096)
        return resize_bicubic(2.0 * _check_contour(contour, self.name, 1, 0.0) - 1.0, size)

    def read(self, path: str | PathLike, size: int, **options: Any) -> torch.Tensor:
        """A drawing in dark lines on light paper (`drawing=True`, the default), or a photo (`drawing=False`)."""
        drawing = options.pop("drawing", True)
        _refuse(options, self.name)
        image = _check_square(photo_to_tensor(path)[None], path)  # [1, 3, H, W]
        if not drawing:
            return self.make(resize_bicubic(image, size))
        grey = 0.5 * resize_bicubic(image, size).mean(1, keepdim=True) + 0.5  # [1, 1, S, S]
        if float(grey.median()) < 0.6:
            raise InputError(
                f"{path} is mostly dark; a sketch has dark lines on light paper. Invert the drawing, "
                "or pass drawing=False if it is a photo from which lines shall be drawn"
            )
        return (grey / grey.flatten().quantile(0.9).clamp_min(0.1)).clamp(0.0, 1.0)  # grey paper becomes white


@dataclass(frozen=True)
class LabelMap(Contour):
    """The class number of each pixel, in the order of `idnb.faces.labels.LABEL_NAMES`; resized by nearest only."""

    name: ClassVar[str] = "label_map"
    title: ClassVar[str] = "label map"
    channels: ClassVar[int] = N_LABELS
    needs_label_map: ClassVar[bool] = True

    def make(self, images: torch.Tensor, label_maps: torch.Tensor | None = None) -> torch.Tensor:
        """The label maps at the size of the images: [B, H, H] int64."""
        side = _check_images(images).shape[-1]
        if label_maps is None:
            raise InputError(
                "a label_map contour needs label_maps: a photo alone has none. Use rendered faces (faces.label_maps), "
                "CelebAMask-HQ, or an index PNG of your own with contour_from_file"
            )
        return _nearest(_matching_labels(label_maps, images), side)

    def display(self, contour: torch.Tensor, size: int) -> torch.Tensor:
        """Painted with the palette."""
        return colour_labels(_nearest(self._check(contour), size))

    def network_input(self, contour: torch.Tensor, size: int) -> torch.Tensor:
        """One channel for each class, 1 where the pixel is of that class: [B, 19, size, size]."""
        _check_size(size, "input size", 4, 4096)
        labels = _nearest(self._check(contour), size)
        return F.one_hot(labels, N_LABELS).movedim(-1, 1).float()  # [B, 19, S, S]

    def read(self, path: str | PathLike, size: int, **options: Any) -> torch.Tensor:
        """An index or grey PNG with class numbers; `order="face-parsing"` for maps in which hair is 17."""
        order = options.pop("order", "celebamask")
        _refuse(options, self.name)
        labels = official_order(open_index_picture(path), order, name=str(path))[None]  # [1, H, W]
        return _nearest(_check_square(labels, path), size)

    @staticmethod
    def _check(contour: torch.Tensor) -> torch.Tensor:
        labels = check_label_map(contour, "a label_map contour")
        if labels.ndim != 3:
            raise InputError(
                f"a label_map contour is [B, S, S]; got {list(labels.shape)}; add the batch axis with [None]"
            )
        return labels


def _nearest(labels: torch.Tensor, size: int) -> torch.Tensor:
    if labels.shape[-2:] == (size, size):
        return labels
    rows, columns = (  # the pixel under each new pixel's middle, in whole numbers: no rounding error decides a tie
        ((2 * torch.arange(size, device=labels.device) + 1) * side) // (2 * size) for side in labels.shape[-2:]
    )
    return labels[..., rows[:, None], columns]  # [B, S, S]


def _matching_labels(label_maps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    labels = check_label_map(label_maps, "label_maps")
    if labels.ndim != 3 or len(labels) != len(images) or labels.shape[1] != labels.shape[2]:
        raise InputError(f"label_maps are {list(labels.shape)}; expected [{len(images)}, S, S], one for each image")
    return labels.to(images.device)


def _check_square(picture: torch.Tensor, path: str | PathLike) -> torch.Tensor:
    height, width = picture.shape[-2:]
    if abs(width - height) > 1:
        raise InputError(
            f"{path} is {width} x {height}, not square; cut it to a square first (align_face does, for faces)"
        )
    return picture


def _refuse(options: dict[str, Any], kind: str) -> None:
    if options:
        raise InputError(f"{kind} does not know the option {', '.join(options)}")


CONTOURS: dict[str, Contour] = {kind.name: kind for kind in (LowRes(), Sketch(), LabelMap())}
"""Every kind of contour by its name, with its default settings. A new kind is entered here."""


def contour_kind(kind: str, **settings: Any) -> Contour:
    """A kind of contour by name, with settings of your own.

    Args:
        kind: "low_res", "sketch" or "label_map".
        settings: fields of the kind, such as `size=32` for low_res.

    Returns:
        The kind; `.make`, `.display` and `.network_input` do the work, `.channels` is what the encoder reads.

    Raises:
        InputError: unknown kind or setting.
    """
    if kind not in CONTOURS:
        raise InputError(f"no contour is called {kind!r}; choose one of: {', '.join(CONTOURS)}")
    try:
        return replace(CONTOURS[kind], **settings) if settings else CONTOURS[kind]  # type: ignore[type-var]
    except TypeError:
        raise InputError(f"{kind} does not have the setting {', '.join(settings)}") from None


def contour_from_file(path: str | PathLike, kind: str, size: int, **options: Any) -> torch.Tensor:
    """A contour of your own from a file.

    Args:
        path: a square picture. low_res: any picture, it is shrunk. sketch: a drawing in dark lines on light paper, or a
            photo with `drawing=False`. label_map: an index or grey PNG of class numbers in the order of CelebAMask-HQ,
            or with `order="face-parsing"` in the other common order.
        kind: "low_res", "sketch" or "label_map".
        size: side of the network's input in pixels; low_res is shrunk to an eighth of it, as in the paper.
        options: see `path`.

    Returns:
        A batch of one contour, laid out as the module's table says.

    Raises:
        InputError: the file cannot be used; the message names it and the remedy.
    """
    _check_size(size, "size", 16, 4096)
    chosen = contour_kind(kind, size=max(4, size // 8)) if kind == "low_res" else contour_kind(kind)
    return chosen.read(path, size, **options)
