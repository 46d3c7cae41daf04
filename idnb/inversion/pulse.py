"""PULSE: search the sphere of plausible codes for a face that shrinks to the given contour.

    latents on spheres --times std, plus mean, leaky ReLU--> W+ --generator--> face --shrunk--> as the contour?

Before its last leaky ReLU the mapping network's output is nearly Gaussian. A Gaussian in many dimensions lies close to
a sphere, so each row of the code walks on one and every place of it is a plausible face. A second term, GEOCROSS, keeps
the rows of one image from drifting apart. Here the identity of a second picture is a third term, as in the paper.

Differs from the original: StyleGAN2 in place of StyleGAN (the gain of its activation is undone as well), whole batches,
and there is always an answer, the best one, with a word on whether it is good enough.

Sources: Menon et al., "PULSE: Self-Supervised Photo Upsampling via Latent Space Exploration of Generative Models", CVPR
2020, sections 3 and 4; the paper, sections 3.1 and 3.3.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from idnb.core.errors import InputError
from idnb.inversion.objectives import Guidance
from idnb.inversion.results import Best, Inversion, batch_size, in_batches
from idnb.models.embedder import FaceEmbedder, refuse_held_out
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_layers import GAIN, SLOPE, scaled_leaky_relu

__all__ = ["InputSpace", "MappedSpace", "PulseConfig", "geocross", "pulse", "rate_factor"]


@dataclass(frozen=True)
class PulseConfig:
    """How to search.

    steps: of Adam. learning_rate: its highest rate.
    epsilon: mean squared error in [0, 1] between shrunk face and contour that is good enough; below it the error pulls
        no more, and the image counts as converged.
    weight_contour, weight_geocross, weight_identity: of the three terms. The first two are PULSE's; the paper gives no
        numbers for its rearranged weights.
    noise_maps: how many of the generator's noise pictures, from the coarsest, are searched as well.
    tiled: one row for all layers, W in place of W+.
    seed: of the start. batch: images at once; None as in `InversionConfig`.
    """

    steps: int = 100
    learning_rate: float = 0.4
    epsilon: float = 2e-3
    weight_contour: float = 100.0
    weight_geocross: float = 0.05
    weight_identity: float = 1.0
    noise_maps: int = 5
    tiled: bool = False
    seed: int = 0
    batch: int | None = None


@dataclass(frozen=True)
class MappedSpace:
    """The Gaussian that w follows before the last activation: mean and std [style_dim]."""

    mean: Tensor
    std: Tensor

    @classmethod
    @torch.no_grad()
    def fit(cls, generator: Generator, samples: int = 100_000) -> MappedSpace:
        """Measure mean and standard deviation of each entry over random z."""
        random = torch.Generator().manual_seed(0)
        total, squares = 0.0 * generator.w_avg.double(), 0.0 * generator.w_avg.double()
        for first in range(0, samples, 10_000):
            z = torch.randn(min(10_000, samples - first), generator.style_dim, generator=random)
            values = before_activation(generator.mapping(z.to(generator.w_avg))).double()
            total, squares = total + values.sum(dim=0), squares + values.square().sum(dim=0)
        mean = total / samples
        return cls(mean.float(), (squares / samples - mean.square()).clamp_min(1e-12).sqrt().float())

    def to_w(self, latents: Tensor) -> Tensor:
        """Latents [..., style_dim], standard normal, to w."""
        return scaled_leaky_relu(latents * self.std + self.mean)


@dataclass(frozen=True)
class InputSpace:
    """The space Z of the generator's inputs, as entangled as it is: one z is led through the whole mapping network.

    To be used in place of `MappedSpace`, with `PulseConfig(tiled=True)`: Z has no rows. The paper holds that PULSE
    searches here (section 3.3); the original does not.
    """

    generator: Generator

    def to_w(self, latents: Tensor) -> Tensor:
        """Latents [B, 1, style_dim], standard normal, to w of the same shape."""
        return self.generator.mapping(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])


def before_activation(w: Tensor) -> Tensor:
    """The inverse of the mapping network's last activation, `sqrt(2) * leaky_relu`."""
    return F.leaky_relu(w / GAIN, 1 / SLOPE)


def geocross(w_plus: Tensor) -> Tensor:
    """How far apart the rows of a code point: mean squared angle over all pairs, times style_dim / 8.

    w_plus: [B, n_styles, style_dim]. Returns [B]; 0 when all rows are equal. Source: PULSE, section 4.
    """
    n, dim = w_plus.shape[1:]
    first, second = torch.triu_indices(n, n, offset=1, device=w_plus.device)
    a, b = w_plus[:, first], w_plus[:, second]  # [B, n (n - 1) / 2, style_dim]
    apart = ((a - b).square().sum(dim=2) + 1e-9).sqrt()
    angle = 2 * torch.atan2(apart, (a + b).norm(dim=2))
    return angle.square().sum(dim=1) * 2 / n**2 * dim / 8  # every pair counts in both orders, a row with itself is 0


def onto_sphere(values: Tensor) -> Tensor:
    """Each vector [B, 1 or n, ...] rescaled to the norm sqrt(its length), where standard normal ones lie."""
    flat = values.flatten(2)  # [B, n, D]
    return (flat / flat.norm(dim=2, keepdim=True).clamp_min(1e-8) * math.sqrt(flat.shape[2])).view_as(values)


