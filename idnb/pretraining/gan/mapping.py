"""After the paired training: the mapping network learns the distribution of the encoder's w.

A mapping network that guesses w from what is known of a picture, with the least square error, answers with the mean of
all w that it may be: everyone then has the mean of what the parameters do not tell. `learn_mapping` teaches it the
distribution instead: z holds what is known, c, and random numbers r beside it, and two answers for the same c are to
differ as much as the w do,

    loss = E |f(c, r) - w| - 1/2 E |f(c, r) - f(c, r')|,

the energy score, which is smallest when f(c, r) is distributed as the w of pictures with these c (Gneiting and Raftery,
"Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 2007, section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from idnb.models.stylegan2 import Generator
from idnb.pretraining.gan.codes import with_filling
from idnb.training.loop import Training, run_training

__all__ = [
    "MappingTraining",
    "energy_score",
    "half_whitening",
    "learn_mapping",
    "unit_spread",
]

SMALLEST_SHARE = 1e-4  # directions with a smaller share of the variance of w are not enlarged further
RATE = 0.6  # of Adam; the layers of the mapping network multiply it by 0.01
BATCH = 256
COOLING = 0.3  # the last share of the steps, over which the rate falls to zero


def unit_spread(w: Tensor) -> Tensor:
    """A matrix [D, D] after which w [N, D] has a total variance of 1, so that it does not pay to shrink what moves."""
    return torch.eye(w.shape[1], device=w.device) / w.var(dim=0).sum().clamp_min(1e-6).sqrt()


def half_whitening(w: Tensor) -> Tensor:
    """A matrix [D, D] after which lengths count most what varies most in w [N, D], and small things still."""
    variance, axes = torch.linalg.eigh(w.double().T.cov())
    variance = variance.clamp_min(SMALLEST_SHARE * variance.sum())
    return ((axes * variance**-0.25) @ axes.T / (variance**0.5).mean() ** 0.5).float()


def energy_score(one: Tensor, other: Tensor, w: Tensor, weight: Tensor) -> Tensor:
    """How far two draws are from the truth, less half of how far they are from each other.

    one, other, w: [B, D]; a row of each belongs to the same known numbers. weight: [D, D], applied before the length of
    a difference is taken. Returns a number; smaller is better.
    """

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return ((a - b) @ weight).square().sum(dim=1).add(1e-8).sqrt().mean()

    return (distance(one, w) + distance(other, w)) / 2 - distance(one, other) / 2


class MappingTraining(Training):
    """The training of a new mapping network on stored w.

    generator: its mapping network is replaced, in place. w: [N, D]. weight: [D, D], `half_whitening(w)`. codes: [N, P],
    what is known of the same pictures. steps: of 256 pictures. seed: of weights and draws.
    """

    title = "mapping"
    columns = shown = ("loss",)
    log_every = 100
    remedy = "use another --seed, and another --out"

    def __init__(
        self, generator: Generator, w: Tensor, weight: Tensor, codes: Tensor, steps: int = 6_000, seed: int = 1
    ) -> None:
        self.generator, self.w, self.weight, self.codes = generator, w, weight, codes
        self.total, self.seed = steps, seed
        torch.manual_seed(seed)
        fresh = Generator(generator.size, generator.style_dim, generator.style.depth, generator.channels)
        generator.style.load_state_dict(fresh.style.state_dict())
        generator.style.requires_grad_(True)
        self.random = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.Adam(generator.style.parameters(), lr=RATE, betas=(0.9, 0.99))

    def run_step(self) -> dict[str, float]:
        """Two answers for each of a batch of codes, compared with w. Returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (self.total - self.step) / (COOLING * self.total))
        index = torch.randint(len(self.w), (BATCH,), generator=self.random)
        known = self.codes[index].to(self.w.device)  # [B, P]
        length = self.generator.style_dim
        one, other = (self.generator.mapping(with_filling(known, length, self.random)) for _ in range(2))
        loss = energy_score(one, other, self.w[index], self.weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return {"loss": loss.item()}

    def describe(self) -> dict[str, Any]:
        """What it learns from, and for how long."""
        return {"steps": self.total, "seed": self.seed, "pictures": len(self.w), "numbers": self.codes.shape[1]}

    def parts(self) -> dict[str, Any]:
        """The mapping network, the optimizer, the place in the random numbers."""
        return {"weights": self.generator.style, "optimizer": self.optimizer, "random": self.random}


def learn_mapping(
    generator: Generator,
    w: Tensor,
    weight: Tensor,
    codes: Tensor,
    out: str | Path,
    steps: int = 6_000,
    seed: int = 1,
    minutes: float | None = None,
    save_minutes: float = 5.0,
    report: Callable[[str], None] = print,
) -> bool:
    """Train a new mapping network on stored w, or go on where `out` stopped; at the end set the mean of w.

    The first arguments are those of `MappingTraining`, the others those of `run_training`. Returns whether it is done.
    """
    done = run_training(MappingTraining(generator, w, weight, codes, steps, seed), out, minutes, save_minutes, report)
    if done:
        generator.estimate_w_avg()
    return done
