"""How well an output keeps its contour, and how near it is to what the renderer knows.

Contour: the contour is derived again from the output and compared with the one that was asked for.

    low_res     PSNR of the two small images, in dB
    sketch      F-score of the lines, a line counting as met within one pixel
    label_map   intersection over union, with the label map that a small parser paints of the output

Truth: a small network reads yaw, pitch, light and shape off the output. Pose and light are compared with those of the
contour's picture, shape with that of the identity. Both networks were trained on rendered faces and enter no loss; what
they give on real renders, the best that can be reached, stands beside every result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.evaluation.metrics import psnr
from idnb.faces.labels import N_LABELS
from idnb.faces.overlap import class_overlap
from idnb.models.face_parser import FaceParser
from idnb.models.face_reader import LIGHT, POSE, READINGS, SHAPE, FaceReader

__all__ = ["FIDELITY", "KNOWN", "contour_fidelity", "shape_distance", "sketch_agreement", "truth_columns"]

FIDELITY = {"low_res": ("psnr", "dB"), "sketch": ("line_f", ""), "label_map": ("iou", "")}
"""Kind of contour -> name and unit of its measure; larger is better for all."""

KNOWN = (*POSE, *LIGHT)
"""What is known of a contour's picture and read off the output."""

BELIEVED = 0.5
"""Shape readings whose correlation with the truth on test faces is lower than this are left out of distances."""


@torch.inference_mode()
def contour_fidelity(kind: str, outputs: Tensor, x_c: Tensor, parser: FaceParser | None = None) -> dict[str, Tensor]:
    """Compare the contour of each output with the one that was asked for.

    kind: "low_res", "sketch" or "label_map". outputs: [B, 3, H, H] in [-1, 1]; values outside are cut off.
    x_c: the contours, as made by `contour_kind(kind).make`. parser: for sketches drawn with a label map and for label
    maps; a sketch without one is drawn from the image alone.
    Returns the measure of `FIDELITY`, [B], by name; for label maps also "overlap", [B, 19, 2].
    """
    outputs = outputs.clamp(-1.0, 1.0)
    if kind == "low_res":
        return {"psnr": psnr(contour_kind(kind, size=x_c.shape[-1]).make(outputs), x_c)}
    if kind == "sketch":
        if outputs.shape[-1] != x_c.shape[-1]:  # lines are drawn at the size of the contour
            outputs = F.interpolate(outputs, size=x_c.shape[-2:], mode="bilinear", antialias=True)
        labels = None if parser is None else parser.label_maps(outputs)
        return {"line_f": sketch_agreement(contour_kind(kind).make(outputs, labels), x_c)}
    if kind != "label_map":
        raise InputError(f"no measure for contours of kind {kind!r}; there are: {', '.join(FIDELITY)}")
    if parser is None:
        raise InputError("parser: label maps of outputs need idnb.models.face_parser.load_face_parser()")
    truth = contour_kind(kind).network_input(x_c, parser.size).argmax(1)  # [B, S, S]
    overlap = class_overlap(parser.label_maps(outputs), truth)
    asked = F.one_hot(truth.flatten(1), N_LABELS).sum(1) > 0  # [B, 19] classes that the contour has
    iou = overlap[..., 0] / overlap[..., 1].clamp_min(1)
    return {"iou": (iou * asked).sum(1) / asked.sum(1), "overlap": overlap}


def sketch_agreement(found: Tensor, asked: Tensor, reach: int = 1) -> Tensor:
    """F-score of two drawings: how much ink of each lies within `reach` pixels of ink of the other.

    found, asked: [B, 1, S, S] in [0, 1], 1 is paper. Returns [B]: 1 for equal drawings, 0 for lines that never meet;
    two empty sheets agree.
    """
    if found.shape != asked.shape or found.ndim != 4:
        raise InputError(f"found is {list(found.shape)} and asked {list(asked.shape)}; expected [B, 1, S, S] twice")
    ink, wanted = 1.0 - found, 1.0 - asked

    def met(lines: Tensor, other: Tensor) -> Tensor:
        near = F.max_pool2d(other, 2 * reach + 1, 1, reach)  # [B, 1, S, S]
        return torch.minimum(lines, near).sum((1, 2, 3)) / lines.sum((1, 2, 3)).clamp_min(1e-6)

    precision, recall = met(ink, wanted), met(wanted, ink)
    empty = torch.maximum(ink, wanted).amax((1, 2, 3)) < 1e-6
    return torch.where(empty, 1.0, 2 * precision * recall / (precision + recall).clamp_min(1e-6))


def truth_columns(parameters: dict[str, Any], reader: FaceReader) -> Tensor:
    """The renderer's truth for every reading, [N, K], in the reader's deviations.

    parameters: of a set of rendered faces. Raises InputError for a set without them.
    """
    missing = [name for name in READINGS if name not in parameters]
    if missing:
        raise InputError(f"the set has no column {missing[0]!r}: only rendered sets know pose, light and shape")
    table = torch.as_tensor(np.stack([parameters[name] for name in READINGS], axis=1), dtype=torch.float32)
    return (table - reader.mean) / reader.deviation


def shape_distance(readings: Tensor, truth: Tensor, reader: FaceReader) -> Tensor:
    """Root mean square difference in deviations, over the shape parameters that the reader reads well.

    readings: [B, K] from the reader; truth: [B, K] from `truth_columns`. A reading is compared with the part of the
    truth that the reader can see, its correlation times the truth, so that the distance of a person to itself is small.
    Returns [B].
    """
    first = len(READINGS) - len(SHAPE)
    correlation = reader.correlation[first:]  # [S]
    believed = correlation >= BELIEVED
    if not bool(believed.any()):
        raise InputError("reader: no shape parameter is read well enough; train it longer (`idnb train reader`)")
    difference = readings[:, first:] - correlation * truth[:, first:]
    return difference[:, believed].square().mean(1).sqrt()
