"""How near an output is to what the renderer knows of the people it drew.

A small network reads yaw, pitch, light and shape off the output. Pose and light are compared with those of the
contour's picture, shape with that of the identity. It was trained on rendered faces and enters no loss; what it gives
on real renders, the best that can be reached, stands beside every result.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from idnb.core.errors import InputError
from idnb.models.attribute_regressor import ATTRIBUTES, LIGHT, POSE, SHAPE, AttributeRegressor, truth_table

__all__ = ["KNOWN", "shape_distance", "truth_columns"]

KNOWN = (*POSE, *LIGHT)
"""What is known of a contour's picture and read off the output."""

BELIEVED = 0.5
"""Shape readings whose correlation with the truth on test faces is lower than this are left out of distances."""


def truth_columns(parameters: dict[str, Any], regressor: AttributeRegressor) -> Tensor:
    """The renderer's truth for every reading, [N, K], in standard deviations of its training set.

    parameters: of a set of rendered faces. Raises InputError for a set without them.
    """
    return (truth_table(parameters) - regressor.mean) / regressor.deviation


def shape_distance(readings: Tensor, truth: Tensor, regressor: AttributeRegressor) -> Tensor:
    """Root mean square difference in standard deviations, over the shape parameters that the regressor reads well.

    readings: [B, K] from the regressor; truth: [B, K] from `truth_columns`. A reading is compared with the part of the
    truth that the regressor can see, its correlation times the truth, so that the distance of a person to itself is
    small.
    Returns [B].
    """
    first = len(ATTRIBUTES) - len(SHAPE)
    correlation = regressor.correlation[first:]  # [S]
    believed = correlation >= BELIEVED
    if not bool(believed.any()):
        raise InputError("regressor: no shape parameter is read well enough; train it longer (`idnb train attributes`)")
    difference = readings[:, first:] - correlation * truth[:, first:]
    return difference[:, believed].square().mean(1).sqrt()
