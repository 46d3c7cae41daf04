"""The attribute regressor: pose, light and shape of a face, in the renderer's own numbers.

With it an output is compared with what the renderer knows: the contour's true pose and light, the identity's true
shape. No loss uses it. It was trained on rendered faces, sharp, blurred and noisy.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.images import OVERSHOOT, check_range
from idnb.core.resize import resize
from idnb.core.tensor_files import load_strictly, read_tensors
from idnb.core.weights import weight_path
from idnb.env import pick_device
from idnb.faces.shape_controls import SHAPE_CONTROLS
from idnb.models.face_parser import conv_unit

__all__ = ["LIGHT", "POSE", "ATTRIBUTES", "SHAPE", "AttributeRegressor", "load_attribute_regressor", "truth_table"]

POSE = ("pose.yaw", "pose.pitch")
LIGHT = ("light.azimuth", "light.elevation", "light.strength", "light.warmth", "light.ambient")
PHENOTYPE = ("gender", "age", "muscle", "weight", "african", "asian", "caucasian")
SHAPE = (*(f"phenotype.{name}" for name in PHENOTYPE), *(f"shape.{name}" for name in SHAPE_CONTROLS))
ATTRIBUTES = (*POSE, *LIGHT, *SHAPE)
"""Everything that is read, by its name in the table of a set, in the order of the network's outputs."""

MIRRORED = tuple(ATTRIBUTES.index(name) for name in ("pose.yaw", "light.azimuth"))
"""Outputs that change sign when a picture is mirrored; all others stay."""


def truth_table(parameters: dict[str, Any]) -> Tensor:
    """What the regressor is to tell, [N, K] float32 in the renderer's units, from the table of a set.

    Raises InputError where the set was not made by `idnb render`.
    """
    missing = [name for name in ATTRIBUTES if name not in parameters]
    if missing:
        raise InputError(f"the set has no column {missing[0]!r}: only sets of `idnb render` know pose, light and shape")
    return torch.as_tensor(np.stack([parameters[name] for name in ATTRIBUTES], axis=1), dtype=torch.float32)


class AttributeRegressor(nn.Module):
    """Faces in, `ATTRIBUTES` out.

    Buffers: mean and (standard) deviation [K] of each reading over the training set; correlation [K] between truth and
    reading on test faces, which says how far each may be believed.
    """

    mean: Tensor
    deviation: Tensor
    correlation: Tensor

    def __init__(self, size: int = 64, widths: tuple[int, ...] = (24, 48, 96, 128), cells: int = 32) -> None:
        super().__init__()
        self.size = size
        blocks = [conv_unit(3, widths[0], 2), conv_unit(widths[0], widths[0])]
        for a, b in itertools.pairwise(widths):
            blocks += [conv_unit(a, b, 2), conv_unit(b, b)]
        self.body = nn.Sequential(*blocks)
        side = size // 2 ** len(widths)
        self.squeeze = nn.Conv2d(widths[-1], cells, 1)
        self.head = nn.Linear(cells * side * side, len(ATTRIBUTES))
        for name in ("mean", "correlation"):
            self.register_buffer(name, torch.zeros(len(ATTRIBUTES)))
        self.register_buffer("deviation", torch.ones(len(ATTRIBUTES)))

    def forward(self, images: Tensor) -> Tensor:
        """images: [B, 3, H, H] float in [-1, 1], framed as in FFHQ. Returns [B, K], in standard deviations."""
        x = self.body(resize(images, self.size))  # [B, C, 4, 4]
        return self.head(self.squeeze(x).flatten(1))  # [B, K]

    @torch.inference_mode()
    def read(self, images: Tensor) -> dict[str, Tensor]:
        """Every reading by name, [B] each, in the renderer's units (angles in radians)."""
        check_range(images, "images", OVERSHOOT)
        values = self(images) * self.deviation + self.mean  # [B, K]
        return {name: values[:, column] for column, name in enumerate(ATTRIBUTES)}


def load_attribute_regressor(
    path: str | Path | None = None, device: torch.device | str | None = None
) -> AttributeRegressor:
    """The bundled regressor: frozen, in eval mode.

    path: a weight file of your own; None takes the bundled one. device: where to put it; None is the CPU.
    Raises InputError when the file is missing, damaged or foreign.
    """
    network = AttributeRegressor()
    path = weight_path("face_reader") if path is None else Path(path)
    load_strictly(network, read_tensors(path), path)
    return network.requires_grad_(False).eval().to(pick_device(device or "cpu"))
