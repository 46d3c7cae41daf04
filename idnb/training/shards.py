"""Large tables of bytes that stay on disk: rows of several memory-mapped tensors, read as if they were one tensor.

CelebA-HQ at 256 px is 5 GB of photos. As one tensor in memory that is 5 GB for each process; memory-mapped, the
operating system keeps the pages that are used, once for all processes of a machine, and lets go of them when it must.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["LARGEST_IN_MEMORY", "Rows", "joined"]

LARGEST_IN_MEMORY = 1 << 30
"""Bytes up to which shards are put together in memory."""


class Rows:
    """Tensors one after the other, indexed by row like a single one.

    parts: [N_i, ...] each, of one type and one shape behind the first axis.
    """

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = list(parts)
        sizes = torch.tensor([len(part) for part in self.parts])
        self.ends = torch.cumsum(sizes, 0)
        self.starts = self.ends - sizes
        self.dtype = self.parts[0].dtype
        self.shape = torch.Size([int(self.ends[-1]), *self.parts[0].shape[1:]])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Tensor | tuple[Tensor, int]) -> Tensor:
        """rows [B] long, or (rows, place on the second axis) -> [B, ...]."""
        rows, rest = (index[0], index[1:]) if isinstance(index, tuple) else (index, ())
        part = torch.searchsorted(self.ends, rows, right=True)
        found = [self.parts[p][(int(row - self.starts[p]), *rest)] for row, p in zip(rows, part.tolist(), strict=True)]
        return torch.stack(found)  # [B, ...]


def joined(parts: Sequence[Tensor], limit: int = LARGEST_IN_MEMORY) -> Tensor | Rows:
    """One tensor where the parts fit into `limit` bytes, else rows of the parts as they are."""
    size = sum(part.numel() * part.element_size() for part in parts)
    return torch.cat(list(parts)) if size <= limit else Rows(parts)
