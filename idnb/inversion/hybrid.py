"""The hybrid: an encoder answers first, optimisation goes on from there.

An encoder is fast and knows faces; optimisation is slow and knows this one pair. Started from the encoder's answer, and
kept near it, a few dozen steps are enough.

Source: Xia et al., "GAN Inversion: A Survey", TPAMI 2022, section 3.2.3 (hybrid inversion).
"""

from __future__ import annotations

import torch
from torch import Tensor

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.inversion.optimise import InversionConfig, invert_guided
from idnb.inversion.results import Inversion, batch_size, in_batches
from idnb.models.contour_encoder import ContourEncoder, Latents
from idnb.models.embedder import FaceEmbedder, refuse_held_out
from idnb.models.stylegan2 import Generator

__all__ = ["HYBRID", "encoder_answer", "hybrid_guided"]

HYBRID = InversionConfig(steps=60, learning_rate=0.05, stay_near=0.1)
"""How to walk from an encoder's answer: few small steps on a leash."""


@torch.no_grad()
def encoder_answer(
    encoder: ContourEncoder, generator: Generator, x_c: Tensor, x_id: Tensor, steps: int | None = None
) -> Latents:
    """The latents of the encoder's last refinement step; arguments as for `ContourEncoder.generate`."""
    result = encoder.generate(generator, x_c, x_id, steps)
    input_latent = None if result.input_latent is None else result.input_latent[:, -1]
    return Latents(result.w_plus[:, -1], input_latent)


def hybrid_guided(
    encoder: ContourEncoder,
    generator: Generator,
    x_c: Tensor,
    x_id: Tensor,
    identity_network: FaceEmbedder,
    config: InversionConfig | None = None,
    *,
    steps: int | None = None,
    weights: dict[str, float] | None = None,
    progress: bool = True,
) -> Inversion:
    """The paper's task: the encoder's answer, improved under contour and identity.

    encoder: of low-resolution contours. x_c: [B, 3, s, s]. x_id: [B, 3, H, H]. config: `HYBRID` when None.
    steps: of the encoder. weights: see `Guidance`.
    Returns an `Inversion`. Raises InputError for another kind of contour.
    """
    refuse_held_out("identity_network", identity_network)  # before the encoder's answer
    if not contour_kind(encoder.kind).is_picture:
        raise InputError(f"encoder: made for {encoder.kind} contours; optimisation compares low_res contours only")
    config = config or HYBRID

    def run(rows: slice) -> Inversion:
        latents = encoder_answer(encoder, generator, x_c[rows], x_id[rows], steps)
        return invert_guided(
            generator,
            x_c[rows],
            x_id[rows],
            identity_network,
            latents.w_plus,
            config,
            input_latent=latents.input_latent,
            weights=weights,
            progress=progress,
        )

    return in_batches(len(x_c), batch_size(generator, config.batch), run)
