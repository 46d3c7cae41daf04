"""What is known of rendered people, as the code z of a generator: every parameter brought to a normal distribution.

A picture's parameters (pose, haircut, lips, light) are numbers of any range and words. As normal quantiles, without
correlations, they are the first numbers of a z; the rest of z stays random.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb
from numpy.typing import NDArray
from torch import Tensor

from idnb.core.errors import InputError

__all__ = ["normal_codes", "read_codes", "with_filling", "without_hues"]

SMALLEST_VARIANCE = 0.05  # directions in which the parameters vary less are not enlarged further


def read_codes(folders: Sequence[str], people: int | None = None, seed: int = 1) -> Tensor:
    """The codes of all pictures of some rendered sets, in the order of `idnb.faces.real_images.read_strips`.

    folders: sets of rendered people. people: of each set only so many of the first; None takes all. seed: see
    `normal_codes`. Returns [N, P], of P parameters. Raises InputError for people without parameters.
    """
    from idnb.faces.synthetic import finished, load_rendered

    parts = []
    for folder in folders:
        faces = finished(load_rendered(folder), lambda _: None)
        faces = faces.select(np.unique(faces.identity)[:people])
        order = np.lexsort((faces.shot, faces.identity))
        parts.append({name: np.asarray(values)[order] for name, values in faces.parameters.items()})
    parameters = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if len(parameters) < 2:
        raise InputError(f"{folders[0]}: nothing is known of its people; take a set that `idnb render` has made")
    return normal_codes(without_hues(parameters), seed)


def without_hues(parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same parameters, with colours given as hue, saturation and value turned into red, green and blue.

    A hue is a circle: the two ends of its numbers are one red, which no smooth function of a code can draw.

    parameters: name -> values [N]; "x.hue" counts as a colour where "x.saturation" and "x.value" are there, too,
    each from 0 to 1. Returns them without these three, and with "x.red", "x.green", "x.blue" [N] from 0 to 1.
    """
    found = dict(parameters)
    for name in parameters:
        place, _, last = name.rpartition(".")
        rest = [f"{place}.saturation", f"{place}.value"]
        if last != "hue" or not all(key in parameters for key in rest):
            continue
        hsv = np.stack([parameters[key].astype(float) for key in (name, *rest)], axis=1)  # [N, 3]
        for key in (name, *rest):
            del found[key]
        rgb = hsv_to_rgb(hsv.clip(0, 1))  # [N, 3]
        found |= {f"{place}.{channel}": rgb[:, i] for i, channel in enumerate(("red", "green", "blue"))}
    return found


def normal_codes(parameters: Mapping[str, NDArray[Any]], seed: int = 1) -> Tensor:
    """Bring parameters of any distribution to a standard normal one.

    Each parameter is replaced by the normal quantile of its rank (equal values get neighbouring ranks in random order,
    so that a choice among eleven haircuts becomes eleven intervals). Then the correlations of amounts are removed, with
    a matrix that changes the single parameters as little as possible. Choices (words, yes or no) keep axes of their
    own: mixed with other parameters, their intervals would have no edges any more.

    parameters: name -> values [N], numbers or words. seed: of ties. Returns [N, P] float32: amounts, then choices.
    """
    random = np.random.default_rng(seed)
    amounts: list[Tensor] = []
    choices: list[Tensor] = []
    for name, values in parameters.items():
        if name.endswith(".pattern"):
            continue  # a random number's seed says nothing about the picture
        kinds, numbers = np.unique(values, return_inverse=True)
        rank = np.empty(len(values))
        rank[np.lexsort((random.random(len(values)), numbers))] = np.arange(len(values))
        column = math.sqrt(2) * torch.erfinv(torch.from_numpy(2 * (rank + 0.5) / len(values) - 1))
        (choices if kinds.dtype.kind in "US" or len(kinds) == 2 else amounts).append(column)
    normal = torch.stack(amounts, dim=1)  # [N, P'] float64
    variance, axes = torch.linalg.eigh(normal.T.cov())
    whiten = axes @ torch.diag(variance.clamp_min(SMALLEST_VARIANCE).rsqrt()) @ axes.T  # [P', P']
    return torch.cat([normal @ whiten, *(column[:, None] for column in choices)], dim=1).float()


def with_filling(codes: Tensor, length: int, random: torch.Generator) -> Tensor:
    """Lengthen codes to a z with standard normal numbers: what of a picture its parameters do not tell.

    codes: [B, P]. length: of z, at least P. random: source of the numbers.
    Returns [B, length]. Raises InputError when there are more parameters than `length`.
    """
    if codes.shape[1] > length:
        raise InputError(f"{codes.shape[1]} parameters do not fit into a z of length {length}")
    filling = torch.randn(len(codes), length - codes.shape[1], generator=random).to(codes.device)
    return torch.cat([codes, filling], dim=1)
