"""Directions to walk along from any code: turn the head, move the light, put on glasses.

The renderer knows yaw, light and glasses of every picture of a set, so nothing has to be labelled by another network.
Pictures are encoded, each with itself as contour and as identity. The codes (W+ and the generator's 4 x 4 input) are
regressed on what is known. Yaw and light differ between the pictures of one person: there the mean of each person is
taken off first, so that a direction does not also change who it is. Glasses belong to a person: there people are
compared, with age and sex held fixed.

A linear direction in the manner of Shen et al., "Interpreting the Latent Space of GANs" (CVPR 2020). Differs from the
paper: least squares against known numbers in place of a classifier's border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.export.networks import Networks

__all__ = ["WALKS", "Direction", "Walk", "directions"]


@dataclass(frozen=True)
class Walk:
    """One walk.

    name: of the control. parameter: the renderer's. within: compared within a person, else between people. held: what
    is held fixed beside. kinds: of contour, whose encoders may make the codes, the best first. reach: how far the
    control goes to either side, in units of the parameter.
    """

    name: str
    parameter: str
    within: bool
    reach: float
    held: tuple[str, ...]
    kinds: tuple[str, ...]


class Direction(NamedTuple):
    """Change of a code for one unit of a parameter: w_plus [n_styles, style_dim], input_latent [C, 4, 4]."""

    w_plus: Tensor
    input_latent: Tensor


SEES_LIGHT = ("low_res", "sketch", "label_map")
SEES_GLASSES = ("label_map", "sketch", "low_res")

WALKS = (
    Walk("yaw", "pose.yaw", True, 0.5, ("pose.pitch", "light.azimuth", "light.elevation"), SEES_LIGHT),
    Walk("light", "light.azimuth", True, 1.2, ("pose.yaw", "pose.pitch", "light.elevation"), SEES_LIGHT),
    Walk("glasses", "glasses.worn", False, 1.5, ("phenotype.gender", "phenotype.age"), SEES_GLASSES),
)


@torch.inference_mode()
def _codes(networks: Networks, kind: str, faces: Any, rows: list[int], batch: int = 24) -> Tensor:
    """Codes of pictures of a set as rows of numbers, [N, n_styles * style_dim + C * 16]."""
    encoder, generator = networks.encoders[kind], networks.generator
    found = []
    for begin in range(0, len(rows), batch):
        part = rows[begin : begin + batch]
        images = faces.images(part)
        x_c = contour_kind(kind).make(images, contour_kind(kind).labels_of(faces, part))
        result = encoder.generate(generator, x_c, images)
        latent = result.input_latent
        w_plus = result.w_plus[:, -1].flatten(1)
        last = torch.zeros(len(part), 16 * generator.channels[0]) if latent is None else latent[:, -1].flatten(1)
        found.append(torch.cat([w_plus, last], dim=1))
    return torch.cat(found)


def _slope(codes: Tensor, known: Tensor) -> Tensor:
    """Least squares: change of a code for one unit of the first known parameter, the others held fixed."""
    known = known - known.mean(0)  # [N, P]
    return torch.linalg.lstsq(known, codes - codes.mean(0)).solution[0]  # [D]


def _by_person(faces: Any, people: np.ndarray, shots: int) -> list[int]:
    return [int(row) for person in people for row in np.flatnonzero(faces.identity == person)[:shots]]


def _without_mean_of_each(values: Tensor, owner: Tensor) -> Tensor:
    """values: [N, D]. owner: [N], whose picture a row is. Returns the rows less the mean of their owner."""
    same = (owner[:, None] == owner[None, :]).float()  # [N, N]
    return values - same @ values / same.sum(1, keepdim=True)


def directions(networks: Networks, faces: Any, people: int = 40) -> dict[str, Direction]:
    """The directions of all walks.

    faces: a set of rendered people. people: how many are encoded: with four pictures each to compare within a person,
    with one each, as many with glasses as without, to compare between people.
    Returns the direction of each walk by name. Raises InputError when the set does not know the parameters.
    """
    needed = {name for walk in WALKS for name in (walk.parameter, *walk.held)}
    missing = sorted(needed - set(faces.parameters))
    if missing:
        raise InputError(f"the set has no column {missing[0]!r}; walks need a set made by `idnb render`")
    generator = networks.generator
    numbers, first = np.unique(faces.identity, return_index=True)
    spread = numbers[np.linspace(0, len(numbers) - 1, min(people, len(numbers))).astype(int)]
    worn = faces.parameters["glasses.worn"][first] > 0.5
    rows = {
        True: _by_person(faces, spread, 4),
        False: [*first[worn][:people].tolist(), *first[~worn][:people].tolist()],
    }
    codes: dict[tuple[str, bool], Tensor] = {}
    found: dict[str, Direction] = {}
    for walk in WALKS:
        kind = next(kind for kind in walk.kinds if kind in networks.encoders)
        key = (kind, walk.within)
        if key not in codes:
            codes[key] = _codes(networks, kind, faces, rows[walk.within])
        columns = [faces.parameters[name][rows[walk.within]] for name in (walk.parameter, *walk.held)]
        known, code = torch.tensor(np.stack(columns, 1), dtype=torch.float32), codes[key]
        if walk.within:
            owner = torch.as_tensor(faces.identity[rows[True]])
            known, code = _without_mean_of_each(known, owner), _without_mean_of_each(code, owner)
        slope = _slope(code, known)
        split = generator.n_styles * generator.style_dim
        found[walk.name] = Direction(
            slope[:split].reshape(generator.n_styles, generator.style_dim),
            slope[split:].reshape(generator.channels[0], 4, 4),
        )
    return found