def rate_factor(step: int, steps: int) -> float:
    """Share of the learning rate: up from 0.1 to 1 and back in nine tenths of the way, then down to 0.001."""
    done = step / steps
    if done < 0.9:
        return 0.1 + 0.9 * (1 - abs(2 * done / 0.9 - 1))
    return 0.1 - 0.99 * (done - 0.9)


def pulse(
    generator: Generator,
    x_c: Tensor,
    x_id: Tensor | None = None,
    identity_network: FaceEmbedder | None = None,
    config: PulseConfig | None = None,
    space: MappedSpace | InputSpace | None = None,
    progress: bool = True,
) -> Inversion:
    """Faces that shrink to low-resolution contours and show a person.

    x_c: [B, 3, s, s] in [-1, 1]. x_id, identity_network: see `Guidance`; leave both out for the original PULSE.
    config: how to search. space: as from `MappedSpace.fit`, to fit it only once; or an `InputSpace`.
    Returns an `Inversion`: for each image the best face among those within epsilon, or the best of all where none is;
    `converged` says which. `terms` hold contour, geocross and identity as weighted.
    Raises InputError for wrong shapes, for contours that are no low-resolution pictures, for less than one step, for
    rows of their own in an `InputSpace`.
    """
    config = config or PulseConfig()
    refuse_held_out("identity_network", identity_network)  # before the long fit, not after it
    if isinstance(space, InputSpace) and not config.tiled:
        raise InputError("space: Z has one vector for all rows; use PulseConfig(tiled=True)")
    if config.steps < 1:
        raise InputError(f"steps: {config.steps}; a search needs at least one")
    if not 0 <= config.noise_maps < generator.n_styles:
        raise InputError(f"noise_maps: {config.noise_maps}; the generator has {generator.n_styles - 1}")
    space = space or MappedSpace.fit(generator)
    random = torch.Generator().manual_seed(config.seed)
    rows = 1 if config.tiled else generator.n_styles
    starts = [torch.randn(len(x_c), rows, generator.style_dim, generator=random)]
    starts += generator.random_noise(len(x_c), random)[: config.noise_maps] if config.noise_maps else []

    def run(part: slice) -> Inversion:
        person = None if x_id is None else x_id[part]
        objective = Guidance(x_c[part], person, identity_network, {"identity": config.weight_identity})
        return search(generator, objective, [start[part].to(x_c) for start in starts], config, space, progress)

    return in_batches(len(x_c), batch_size(generator, config.batch), run)


def search(
    generator: Generator,
    objective: Guidance,
    starts: list[Tensor],
    config: PulseConfig,
    space: MappedSpace | InputSpace,
    progress: bool,
) -> Inversion:
    """The search for one batch; starts: latents [B, n or 1, style_dim], then noise pictures [B, 1, r, r]."""
    variables = [onto_sphere(start).requires_grad_() for start in starts]
    count, fixed = len(starts[0]), generator.fixed_noise()[config.noise_maps :]
    optimiser = torch.optim.Adam(variables, lr=config.learning_rate)

    def look() -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
        """Codes, images, weighted terms, and the error [B] in [0, 1]."""
        w_plus = space.to_w(variables[0]).expand(-1, generator.n_styles, -1)  # [B, n_styles, style_dim]
        images = generator.synthesis(w_plus, noise=[*variables[1:], *fixed])
        terms = objective(images)
        error = objective.contour_error(images) / 4
        terms["contour"] = config.weight_contour * error.clamp_min(config.epsilon)
        if not config.tiled:
            terms["geocross"] = config.weight_geocross * geocross(w_plus)
        return w_plus, images, terms, error

    kept = Best(count)
    history: list[dict[str, Tensor]] = []
    began = time.perf_counter()
    for step in tqdm(range(config.steps + 1), desc="PULSE", leave=False, disable=not progress, mininterval=1.0):
        last = step == config.steps
        with torch.set_grad_enabled(not last):
            _, _, terms, error = look()
            total = torch.stack(list(terms.values())).sum(dim=0)  # [B]
        if not bool(total.isfinite().all()):
            raise InputError(f"the objective is no number at step {step}: use a lower learning_rate")
        kept.see(total.detach() + 1e6 * (error.detach() > config.epsilon), variables)  # converged ones come first
        if last:
            break
        history.append({name: value.detach() for name, value in terms.items()})
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * rate_factor(step, config.steps)
        optimiser.zero_grad(set_to_none=True)
        total.sum().backward()
        optimiser.step()
        with torch.no_grad():
            for variable in variables:
                variable.copy_(onto_sphere(variable))
    with torch.no_grad():
        for variable, best in zip(variables, kept.values, strict=True):
            variable.copy_(best)
        w_plus, images, terms, error = look()
    history.append(terms)
    return Inversion(
        w_plus=w_plus.contiguous(),
        input_latent=None,
        images=images,
        terms={name: torch.stack([row[name] for row in history]) for name in terms},
        seconds=(time.perf_counter() - began) / count,
        converged=error <= config.epsilon,
        noise=[variable.detach() for variable in variables[1:]] or None,
    )
