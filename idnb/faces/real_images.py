"""The pictures a GAN learns from: a folder of rendered people, decoded once, in memory as bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from idnb.core.errors import InputError
from idnb.core.folders import list_files
from idnb.core.pictures import read_picture

__all__ = ["RealImages", "read_labels", "read_strips"]


def read_strips(folder: str | Path, size: int, people: int | None = None, progress: bool = True) -> Tensor:
    """Decode every picture of a rendered set.

    folder: a set, with images/*.webp or images/*.png: one strip a person, square shots side by side.
    size: side of the result in pixels; larger shots are averaged down by a whole factor.
    people: only so many of the first; None takes all. progress: show a bar.
    Returns [N, size, size, 3] uint8 in the order of the file names.
    Raises InputError when there is no picture, or one is damaged, or its side is no multiple of `size`.
    """
    folder = Path(folder)
    paths = _strips(folder / "images", (".webp", ".png"))[:people]
    if not paths:
        raise InputError(f"{folder}: no images/*.webp or images/*.png; make a set with `idnb render --out {folder}`")
    shots = []
    for path in tqdm(paths, desc=f"decoding at {size} px", unit="person", disable=not progress):
        strip = np.asarray(read_picture(path, remedy="delete it and render again").convert("RGB"))  # [H, K*H, 3]
        height, width = strip.shape[:2]
        if width % height or height % size:
            raise InputError(
                f"{path}: a strip of {width} x {height} pixels does not hold squares that shrink to {size}"
            )
        factor = height // size
        cells = strip.reshape(size, factor, width // factor, factor, 3)
        small = cells.mean(axis=(1, 3)) if factor > 1 else strip  # [size, K*size, 3]
        squares = small.reshape(size, width // height, size, 3).transpose(1, 0, 2, 3)  # [K, size, size, 3]
        shots.append(torch.from_numpy(np.rint(squares).astype(np.uint8)))
    return torch.cat(shots)


def read_labels(folder: str | Path, people: int | None = None, progress: bool = True) -> Tensor:
    """The label maps of a rendered set, in the order of `read_strips`.

    folder: a set, with labels/*.png, one strip a person. people: only so many of the first; None takes all.
    progress: show a bar. Returns [N, S, S] uint8 class numbers.
    Raises InputError when a strip cannot be read or is none of label maps.
    """
    maps = []
    paths = _strips(Path(folder) / "labels", (".png",))[:people]
    for path in tqdm(paths, desc="decoding label maps", unit="person", disable=not progress):
        strip = np.asarray(read_picture(path, remedy="delete it and render again"))  # [S, K*S]
        size = strip.shape[0]
        if strip.ndim != 2 or strip.shape[1] % size:
            raise InputError(f"{path}: is no strip of square label maps; delete it and render again")
        maps.append(torch.from_numpy(strip.reshape(size, -1, size).transpose(1, 0, 2).copy()))  # [K, S, S]
    return torch.cat(maps)


def _strips(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    names = list_files(folder, deep=False).with_suffix(suffixes) if folder.is_dir() else []
    return [folder / name for name in names]


class RealImages:
    """Random batches of real pictures, mirrored at random.

    pixels: [N, H, W, 3] uint8, as from `read_strips`.
    """

    def __init__(self, pixels: Tensor) -> None:
        if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != torch.uint8:
            raise InputError(f"pixels: expected [N, H, W, 3] uint8, got {list(pixels.shape)} {pixels.dtype}")
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, count: int, random: torch.Generator) -> Tensor:
        """Draw pictures with replacement.

        count: how many. random: source of the draw and of the mirroring.
        Returns [count, 3, H, W] float in [-1, 1].
        """
        index = torch.randint(len(self.pixels), (count,), generator=random)
        mirrored = torch.rand(count, generator=random) < 0.5
        images = self.at(index)  # [count, 3, H, W]
        return torch.where(mirrored[:, None, None, None], images.flip(3), images)

    def at(self, index: Tensor) -> Tensor:
        """The pictures with these numbers, not mirrored, [len(index), 3, H, W] float in [-1, 1]."""
        return self.pixels[index].permute(0, 3, 1, 2).float() / 127.5 - 1  # [B, 3, H, W]
