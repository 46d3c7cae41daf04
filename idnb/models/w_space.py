"""How far a code lies from the codes that a generator has seen, in the measure of their own spread.

A mapping network fills a cloud in W that is long in some directions and flat in others. Equation 5 measures the
distance from its middle with one ruler for all of them: a step of length one along a flat direction leaves the cloud,
and the picture dissolves, while the same step along a long one is an everyday face. Whitened coordinates (principal
axes, each in units of its own spread) make the cloud a ball, as in the P-norm space of Zhu et al., "Improved StyleGAN
embedding: where are the good latents?", 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor

from idnb.models.stylegan2 import Generator

__all__ = ["WSpace"]

SAMPLES = 10_000  # codes, from which the cloud is known
FLATTEST = 0.01  # part of the largest variance; directions in which a cloud is flatter count as this flat


class WSpace:
    """The cloud of a generator's w: its middle, its principal axes, its spread along each.

    generator: its mapping network is asked. seed: of the z that are mapped.

    Attributes: `mean` [D], `axes` [D, D] in columns, `spread` [D] from the smallest up.
    """

    @torch.no_grad()
    def __init__(self, generator: Generator, seed: int = 0) -> None:
        z = torch.randn(SAMPLES, generator.style_dim, generator=torch.Generator().manual_seed(seed))
        w = generator.mapping(z.to(generator.w_avg.device))  # [SAMPLES, D]
        self.mean = w.mean(dim=0)
        variances, self.axes = torch.linalg.eigh(torch.cov(w.T))
        self.spread = variances.clamp_min(FLATTEST * variances.max()).sqrt()

    def whiten(self, w: Tensor) -> Tensor:
        """Codes in units of the cloud's own spread: those of the mapping network have mean 0 and variance 1.

        w: [..., D], of w or W+. Returns [..., D], along the principal axes.
        """
        return (w - self.mean) @ self.axes / self.spread
