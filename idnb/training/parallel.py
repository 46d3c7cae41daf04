"""Gradients of several processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["average_gradients"]


@torch.no_grad()
def average_gradients(parameters: Sequence[Tensor], accelerator: Accelerator) -> None:
    """Give every parameter the mean of its gradient over all processes; one process has it already."""
    if accelerator.num_processes == 1:
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    means = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")  # [all parameters]
    for parameter, mean in zip(parameters, means.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = mean.view_as(parameter).clone(memory_format=torch.preserve_format)
