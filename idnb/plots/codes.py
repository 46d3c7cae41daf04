"""Codes of a generator's spaces with their shapes: as numbers, and as the faces that they draw."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from idnb.plots.dual_encoder import as_rows
from idnb.plots.grids import show_grid

__all__ = ["show_code_shapes", "show_spaces"]


@torch.no_grad()
def show_code_shapes(generator: Any, seed: int = 0) -> Figure:
    """One code as z, as w, and repeated for all layers (W), beside a code of W+ with a row of its own for each layer.

    generator: a `Generator`, on any device. seed: of the normal numbers.
    Returns the figure. Source of W+: Abdal et al., "Image2StyleGAN", ICCV 2019.
    """
    z = torch.randn(generator.n_styles, generator.style_dim, generator=torch.Generator().manual_seed(seed))
    w = generator.mapping(z.to(generator.w_avg))  # one w for each z
    codes = {"z": z[:1], "w": w[:1], "W": generator.to_w_plus(w[:1])[0], "W+": w}
    heads = [f"{name} {list(code.shape)}" for name, code in codes.items()]
    return show_grid([[as_rows(code) for code in codes.values()]], (), heads, "Four codes and their shapes")


@torch.no_grad()
def show_spaces(generator: Any, w_plus: Tensor, seed: int = 0) -> Figure:
    """Two faces for each of three spaces: from random z, from the mean over the rows of W+ codes, from these codes.

    generator: a `Generator`; its own input is used. w_plus: [B, n_styles, style_dim], two or more codes, on its device.
    seed: of the normal numbers. Returns the figure. Raises IndexError where there is one code only.
    """
    z = torch.randn(2, generator.style_dim, generator=torch.Generator().manual_seed(seed)).to(generator.w_avg)
    spaces = {
        f"Z {list(z.shape[1:])}": generator.to_w_plus(generator.mapping(z)),
        f"W {list(w_plus.shape[2:])}": generator.to_w_plus(w_plus.mean(dim=1)),
        f"W+ {list(w_plus.shape[1:])}": w_plus,
    }
    faces = [generator.synthesis(codes[:2]).clamp(-1, 1) for codes in spaces.values()]
    return show_grid(
        [[f[k] for f in faces] for k in (0, 1)], (), list(spaces), "Codes of three spaces, decoded", cell=1.2
    )
