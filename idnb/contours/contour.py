"""What a kind of contour is: the interface of all three, and of any that you add.

A kind of contour is one class. It makes the contour from an image, shows it, stores it, mirrors it, reads it from a
file, turns it into what the network reads, says how an output's contour is compared with the one that was asked for,
and what the drawing lab offers to draw it with. Nothing else in the package knows one kind from another.

Shapes: images are [B, 3, H, W] float in [-1, 1], square; contours of one kind always have the same layout.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from os import PathLike
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from idnb.core.errors import InputError

__all__ = ["Contour", "LabelReader", "Measure", "Pen"]


class Measure(NamedTuple):
    """How it is measured whether an output kept its contour: one number an image, of `Contour.fidelity`.

    name: of the number. title: in labs. heading, digits: of its column in tables. unit: "" for none.
    figure: what tables show of all images, where it is not the mean. larger_is_better: which way is up.
    """

    name: str
    title: str
    heading: str
    digits: int = 3
    unit: str = ""
    figure: str = ""
    larger_is_better: bool = True

    @property
    def key(self) -> str:
        """The figure that tables show."""
        return self.figure or self.name


class Pen(NamedTuple):
    """What the drawing lab offers: a title, the number 0 to 255 that it leaves on the sheet, its colour on screen."""

    title: str
    value: int
    colour: tuple[int, int, int]


class LabelReader(Protocol):
    """Reads label maps off pictures, as `idnb.models.face_parser.FaceParser` does. size: side at which it reads."""

    size: int

    def label_maps(self, images: Tensor) -> Tensor:
        """images: [B, 3, H, H] in [-1, 1]. Returns [B, H, H] class numbers."""
        ...


class Contour(ABC):
    """One kind of contour. Subclasses set the first four; the others say what a kind can do beyond the common.

    name: in code and on the command line. title: for people. channels: of the network input. measure: see `Measure`.
    needs_label_map: without one it cannot be made, nor measured. uses_label_map: where there is one, it is made with
    it. has_side: its size is a choice (`sized`). is_picture: it is a small picture of the face, so that it can be
    enlarged, and outputs compared with it by gradients. pens: what it is drawn with, the first choice first; none where
    it is not drawn. pen_radius: of a stroke, in pixels. soft: strokes have soft borders; class numbers must not be
    mixed.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    channels: ClassVar[int]
    measure: ClassVar[Measure]
    needs_label_map: ClassVar[bool] = False
    uses_label_map: ClassVar[bool] = False
    has_side: ClassVar[bool] = False
    is_picture: ClassVar[bool] = False
    pens: ClassVar[tuple[Pen, ...]] = ()
    first_pen: ClassVar[int] = 0
    pen_radius: ClassVar[float] = 1.0
    soft: ClassVar[bool] = True

    @abstractmethod
    def make(self, images: Tensor, label_maps: Tensor | None = None) -> Tensor:
        """Contours of images.

        images: [B, 3, H, H] float in [-1, 1].
        label_maps: [B, h, h] class numbers 0 to 18, where they exist.
        Returns the contours, laid out as the kind's class says.
        Raises InputError: wrong shapes, types or ranges, or a label map is needed and missing.
        """

    @abstractmethod
    def display(self, contour: Tensor, size: int) -> Tensor:
        """Pictures of contours for people: [B, 3, size, size] float in [-1, 1]; pixels and classes stay sharp."""

    @abstractmethod
    def network_input(self, contour: Tensor, size: int) -> Tensor:
        """What the encoder reads: [B, channels, size, size] float."""

    @abstractmethod
    def read(self, path: str | PathLike, size: int, **options: Any) -> Tensor:
        """A contour of your own from a file, batch of one; see `contour_from_file`."""

    @abstractmethod
    def fidelity(self, outputs: Tensor, x_c: Tensor, parser: LabelReader | None = None) -> dict[str, Tensor]:
        """Derive the contour of each output again and compare it with the one that was asked for.

        outputs: [B, 3, H, H] in [-1, 1]; values outside are cut off. x_c: the contours, from `make`. parser: for kinds
        that use label maps. Returns the number of `measure` by its name, [B], and what else belongs to it.
        """

    def labels_of(self, faces: Any, rows: Any) -> Tensor | None:
        """Label maps of some pictures of a set, where the kind is made with them and the set has any; else None."""
        return faces.label_maps(rows) if self.uses_label_map and faces.has_label_maps else None

    def sized(self, side: int | None) -> Contour:
        """The kind with contours of `side` pixels, where that is a choice (`has_side`); all others stay as they are.

        side: None changes nothing.
        """
        return self

    def pack(self, images: Tensor, label_maps: Tensor | None, size: int) -> Tensor:
        """Contours of images as a training set stores them, [B, ...]; here in half precision.

        images, label_maps: as for `make`. size: side of the network's input in pixels; finer than that none is kept.
        """
        return self.make(images, label_maps).half()

    def unpack(self, packed: Tensor) -> Tensor:
        """Contours as `make` gives them, up to rounding, from what `pack` stored."""
        return packed.float()

    def mirror(self, contour: Tensor) -> Tensor:
        """The contours of the mirrored images."""
        return contour.flip(-1)

    def to_sheet(self, contour: Tensor) -> np.ndarray:
        """One contour as a sheet to draw on: [S, S] uint8, in the numbers of `pens`. Raises InputError for others."""
        raise InputError(f"a {self.title} is not drawn; kinds with pens are")

    def from_sheet(self, sheet: np.ndarray) -> Tensor:
        """A sheet [S, S] uint8 as a batch of one contour."""
        raise InputError(f"a {self.title} is not drawn; kinds with pens are")

    def refuse(self, options: dict[str, Any]) -> None:
        """Raise InputError where options of `read` are left over."""
        if options:
            raise InputError(f"{self.name} does not know the option {', '.join(options)}")
