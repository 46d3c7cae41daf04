"""How long, how fast and with what an encoder is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["EncoderConfig", "Phase"]


@dataclass(frozen=True)
class Phase:
    """A stretch of training: refinement steps, images shown, and up to which size in pixels faces are generated.

    size: stopping the generator at 64 of 128 px leaves out its most expensive layers, but what it shows there is not
    the whole picture made smaller, and may show another person. None generates whole faces, as the paper does.
    """

    steps: int
    images: int
    size: int | None = None


@dataclass(frozen=True)
class EncoderConfig:
    """What a training run is made of; the defaults are the paper's where it names them.

    phases: one after the other. batch: images at once in a process. accumulate: batches a step and process; their
    gradients are averaged, so that 4 x 2 images make the step of 8 where 8 do not fit. checkpoint: compute the
    generator's feature maps again in the backward pass (`Generator.checkpoint`). learning_rate: of Adam. warmup: images
    over which the rate rises. decay: share of the run at its end over which it falls to zero; 0 keeps it constant.
    p_same_identity: chance of a pair that shows one person twice. ema: half-life in images of the moving average of
    the weights that is kept; 0 keeps the weights themselves. clip: longest gradient. seed: of weights, pairs,
    augmentations.
    """

    phases: tuple[Phase, ...] = (Phase(5, 500_000),)
    batch: int = 8
    learning_rate: float = 1e-4
    warmup: int = 0
    decay: float = 0.0
    p_same_identity: float = 0.25
    ema: float = 0.0
    clip: float = 10.0
    seed: int = 1
    accumulate: int = 1
    checkpoint: bool = False

    @property
    def images(self) -> int:
        """Images of all phases."""
        return sum(phase.images for phase in self.phases)

    def phase_at(self, images: int) -> Phase:
        """The phase after so many images."""
        for phase in self.phases:
            if images < phase.images:
                return phase
            images -= phase.images
        return self.phases[-1]

    def rate_at(self, images: int) -> float:
        """The learning rate after so many images."""
        rate = self.learning_rate * min(1.0, (images + self.batch) / max(1, self.warmup))
        left = (self.images - images) / max(1.0, self.decay * self.images)
        return rate * (0.5 - 0.5 * math.cos(math.pi * max(0.0, min(1.0, left)))) if self.decay else rate
