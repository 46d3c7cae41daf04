"""What an optimisation of codes strives for: one number an image, made of named terms.

An objective is called with images and answers with weighted terms, each [B]: one number an image, so that the images of
a batch do not influence each other. Two are here:

    Reconstruction    the picture is known: be equal to it (GAN inversion proper)
    Guidance          only a low-resolution contour and a picture of the person are known: the task of the paper
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.images import OVERSHOOT, check_range
from idnb.core.resize import resize
from idnb.core.shapes import check_shape
from idnb.models.embedder import FaceEmbedder, refuse_held_out

__all__ = ["Guidance", "Objective", "Reconstruction"]

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images [B, 3, H, H] -> one number an image, such as `idnb.models.lpips_distance.LPIPS`."""


Objective = Callable[[Tensor], dict[str, Tensor]]
"""Images [B, 3, H, H] around [-1, 1] -> named, weighted terms [B]; their sum is to be made small."""


def identity_term(network: FaceEmbedder, target: Tensor, images: Tensor) -> Tensor:
    """One minus the cosine of two embeddings, [B] (equation 4); target: [B, embedding] of length one."""
    return 1 - (network(images) * target).sum(dim=1)


class Reconstruction:
    """Be equal to given pictures: mean squared error, perceptual distance, and identity if wanted.

    targets: [B, 3, H, H] in [-1, 1]; the squared error is taken at their size.
    perceptual: a distance of two batches of images, frozen, or None to leave it out.
    perceptual_size: side at which it is taken (of 32 px at least for LPIPS).
    identity_network: as from `load_identity_network`, or None to leave the term out.
    weights: of the terms "l2", "perceptual" and "identity"; missing ones keep their default.

    Reference: Abdal et al., "Image2StyleGAN", ICCV 2019, equation 1, with the identity term added.
    """

    DEFAULTS: ClassVar[dict[str, float]] = {"l2": 1.0, "perceptual": 0.1, "identity": 0.05}

    def __init__(
        self,
        targets: Tensor,
        perceptual: Distance | None = None,
        perceptual_size: int = 64,
        identity_network: FaceEmbedder | None = None,
        weights: dict[str, float] | None = None,
    ) -> None:
        check_shape("targets", targets, ["B", 3, "H", targets.shape[-1]])
        check_range(targets, "targets", OVERSHOOT)
        refuse_held_out("identity_network", identity_network)
        refuse_held_out("perceptual", perceptual)
        self.weights = merged(self.DEFAULTS, weights)
        self.targets, self.perceptual, self.perceptual_size = targets, perceptual, perceptual_size
        self.identity_network = identity_network
        with torch.no_grad():
            self.small = resize(targets, perceptual_size)
            self.person = None if identity_network is None else identity_network(targets)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """images: [B, 3, H', H'] -> the terms, each [B]."""
        error = resize(images, self.targets.shape[-1]) - self.targets
        terms = {"l2": self.weights["l2"] * error.square().mean(dim=(1, 2, 3))}
        if self.perceptual is not None:
            distance = self.perceptual(resize(images, self.perceptual_size), self.small).flatten()  # [B]
            terms["perceptual"] = self.weights["perceptual"] * distance
        if self.identity_network is not None and self.person is not None:
            terms["identity"] = self.weights["identity"] * identity_term(self.identity_network, self.person, images)
        return terms


class Guidance:
    """Shrink to a given contour and be a given person: what can be asked for when the picture is not known.

    x_c: low-resolution contours, [B, 3, s, s] in [-1, 1].
    x_id: pictures of the person, [B, 3, H, H] in [-1, 1], or None to leave identity out.
    identity_network: as from `load_identity_network`; needed with `x_id`.
    weights: of the terms "contour" and "identity"; missing ones keep their default.
    """

    DEFAULTS: ClassVar[dict[str, float]] = {"contour": 10.0, "identity": 0.5}

    def __init__(
        self,
        x_c: Tensor,
        x_id: Tensor | None = None,
        identity_network: FaceEmbedder | None = None,
        weights: dict[str, float] | None = None,
    ) -> None:
        if x_c.ndim != 4 or x_c.shape[1] != 3 or x_c.shape[2] != x_c.shape[3]:
            raise InputError(
                f"x_c: optimisation compares low-resolution contours, [B, 3, s, s]; got {list(x_c.shape)}. Sketches "
                "and label maps are made by steps without a gradient; use an encoder for them"
            )
        if (x_id is None) != (identity_network is None):
            raise InputError("x_id and identity_network belong together: give both or neither")
        refuse_held_out("identity_network", identity_network)
        if x_id is not None:
            check_shape("x_id", x_id, [len(x_c), 3, "H", "W"])
            check_range(x_id, "x_id", OVERSHOOT)
        self.weights = merged(self.DEFAULTS, weights)
        self.x_c, self.identity_network = x_c, identity_network
        with torch.no_grad():
            self.person = None if identity_network is None or x_id is None else identity_network(x_id)

    def contour_error(self, images: Tensor) -> Tensor:
        """Mean squared error between the shrunk images and the contour, [B]."""
        return (resize(images, self.x_c.shape[-1], "bicubic", clamp=False) - self.x_c).square().mean(dim=(1, 2, 3))

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """images: [B, 3, H, H] -> the terms, each [B]."""
        terms = {"contour": self.weights["contour"] * self.contour_error(images)}
        if self.identity_network is not None and self.person is not None:
            terms["identity"] = self.weights["identity"] * identity_term(self.identity_network, self.person, images)
        return terms


def merged(defaults: dict[str, float], weights: dict[str, float] | None) -> dict[str, float]:
    """Defaults, replaced where `weights` says so. Raises InputError for a term that does not exist."""
    unknown = sorted(set(weights or {}) - set(defaults))
    if unknown:
        raise InputError(f"weights: no term is called {unknown[0]!r}; there are: {', '.join(defaults)}")
    return {**defaults, **(weights or {})}
