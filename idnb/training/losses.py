"""The losses of the dual encoder: equations 3 to 6.

Two pictures pull at the output. Pixels and perceptual features are compared with the photo the *contour* was taken
from, identity with the *identity* image; when these show two people, the terms contradict each other by design, and
their weights decide what each may keep.

Where the paper is ambiguous: its L2 is printed as a norm; like the projects it builds on (pSp, ReStyle) we take the
mean of the squared differences. Its W term is the norm over all rows of the difference, averaged over the batch, as
there.

Two further terms are not the paper's, and weigh nothing unless asked for. `contour`: a low-resolution contour is a
picture, and equation 3 at its own size asks for its light and colours, whatever the identity term would rather have.
`latent_norm`: equation 5 holds the W+ code near its mean, but not the input latent, and an encoder escapes into what
costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.resize import resize
from idnb.models.embedder import FaceEmbedder, refuse_held_out
from idnb.models.lpips_distance import random_window
from idnb.training.augmentation import AugmentationConfig, augment

__all__ = [
    "WEIGHTS",
    "EncoderLoss",
    "LossWeights",
    "Targets",
    "identity_loss",
    "l2_loss",
    "norm_loss",
    "w_norm_loss",
]


@dataclass(frozen=True)
class LossWeights:
    """The weights of equation 6, lambda 1 to 4; the defaults are the paper's (section 3.1).

    contour, latent_norm: of the terms that the paper does not have.
    """

    l2: float = 0.1
    perceptual: float = 1.0
    identity: float = 0.5
    w_norm: float = 0.003
    contour: float = 0.0
    latent_norm: float = 0.0


WEIGHTS = {"tiny": LossWeights(3.0, 0.6, 1.0, 0.002), "paper": LossWeights()}
"""The weights of each preset; `idnb ablate identity` measures those of `tiny` beside the paper's."""


class Targets(NamedTuple):
    """What outputs are compared with; computed once for all refinement steps of a batch.

    photo: [B, 3, S, S], the picture the contour was taken from. embeddings: z_id of each identity network, [B, D] each,
    of length one.
    """

    photo: Tensor
    embeddings: list[Tensor]


def l2_loss(output: Tensor, photo: Tensor) -> Tensor:
    """Equation 3, first line, as the mean of squared differences.

    output, photo: [B, 3, S, S] in [-1, 1]. Returns a number.
    """
    return F.mse_loss(output, photo)


def identity_loss(z_id: Tensor, z_gen: Tensor) -> Tensor:
    """Equation 4: one minus the cosine, averaged over the batch.

    z_id, z_gen: [B, D], embeddings of identity image and output, of any length. Returns a number from 0 to 2.
    """
    return 1 - F.cosine_similarity(z_id, z_gen, dim=1).mean()


def w_norm_loss(w_plus: Tensor, w_avg: Tensor) -> Tensor:
    """Equation 5: the distance of the W+ code from the mean of w, over all rows together, averaged over the batch.

    w_plus: [B, n_styles, D]. w_avg: [D]. Returns a number.
    """
    return norm_loss(w_plus - w_avg)


def norm_loss(change: Tensor) -> Tensor:
    """The length of a change of code, averaged over the batch. change: [B, ...]. Returns a number."""
    # The norm has no gradient at zero, which is where an untrained encoder stands: a hair is added under the root.
    return change.flatten(1).square().sum(dim=1).add(1e-8).sqrt().mean()


