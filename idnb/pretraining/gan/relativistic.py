"""One step of a discriminator that learns along with another training of a generator: the loss of R3GAN.

Each picture of the generator is compared with a real one: the discriminator learns to score the real one higher, the
generator to turn that round. The gradients of the scores are kept short at real and at generated pictures (R1 and R2).
This loss has a proof of local convergence and needs no tricks.

Source: Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024, equations 1 and 6.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.models.discriminator import Discriminator

__all__ = ["PENALTY_EVERY", "gradient_penalty", "run_relativistic_step"]

GAMMA = 1.0  # weight of both penalties
PENALTY_EVERY = 8  # steps between penalties


def gradient_penalty(network: Discriminator, pictures: Tensor) -> Tensor:
    """The mean squared length of the score's gradient at pictures [B, 3, H, H]; in float32, to be differentiated."""
    pictures = pictures.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(pictures).sum(), pictures, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def run_relativistic_step(
    network: Discriminator,
    optimizer: torch.optim.Optimizer,
    real: Tensor,
    drawn: Tensor,
    penalise: bool = True,
    bf16: bool = False,
) -> tuple[Tensor, dict[str, float]]:
    """Let a discriminator learn from pairs of a real and a generated picture.

    real, drawn: [B, 3, H, H], without graphs. penalise: with R1 and R2, of which `PENALTY_EVERY` is the interval. bf16:
    feature maps in bfloat16, except for penalties.
    Returns the gradient of the generator's loss with respect to `drawn`, from before the discriminator's step, and the
    metrics "adversarial" (the generator's loss) and "told_apart", the share of pairs in which the real picture scored
    higher.
    """
    seen = drawn.detach().requires_grad_(True)
    with torch.autocast(drawn.device.type, torch.bfloat16, enabled=bf16):
        gap = (network(real) - network(seen)).float()  # [B]
    adversarial = F.softplus(gap).mean()
    (push,) = torch.autograd.grad(adversarial, seen, retain_graph=True)
    optimizer.zero_grad(set_to_none=True)
    F.softplus(-gap).mean().backward(inputs=list(network.parameters()))
    if penalise:
        penalty = gradient_penalty(network, real) + gradient_penalty(network, drawn)
        (penalty * (GAMMA / 2 * PENALTY_EVERY)).backward()
    optimizer.step()
    return push, {"adversarial": adversarial.item(), "told_apart": (gap > 0).float().mean().item()}
