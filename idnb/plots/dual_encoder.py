"""The paper's figure 2, drawn from the tensors of one step: what went through the dual encoder, station by station.

As in `idnb.plots` a figure carries a text for those who cannot see it; show it with `idnb.plots.show`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.plots.networks import FlowBox, as_heat, show_flow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["as_activity", "as_rows", "show_dual_encoder"]

STATIONS = ("x_c", "x_id", "y_hat", "head", "neck", "w_plus", "input_latent", "result")
"""Names that `show_dual_encoder` wants beside `F1`, `gamma 1`, `H1`, `F2`, ... of the levels."""


def as_activity(features: Tensor) -> np.ndarray:
    """How much is going on at each position of a feature map, as colours from dark blue to yellow.

    features: [1, C, H, W] or [C, H, W].
    Returns [H, W, 3] uint8: the mean over channels of the distance of each value from the mean of its channel.
    Raises InputError: another shape.
    """
    maps = features[0] if features.ndim == 4 and len(features) == 1 else features
    if maps.ndim != 3 or maps.numel() == 0:
        raise InputError(f"features: expected [1, C, H, W] or [C, H, W], got {list(features.shape)}")
    return as_heat((maps - maps.mean(dim=(1, 2), keepdim=True)).abs().mean(dim=0))  # [H, W]


def as_rows(codes: Tensor) -> np.ndarray:
    """A W+ code, or a change of one, as a square of colours: red above and blue below zero, one band for each style.

    codes: [1, n_styles, style_dim] or [n_styles, style_dim].
    Returns [H, style_dim, 3] uint8, H about style_dim. The scale ends at the 99th percentile of the sizes.
    Raises InputError: another shape.
    """
    rows = codes[0] if codes.ndim == 3 and len(codes) == 1 else codes
    if rows.ndim != 2 or rows.numel() == 0:
        raise InputError(f"codes: expected [1, n_styles, style_dim] or [n_styles, style_dim], got {list(codes.shape)}")
    rows = rows.detach().float()
    top = max(1e-8, float(torch.quantile(rows.abs().flatten(), 0.99)))
    return as_heat(rows.repeat_interleave(max(1, rows.shape[1] // len(rows)), dim=0), -top, top, signed=True)


def show_dual_encoder(way: Mapping[str, Tensor], title: str = "") -> Figure:
    """Figure 2 of the paper with live tensors: identity encoder above, modulation between, main encoder below.

    way: the stations of one step, for a batch of one. `x_c`, `x_id`, `y_hat`, `result`: pictures [1, 3, H, H]
        around [-1, 1]; `F1`, `gamma 1`, `H1` and so on for every level, `head`, `neck`: maps [1, C, H, W];
        `w_plus`: what is added to the code, [1, n_styles, style_dim]; `input_latent`: what is added to the
        generator's input, [1, C, 4, 4], or missing.
    title: above everything.
    Returns the figure. Contours of other kinds are shown by what `Contour.display` makes of them; hand that over as
    `x_c`.
    Raises InputError: a station is missing.
    """
    levels = 1
    while f"F{levels + 1}" in way:
        levels += 1
    wanted = [f"{name}{i}" for i in range(1, levels + 1) for name in ("F", "gamma ", "H")]
    missing = [name for name in (*STATIONS, *wanted) if name not in way and name != "input_latent"]
    if missing:
        raise InputError(f"way: there is no {', '.join(missing)}; give every station of one step")
    main, last = 2.05, 2 + levels  # the row of the main encoder, and the column after its blocks
    places = {"x_id": (0.5, 0.0), "x_c": (0.0, main - 0.55), "y_hat": (0.0, main + 0.55), "head": (1.0, main)}
    for i in range(1, levels + 1):
        places |= {f"F{i}": (1.0 + i, 0.0), f"gamma {i}": (1.0 + i, 1.0), f"H{i}": (1.0 + i, main)}
    places |= {"neck": (last, main), "w_plus": (last + 1, main - 0.55), "result": (last + 2, main)}
    if "input_latent" in way:
        places["input_latent"] = (last + 1, main + 0.55)
    boxes = {name: FlowBox(_picture(name, way[name]), _text(name, way[name]), *place) for name, place in places.items()}
    arrows = [("x_c", "head"), ("y_hat", "head"), ("x_id", "F1"), ("head", "H1"), (f"H{levels}", "neck")]
    for i in range(1, levels + 1):
        arrows += [(f"F{i}", f"gamma {i}"), (f"gamma {i}", f"H{i}")]
        arrows += [(f"F{i}", f"F{i + 1}"), (f"H{i}", f"H{i + 1}")] if i < levels else []
    for head in ("w_plus", "input_latent"):
        arrows += [("neck", head), (head, "result")] if head in way else []
    parts = ", ".join(f"{name} {list(way[name].shape[1:])}" for name in places)
    alt = f"{title or 'The dual encoder'}; stations, left to right: {parts}"
    return show_flow(boxes, arrows, title, (1.0, 1.2), 0.7, ("result", "y_hat"), alt)


def _picture(name: str, tensor: Tensor) -> Any:
    """What stands for a tensor in the figure."""
    if name in ("x_c", "x_id", "y_hat", "result"):
        return tensor.detach().clamp(-1, 1)
    return as_rows(tensor) if name == "w_plus" else as_activity(tensor)


def _text(name: str, tensor: Tensor) -> str:
    """Name and shape without the batch; heads write changes."""
    shown = {"w_plus": "+ w_plus", "input_latent": "+ input_latent"}.get(name, name.replace("gamma", "γ, β"))
    return f"{shown}\n{list(tensor.shape[1:])}"
