"""One step of training an encoder.

A step: draw a batch; compute what depends on the identity image once; then, for each refinement step, change the
latents, generate, compare, and go backward at once. The picture is fed back without its graph, so memory stays that of
a single refinement step. The gradient that all refinement steps leave on the identity features goes back through the
identity encoder once, at the end: the sum of gradients is the gradient of the sum.

Feedback without gradient is ReStyle's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from idnb.core.resize import resize
from idnb.models.contour_encoder import ContourEncoder, Latents, identity_tensors, map_identity
from idnb.models.stylegan2 import Generator
from idnb.training.config import Phase
from idnb.training.losses import EncoderLoss
from idnb.training.pair_data import PairBatch

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["TERMS", "picture_of", "run_step"]

TERMS = ("total", "l2", "perceptual", "identity", "w_norm", "contour", "latent_norm")


def picture_of(generator: Generator, latents: Latents, side: int, size: int | None = None) -> Tensor:
    """The generator's picture of latents, brought to [B, 3, side, side]; `size` stops the generator there."""
    for stage in generator.stages(*latents):
        if stage.resolution == size:
            break
    return resize(stage.rgb, side)


def run_step(
    encoder: ContourEncoder,
    generator: Generator,
    loss: EncoderLoss,
    batch: PairBatch,
    phase: Phase,
    random: torch.Generator,
    accelerator: Accelerator,
    batches: int = 1,
) -> list[dict[str, float]]:
    """Gradients of one batch, added to those of the encoder's parameters.

    batch: on the right device. random: source of the augmentations. batches: over which the step's gradient is
    averaged.
    Returns the loss terms of each refinement step.
    """
    targets = loss.targets(batch.photo, batch.x_id)
    side, encoder_size = batch.photo.shape[-1], encoder.preset.encoder_size
    with accelerator.autocast():
        identity = encoder.encode_identity(resize(batch.x_id, encoder_size))
    # A copy of the identity features without graph collects the gradients of all refinement steps.
    seen = map_identity(lambda part: part.detach().requires_grad_(part.requires_grad), identity)
    latents, y_hat = encoder.start(generator, len(batch.photo))
    constant = latents.input_latent
    rows = []
    for _ in range(phase.steps):
        with accelerator.autocast():
            latents = encoder.refine(batch.contour_input, seen, y_hat, latents.detach())
        picture = picture_of(generator, latents, side, phase.size)
        change = None if latents.input_latent is None or constant is None else latents.input_latent - constant
        terms = loss(picture, targets, latents.w_plus, generator.w_avg, random, change)
        accelerator.backward(terms["total"] / (phase.steps * batches))
        y_hat = resize(picture.detach(), encoder_size)
        rows.append({name: term.item() for name, term in terms.items()})
    pairs = zip(identity_tensors(identity), identity_tensors(seen), strict=True)
    learnt = [(part, copied.grad) for part, copied in pairs if copied.grad is not None]
    if learnt:
        torch.autograd.backward([part for part, _ in learnt], [gradient for _, gradient in learnt])
    return rows