class EncoderLoss(nn.Module):
    """Equation 6: the weighted sum of all terms.

    identity_networks: one or several frozen networks (`idnb.load_identity_network`); their losses are averaged. Several
        of different make are harder to please without showing the right person. The held-out judge is refused.
    perceptual: P(.) of equation 3 as a distance: LPIPS, or any module (a, b) -> [B]. Larger pictures are compared in a
        window (`idnb.models.lpips_distance.random_window`).
    weights: see `LossWeights`. contour_size: side of the low-resolution contour, for the term `contour`, or None.
    augmentation: how the output is changed at random before it is embedded, or None for the plain output as in the
        paper.
    n_augmented: augmentations of each output, whose losses are averaged; the plain output is then not embedded.
    """

    def __init__(
        self,
        identity_networks: FaceEmbedder | Sequence[FaceEmbedder],
        perceptual: nn.Module,
        weights: LossWeights | None = None,
        augmentation: AugmentationConfig | None = None,
        n_augmented: int = 1,
        contour_size: int | None = None,
    ) -> None:
        super().__init__()
        networks = [identity_networks] if isinstance(identity_networks, FaceEmbedder) else list(identity_networks)
        if not networks:
            raise InputError("identity_networks is empty; give at least one, from idnb.load_identity_network")
        refuse_held_out("identity_networks", *networks)
        refuse_held_out("perceptual", perceptual)
        self.identity_networks = nn.ModuleList(networks)
        self.perceptual = perceptual
        self.weights = weights or LossWeights()
        self.contour_size = contour_size
        self.augmentation, self.n_augmented = augmentation, n_augmented if augmentation is not None else 1
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> EncoderLoss:
        """Stays in eval mode: nothing here is trained."""
        return super().train(False)

    @torch.no_grad()
    def targets(self, photo: Tensor, x_id: Tensor) -> Targets:
        """Describe what outputs of a batch will be compared with.

        photo: [B, 3, S, S] in [-1, 1], what the contour was taken from. x_id: [B, 3, H, H] in [-1, 1].
        """
        return Targets(photo, [network(x_id) for network in self.identity_networks])

    def forward(
        self,
        output: Tensor,
        targets: Targets,
        w_plus: Tensor,
        w_avg: Tensor,
        random: torch.Generator | None = None,
        latent_change: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """All terms for one batch of outputs.

        output: [B, 3, S, S] around [-1, 1]. targets: from `targets`. w_plus: [B, n_styles, D]. w_avg: [D].
        random: for window and augmentations; None gives those of a generator with seed 0. latent_change: [B, C, 4, 4],
        the input latent without the generator's constant, or None where an encoder has none.
        Returns {"total", "l2", "perceptual", "identity", "w_norm", "contour", "latent_norm"}; the parts come without
        their weights.
        """
        random = random or torch.Generator().manual_seed(0)
        terms = {
            "l2": l2_loss(output, targets.photo),
            "perceptual": self.perceptual_loss(output, targets, random),
            "identity": self.identity_term(output, targets, random),
            "w_norm": w_norm_loss(w_plus, w_avg),
            "contour": self.contour_term(output, targets),
            "latent_norm": output.new_zeros(()) if latent_change is None else norm_loss(latent_change),
        }
        total = sum((getattr(self.weights, name) * term for name, term in terms.items()), start=output.new_zeros(()))
        return {"total": total, **terms}

    def perceptual_loss(self, output: Tensor, targets: Targets, random: torch.Generator) -> Tensor:
        """Equation 3, second line: the mean perceptual distance to the contour's photo, in one window of a batch."""
        seen = random_window([output, targets.photo], self.perceptual, random)
        return self.perceptual(*seen).float().mean()

    def contour_term(self, output: Tensor, targets: Targets) -> Tensor:
        """Equation 3, first line, at the size of the low-resolution contour; 0 for other kinds."""
        if self.contour_size is None:
            return output.new_zeros(())
        return l2_loss(*(resize(x, self.contour_size, "bicubic") for x in (output, targets.photo)))

    def identity_term(self, output: Tensor, targets: Targets, random: torch.Generator) -> Tensor:
        """Equation 4 for the plain output or its augmentations, averaged over the identity networks."""
        seen = [output]
        if self.augmentation is not None:
            seen = [augment(output, random, self.augmentation) for _ in range(self.n_augmented)]
        pictures = torch.cat(seen)  # [n_augmented B, 3, S, S]
        losses = [
            identity_loss(z_id.repeat(len(seen), 1), network(pictures))
            for network, z_id in zip(self.identity_networks, targets.embeddings, strict=True)
        ]
        return torch.stack(losses).mean()
