"""The recipe of each preset: configuration, loss and device of a run, and the panel that shows its work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.images import tile
from idnb.core.presets import Preset
from idnb.models.contour_encoder import ContourEncoder
from idnb.models.stylegan2 import Generator
from idnb.training.augmentation import AugmentationConfig
from idnb.training.config import EncoderConfig, Phase
from idnb.training.losses import EncoderLoss, LossWeights
from idnb.training.pair_data import PairData

__all__ = ["CONFIGS", "build_loss", "fitting", "make_accelerator", "pair_panel"]

CONFIGS = {
    # Refinement is learnt from few steps to many, on whole faces: a generator that is stopped at 64 px shows others.
    "tiny": EncoderConfig(
        phases=(Phase(1, 14_000), Phase(2, 8_000), Phase(3, 4_000)),
        batch=12,
        learning_rate=1e-3,
        warmup=1_000,
        decay=0.4,
        ema=4_000,
        clip=5.0,
    ),
    "paper": EncoderConfig(),
}


def make_accelerator(device: str | None = None, precision: str | None = None) -> Any:
    """The accelerator of a run: device and mixed precision.

    device: a torch device, or None for the fastest. precision: "no", "bf16", "fp16", or None for bf16 where it is fast.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    from idnb.env import fast_bf16, pick_device

    AcceleratorState._reset_state()  # a process that trained before, a notebook say, may now want another precision
    chosen = pick_device(device)
    precision = precision or ("bf16" if fast_bf16(chosen) else "no")
    return Accelerator(cpu=chosen.type == "cpu", mixed_precision=precision)


def build_loss(
    preset: Preset,
    kind: str,
    weights: LossWeights,
    augmentations: int = 0,
    identity_files: list[str] | None = None,
    perceptual: str = "vgg",
) -> EncoderLoss:
    """The loss of a preset with its own networks: of tiny the bundled identity network, of paper the public IR-SE50.

    kind: of contour. weights: see `LossWeights`. augmentations: of each output, 0 for none. identity_files: of
    further networks. perceptual: the backbone of LPIPS, "vgg" or "alex".
    """
    from idnb.models.identity_files import load_identity_network
    from idnb.models.lpips_distance import load_lpips

    networks = [load_identity_network(preset.name)]
    networks += [load_identity_network(preset.name, path=path) for path in identity_files or []]
    size = preset.low_res_size if contour_kind(kind).is_picture else None
    return EncoderLoss(
        networks, load_lpips(perceptual), weights, AugmentationConfig() if augmentations else None, augmentations, size
    )


def pair_panel(generator: Generator, data: PairData, count: int = 6, seed: int = 5) -> Callable[..., Tensor]:
    """A function that draws what an encoder makes of some fixed pairs: contour, identity, each step, the photo."""
    random = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(data), generator=random)[:count]
    partners = torch.randperm(len(data), generator=random)[:count]
    contour, photo, x_id = data.contour(rows), data.images(rows), data.images(partners)
    shown = contour_kind(data.kind).display(contour, data.preset.encoder_size)

    def draw(encoder: ContourEncoder) -> Tensor:
        result = encoder.generate(generator, contour, x_id, encoder.steps).images.cpu()
        side = min(data.preset.image_size, 256)
        return tile([[shown[i], x_id[i], *result[i], photo[i]] for i in range(len(rows))], side)

    return draw


def fitting(phases: tuple[Phase, ...], encoder: ContourEncoder, given: str | None) -> tuple[Phase, ...]:
    """Phases for an encoder: one that knows a single step gets single steps, unless others were asked for by name."""
    if encoder.steps > 1 or all(phase.steps == 1 for phase in phases):
        return phases
    if given is not None:
        raise InputError(
            f"--phases {given!r}: this encoder takes one refinement step; every phase needs one, as in 1:40000"
        )
    return tuple(replace(phase, steps=1) for phase in phases)
