"""Between the warm-up and the adversarial training: w gets an even spread, and the mapping network learns all of it.

The warm-up (idnb.pretraining.gan.warmup) leaves an encoder into w that nothing shall change any more. Two things are
wrong with its w. Its variance sits in a few directions, so that the mean face lies nearly on the way between any two
people, and random numbers are far from any; `whiten_w` evens it out without changing a picture. And a mapping network
that guesses w from what is known of a picture, with the least square error, answers with the mean of all w that it may
be: everyone then has the mean of what the parameters do not tell. `learn_mapping` teaches it the distribution instead:
z holds what is known, c, and random numbers r beside it, and two answers for the same c are to differ as much as the w
do,

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
from tqdm.auto import tqdm

from idnb.faces.real_images import RealImages
from idnb.models.stylegan2 import Generator
from idnb.pretraining.gan.codes import with_filling
from idnb.pretraining.gan.warmup import PictureEncoder
from idnb.training.loop import Training, run_training

__all__ = [
    "MappingTraining",
    "encode_all",
    "energy_score",
    "half_whitening",
    "learn_mapping",
    "unit_spread",
    "whiten_w",
]

SMALLEST_SHARE = 1e-4  # directions with a smaller share of the variance of w are not enlarged further
RATE = 0.6  # of Adam; the layers of the mapping network multiply it by 0.01
BATCH = 256
COOLING = 0.3  # the last share of the steps, over which the rate falls to zero


@torch.no_grad()
def encode_all(encoder: PictureEncoder, real: RealImages, progress: bool = True) -> Tensor:
    """The w of all pictures, [N, style_dim]. encoder: of the warm-up. real: the pictures. progress: show a bar."""
    parts = torch.arange(len(real)).split(BATCH)
    device = encoder.to_w.weight.device
    bar = tqdm(parts, desc="encoding", unit="batch", disable=not progress, mininterval=5.0)
    return torch.cat([encoder(real.at(index).to(device)) for index in bar])


@torch.no_grad()
def whiten_w(generator: Generator, encoder: PictureEncoder, w: Tensor) -> tuple[Tensor, Tensor]:
    """Bring w to mean zero and equal variance in all directions that vary, without changing a picture.

    w becomes (w - mean) A, with A the inverse square root of the covariance: the encoder's last layer gives this now,
    and every style layer starts with the inverse.

    generator, encoder: changed in place; the mapping network has to be trained again. w: [N, style_dim] of many
    pictures. Returns the new w, [N, style_dim], and a matrix that takes half of the whitening back, [style_dim,
    style_dim]: lengths after it count most what is large in pictures, and small things still.
    """
    exact = w.double()
    mean = exact.mean(dim=0)
    variance, axes = torch.linalg.eigh(exact.T.cov())
    variance = variance.clamp_min(SMALLEST_SHARE * variance.sum())
    whiten = (axes * variance.rsqrt()) @ axes.T  # [D, D], symmetric
    back = (axes * variance.sqrt()) @ axes.T
    last = encoder.to_w
    last.weight.copy_(whiten @ last.weight.double())
    last.bias.copy_((last.bias.double() - mean) @ whiten)
    for name, weight in generator.named_parameters():
        if name.endswith("modulation.weight"):  # [C, D], divided by sqrt(D) in use
            bias = generator.get_parameter(name.removesuffix("weight") + "bias")
            bias.add_(weight.double() @ mean / generator.style_dim**0.5)
            weight.copy_(weight.double() @ back)
    return ((exact - mean) @ whiten).float(), (axes * variance**0.25).float()


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

    generator: its mapping network is replaced, in place. w, weight: [N, D] and [D, D] from `whiten_w`, or w and
    `half_whitening(w)`. codes: [N, P], what is known of the same pictures. steps: of 256 pictures. seed: of weights and
    draws.
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
