"""GAN inversion by optimisation: search the W+ code whose image does what an objective asks for.

The generator stays as it is; Adam walks through its codes. With `Reconstruction` as objective and the mean of w as
start this is Image2StyleGAN; started from the answer of an encoder it is the hybrid of optimisation and learning.

References: Abdal et al., "Image2StyleGAN", ICCV 2019; Karras et al., "Analyzing and Improving the Image Quality of
StyleGAN", CVPR 2020, appendix D (schedule); Xia et al., "GAN Inversion: A Survey", TPAMI 2022, section 3.2 (hybrid).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from idnb.core.errors import InputError
from idnb.core.psnr import psnr
from idnb.core.shapes import check_shape
from idnb.inversion.objectives import Distance, Guidance, Objective, Reconstruction
from idnb.inversion.results import Best, Inversion, batch_size, in_batches
from idnb.models.embedder import FaceEmbedder
from idnb.models.stylegan2 import Generator

__all__ = ["SPACES", "InversionConfig", "invert", "invert_guided", "invert_images", "nearest_z", "rate_at", "w_std"]


SPACES = ("z", "w", "w_plus", "w_plus_latent")


@dataclass(frozen=True)
class InversionConfig:
    """How to walk.

    steps: of Adam.
    learning_rate: of Adam, in standard deviations of w, so that it means the same for every generator.
    ramp_up, ramp_down: shares of the steps in which the rate rises linearly, and falls as a cosine, at the end.
    stay_near: weight of the mean squared distance between code and start, in variances of w; 0 walks freely. It keeps
        codes where the generator makes faces when the objective leaves much open.
    space: what is searched, one of `SPACES`, each larger than the one before: z; one w for all rows; a w for each row;
        these and the input latent. In "z" there is no start: it begins at the random z nearest to the mean of w.
    batch: images at once; None takes ten at 128 px and fewer where images are larger, one at 1024 px (about 3 GB).
    """

    steps: int = 250
    learning_rate: float = 0.1
    ramp_up: float = 0.05
    ramp_down: float = 0.25
    stay_near: float = 0.0
    space: str = "w_plus"
    batch: int | None = None


def rate_at(step: int, config: InversionConfig) -> float:
    """Learning rate of a step: linear rise, plateau, cosine to zero."""
    done = (step + 0.5) / config.steps
    up = min(1.0, done / config.ramp_up) if config.ramp_up else 1.0
    down = min(1.0, (1 - done) / config.ramp_down) if config.ramp_down else 1.0
    return config.learning_rate * up * (0.5 - 0.5 * math.cos(math.pi * down))


@torch.no_grad()
def w_std(generator: Generator) -> float:
    """The standard deviation of w, over random z and all entries."""
    random = torch.Generator().manual_seed(0)
    z = torch.randn(2000, generator.style_dim, generator=random).to(generator.w_avg)
    return max(float((generator.mapping(z) - generator.w_avg).square().mean().sqrt()), 1e-8)


@torch.no_grad()
def nearest_z(generator: Generator) -> Tensor:
    """The z whose w is nearest to the mean of w, among random ones: [1, style_dim]."""
    random = torch.Generator().manual_seed(0)
    z = torch.randn(2000, generator.style_dim, generator=random).to(generator.w_avg)
    return z[(generator.mapping(z) - generator.w_avg).square().sum(dim=1).argmin()][None]


def invert(
    generator: Generator,
    objective: Objective,
    start: Tensor | None = None,
    config: InversionConfig | None = None,
    *,
    input_latent: Tensor | None = None,
    targets: Tensor | None = None,
    batch: int | None = None,
    progress: bool = True,
) -> Inversion:
    """Optimise the W+ codes of a batch of images, all at once.

    generator: frozen; its fixed noise pictures are used, so that the answer is all in the code.
    objective: what to make small.
    start: codes [B, n_styles, style_dim]; None starts everywhere at the mean of w.
    config: how to walk; None takes the defaults.
    input_latent: [B, C, 4, 4] of the start, such as the dual encoder gives; None uses the constant input.
    targets: [B, 3, H, H], only to report PSNR.
    batch: number of images where neither `start` nor `targets` tells it.
    progress: show a bar.
    Returns an `Inversion`. Raises InputError for wrong shapes, or when the objective stops being a number.
    """
    config = config or InversionConfig()
    if config.steps < 1:
        raise InputError(f"steps: {config.steps}; an optimisation needs at least one")
    if config.space not in SPACES:
        raise InputError(f"space {config.space!r} is unknown; choose one of {', '.join(SPACES)}")
    count = next((len(t) for t in (start, targets, input_latent) if t is not None), batch or 1)
    if start is not None and config.space == "z":
        raise InputError("start: a search in z begins at the mean of w; give no start, or another space")
    if start is None:
        start = generator.w_avg.expand(count, generator.n_styles, -1)
    check_shape("start", start, [count, generator.n_styles, generator.style_dim])
    if input_latent is not None:
        check_shape("input_latent", input_latent, [count, generator.channels[0], 4, 4])
    start = start.detach().clone()
    std = w_std(generator)
    latent = None if input_latent is None else input_latent.detach().clone()
    if config.space == "w_plus_latent" and latent is None:
        latent = generator.input(count).detach().clone()
    if config.space == "z":
        origin = nearest_z(generator).expand(count, -1)  # [B, style_dim]
    else:  # in standard deviations of w: [B, 1 or n_styles, style_dim]
        origin = torch.zeros_like(start[:, :1] if config.space == "w" else start)
    code = origin.clone().requires_grad_()
    variables = [code]
    if config.space == "w_plus_latent" and latent is not None:
        variables.append(latent.requires_grad_())
    optimiser = torch.optim.Adam(variables, lr=config.learning_rate, betas=(0.9, 0.99))

    def rows() -> Tensor:
        return generator.to_w_plus(generator.mapping(code)) if config.space == "z" else start + std * code

    def look() -> tuple[Tensor, dict[str, Tensor]]:
        images = generator.synthesis(rows(), latent)
        terms = objective(images)
        if config.stay_near:
            terms["stay_near"] = config.stay_near * (code - origin).square().flatten(1).mean(dim=1)
        return images, terms

    kept = Best(count)
    history: list[dict[str, Tensor]] = []
    ratios: list[Tensor] = []
    began = time.perf_counter()
    with tqdm(range(config.steps), desc="inversion", leave=False, disable=not progress, mininterval=1.0) as bar:
        for step in bar:
            for group in optimiser.param_groups:
                group["lr"] = rate_at(step, config)
            images, terms = look()
            total = torch.stack(list(terms.values())).sum(dim=0)  # [B]
            if not bool(total.isfinite().all()):
                raise InputError(f"the objective is no number at step {step}: use a lower learning_rate")
            optimiser.zero_grad(set_to_none=True)
            total.sum().backward()  # a sum, not a mean: an image walks the same way in any batch
            kept.see(total, variables)
            history.append({name: value.detach() for name, value in terms.items()})
            if targets is not None:
                ratios.append(psnr(images.detach().clamp(-1, 1).cpu(), targets.cpu()))
            optimiser.step()
            bar.set_postfix(objective=f"{float(total.detach().mean()):.4f}")
    with torch.no_grad():
        total = torch.stack(list(look()[1].values())).sum(dim=0)
        kept.see(total, variables)
        for variable, best in zip(variables, kept.values, strict=True):
            variable.copy_(best)
        images, terms = look()
        history.append(terms)
        if targets is not None:
            ratios.append(psnr(images.clamp(-1, 1).cpu(), targets.cpu()))
        w_plus = rows()
    return Inversion(
        w_plus=w_plus,
        input_latent=None if latent is None else latent.detach(),
        images=images,
        terms={name: torch.stack([row[name] for row in history]) for name in history[0]},
        psnr=torch.stack(ratios) if ratios else None,
        seconds=(time.perf_counter() - began) / count,
    )


def cut(tensor: Tensor | None, rows: slice) -> Tensor | None:
    """Some rows of a tensor that may be missing."""
    return None if tensor is None else tensor[rows]


def invert_images(
    generator: Generator,
    targets: Tensor,
    perceptual: Distance | None = None,
    identity_network: FaceEmbedder | None = None,
    start: Tensor | None = None,
    config: InversionConfig | None = None,
    *,
    input_latent: Tensor | None = None,
    perceptual_size: int = 64,
    weights: dict[str, float] | None = None,
    progress: bool = True,
) -> Inversion:
    """Find codes that reproduce given pictures.

    targets: [B, 3, H, H] in [-1, 1], H the generator's size.
    perceptual, perceptual_size, identity_network, weights: see `Reconstruction`.
    start, config, input_latent, progress: see `invert`.
    Returns an `Inversion` with PSNR. Raises InputError for wrong shapes.
    """
    config = config or InversionConfig()
    check_shape("targets", targets, ["B", 3, generator.size, generator.size])

    def run(rows: slice) -> Inversion:
        objective = Reconstruction(targets[rows], perceptual, perceptual_size, identity_network, weights)
        return invert(
            generator,
            objective,
            cut(start, rows),
            config,
            input_latent=cut(input_latent, rows),
            targets=targets[rows],
            progress=progress,
        )

    return in_batches(len(targets), batch_size(generator, config.batch), run)


def invert_guided(
    generator: Generator,
    x_c: Tensor,
    x_id: Tensor | None = None,
    identity_network: FaceEmbedder | None = None,
    start: Tensor | None = None,
    config: InversionConfig | None = None,
    *,
    input_latent: Tensor | None = None,
    weights: dict[str, float] | None = None,
    progress: bool = True,
) -> Inversion:
    """Find codes whose images shrink to a contour and show a person: the paper's task, without an encoder.

    x_c, x_id, identity_network, weights: see `Guidance`. start, config, input_latent, progress: see `invert`.
    Returns an `Inversion` without PSNR. Raises InputError for wrong shapes.
    """
    config = config or InversionConfig(stay_near=0.02)

    def run(rows: slice) -> Inversion:
        part = x_c[rows]
        objective = Guidance(part, cut(x_id, rows), identity_network, weights)
        given, latent = cut(start, rows), cut(input_latent, rows)
        return invert(generator, objective, given, config, input_latent=latent, batch=len(part), progress=progress)

    return in_batches(len(x_c), batch_size(generator, config.batch), run)
