"""How well two label maps agree: intersection over union of each class, and its mean."""

from __future__ import annotations

import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.faces.labels import N_LABELS

__all__ = ["intersection_and_union", "mean_iou"]


def intersection_and_union(found: Tensor, truth: Tensor) -> Tensor:
    """Intersection and union of each class, in pixels.

    found, truth: [B, H, W] class numbers 0 to 18. Returns [B, 19, 2] long: intersection, union. Add the rows of many
    images before dividing; small parts then count by all of their pixels.
    """
    if found.shape != truth.shape or found.ndim != 3:
        raise InputError(f"found is {list(found.shape)} and truth {list(truth.shape)}; expected [B, H, W] twice")

    def areas(labels: Tensor) -> Tensor:
        places = labels.flatten(1).long() + N_LABELS * torch.arange(len(labels), device=labels.device)[:, None]
        return torch.bincount(places.flatten(), minlength=N_LABELS * len(labels)).view(-1, N_LABELS)  # [B, 19]

    agreed = torch.where(found == truth, found.long(), N_LABELS)  # [B, H, W]
    shared = torch.stack([torch.bincount(a.flatten(), minlength=N_LABELS + 1)[:N_LABELS] for a in agreed])  # [B, 19]
    return torch.stack([shared, areas(found) + areas(truth) - shared], dim=-1)  # [B, 19, 2]


def mean_iou(counts: Tensor) -> float:
    """Mean intersection over union of the classes that occur, from [19, 2] intersections and unions (mIoU)."""
    there = counts[:, 1] > 0
    if not bool(there.any()):
        raise InputError("counts: no class occurs; are the label maps empty?")
    return float((counts[there, 0].double() / counts[there, 1].double()).mean())
