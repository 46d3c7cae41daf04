"""What a search through codes gives, the best it has seen, and long lists of images in batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.models.stylegan2 import Generator

__all__ = ["Best", "Inversion", "batch_size", "in_batches"]


@dataclass
class Inversion:
    """What came out.

    w_plus: [B, n_styles, style_dim], the code with the smallest objective on the way.
    input_latent: [B, C, 4, 4] or None.
    images: [B, 3, H, H] of these codes.
    terms: name -> [steps + 1, B]: each term at every step; the last row belongs to `images`.
    psnr: [steps + 1, B] in dB, likewise; None where no picture is known.
    seconds: time of the optimisation for an image.
    converged: [B] bool, for methods that have a goal; None for others.
    noise: noise pictures [B, 1, r, r] that belong to `images`, where a method changes them; None for the fixed ones.
    """

    w_plus: Tensor
    input_latent: Tensor | None
    images: Tensor
    terms: dict[str, Tensor]
    psnr: Tensor | None = None
    seconds: float = 0.0
    converged: Tensor | None = None
    noise: list[Tensor] | None = None


class Best:
    """For each image of a batch, the values of variables at the smallest objective seen so far."""

    def __init__(self, count: int) -> None:
        self.total = torch.full((count,), math.inf)
        self.values: list[Tensor] = []

    def see(self, total: Tensor, variables: list[Tensor]) -> None:
        """Keep what is better than before: total [B], variables [B, ...] each."""
        total = total.detach()
        self.total = self.total.to(total)
        if not self.values:
            self.values = [variable.detach().clone() for variable in variables]
        better = total < self.total
        for value, variable in zip(self.values, variables, strict=True):
            value[better] = variable.detach()[better]
        self.total = torch.where(better, total, self.total)


def batch_size(generator: Generator, batch: int | None) -> int:
    """Images at once: `batch`, or as many as need the memory of ten images of 128 px."""
    return batch or max(1, min(16, 10 * 128**2 // generator.size**2))


def in_batches(count: int, batch: int, run: Callable[[slice], Inversion]) -> Inversion:
    """Run an inversion on slices of at most `batch` images and put the answers together.

    count: of images. run: takes a slice of them. Returns the answers in the order of the images.
    """
    if count < 1:
        raise InputError("there is no image to invert")
    parts = [run(slice(first, min(first + batch, count))) for first in range(0, count, max(1, batch))]
    ratios = [part.psnr for part in parts if part.psnr is not None]
    latents = [part.input_latent for part in parts if part.input_latent is not None]
    reached = [part.converged for part in parts if part.converged is not None]
    noises = [part.noise for part in parts if part.noise is not None]
    return Inversion(
        w_plus=torch.cat([part.w_plus for part in parts]),
        input_latent=torch.cat(latents) if latents else None,
        images=torch.cat([part.images for part in parts]),
        terms={name: torch.cat([part.terms[name] for part in parts], dim=1) for name in parts[0].terms},
        psnr=torch.cat(ratios, dim=1) if ratios else None,
        seconds=sum(part.seconds * len(part.w_plus) for part in parts) / count,
        converged=torch.cat(reached) if reached else None,
        noise=[torch.cat(maps) for maps in zip(*noises, strict=True)] if noises else None,
    )
