"""One step of training an encoder.

A step: draw a batch; compute what depends on the identity image once; then, for each refinement step, change the code,
generate, compare, and go backward at once. The picture is fed back without its graph, so memory stays that of a single
refinement step. The gradient that all refinement steps leave on the identity features goes back through the identity
encoder once, at the end: the sum of gradients is the gradient of the sum.

Feedback without gradient is ReStyle's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from idnb.core.resize import resize
from idnb.models.contour_encoder import Code, ContourEncoder
from idnb.models.stylegan2 import Generator
from idnb.training.config import Phase
from idnb.training.critic import Critic
from idnb.training.losses import EncoderLoss
from idnb.training.pair_data import PairBatch

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["TERMS", "picture_of", "run_step"]

TERMS = ("total", "l2", "perceptual", "identity", "w_norm", "chromaticity", "latent_norm", "realism")


def picture_of(generator: Generator, code: Code, encoder_size: int, size: int | None = None) -> Tensor:
    """The generator's picture of a code at the encoder's size, [B, 3, S, S]; `size` stops the generator there."""
    for stage in generator.stages(code.w_plus, code.input_latent):
        if stage.resolution == size:
            break
    return resize(stage.rgb, encoder_size)


def run_step(
    encoder: ContourEncoder,
    generator: Generator,
    loss: EncoderLoss,
    batch: PairBatch,
    phase: Phase,
    random: torch.Generator,
    accelerator: Accelerator,
    batches: int = 1,
    critic: Critic | None = None,
) -> list[dict[str, float]]:
    """Gradients of one batch, added to those of the encoder's parameters.

    batch: on the right device. random: source of the views. batches: over which the step's gradient is averaged.
    critic: learns along, where realism has a weight; it judges the last refinement step, which is the answer.
    Returns the loss terms of each refinement step.
    """
    targets = loss.targets(batch.photo, batch.x_id)
    with accelerator.autocast():
        identity = encoder.encode_identity(batch.x_id)
    # A copy of the identity features without graph collects the gradients of all refinement steps.
    seen = [part.detach().requires_grad_(part.requires_grad) for part in identity]
    code, y_hat = encoder.start(generator, len(batch.photo))
    constant = code.input_latent
    rows = []
    for look in range(phase.steps):
        asked = critic if look == phase.steps - 1 else None
        with accelerator.autocast():
            code = encoder.refine(batch.contour_input, seen, y_hat, code.detach())
        size = encoder.preset.encoder_size
        shown = picture_of(generator, code, asked.size if asked else size, phase.size)
        picture = resize(shown, size)
        change = None if code.input_latent is None or constant is None else code.input_latent - constant
        realism = asked(shown, random, accelerator) if asked else None
        terms = loss(picture, targets, code.w_plus, generator.w_avg, random, change, realism)
        accelerator.backward(terms["total"] / (phase.steps * batches))
        y_hat = picture.detach()
        rows.append({name: term.item() for name, term in terms.items()})
    learnt = [(part, copied.grad) for part, copied in zip(identity, seen, strict=True) if copied.grad is not None]
    if learnt:
        torch.autograd.backward([part for part, _ in learnt], [gradient for _, gradient in learnt])
    return rows
