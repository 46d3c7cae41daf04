"""The contour conditions of the paper by name: low-resolution image, sketch, label map.

To add a fourth kind, write a subclass of `idnb.contours.contour.Contour` and enter it in `CONTOURS`; data, training,
evaluation, commands, figures and labs find it there. Nothing else has to be changed.

Paper: section 3.1 (32 x 32 bicubic for inputs of 256; labels of CelebAMask-HQ; sketches of a data set that is no longer
to be had, for which `idnb.contours.line_art` stands in).
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import Any

from torch import Tensor

from idnb.contours.checks import check_size
from idnb.contours.contour import Contour
from idnb.contours.label_map import LabelMap
from idnb.contours.low_res import LowRes
from idnb.contours.sketch import Sketch
from idnb.core.errors import InputError

__all__ = ["CONTOURS", "contour_from_file", "contour_kind"]

CONTOURS: dict[str, Contour] = {kind.name: kind for kind in (LowRes(), Sketch(), LabelMap())}
"""Every kind of contour by its name, with its default settings. A new kind is entered here."""


def contour_kind(kind: str, **settings: Any) -> Contour:
    """A kind of contour by name, with settings of your own.

    kind: "low_res", "sketch" or "label_map".
    settings: fields of the kind, such as `size=32` for low_res.
    Returns the kind; `.make`, `.display` and `.network_input` do the work, `.channels` is what the encoder reads.
    Raises InputError: unknown kind or setting.
    """
    if kind not in CONTOURS:
        raise InputError(f"no contour is called {kind!r}; choose one of: {', '.join(CONTOURS)}")
    try:
        return replace(CONTOURS[kind], **settings) if settings else CONTOURS[kind]  # type: ignore[type-var]
    except TypeError:
        raise InputError(f"{kind} does not have the setting {', '.join(settings)}") from None


def contour_from_file(path: str | PathLike, kind: str, size: int, **options: Any) -> Tensor:
    """A contour of your own from a file.

    path: a square picture. low_res: any picture, it is shrunk. sketch: a drawing in dark lines on light paper, or a
        photo with `drawing=False`. label_map: a grey or index PNG of class numbers in the order of CelebAMask-HQ,
        or with `order="face-parsing"` in the other common order; or a map painted with `LABEL_PALETTE`.
    kind: "low_res", "sketch" or "label_map".
    size: side of the network's input in pixels; low_res is shrunk to an eighth of it, as in the paper.
    options: see `path`.
    Returns a batch of one contour, laid out as the kind's class says.
    Raises InputError: the file cannot be used; the message names it and the remedy.
    """
    check_size(size, "size", 16, 4096)
    return contour_kind(kind).sized(max(4, size // 8)).read(path, size, **options)
