"""The held-out judge: a second identity network that no loss ever sees.

A picture optimised to please one network may please only that one. So whoever reports how well identity was kept asks
the judge too. It has another architecture (plain pre-activation residual blocks, a patch stem, other widths, a wider
crop), other training people, another seed and another margin. Nothing that trains or optimises may import this
module, a test walks the imports; and whatever takes an identity network refuses one that is `held_out`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from idnb.models.embedder import FaceEmbedder

__all__ = ["JudgeNetwork", "JudgeSize", "PlainBlock"]


@dataclass(frozen=True)
class JudgeSize:
    """Sizes of the judge; frame_size, crop and input_size as in `IdentitySize`, widths one channel count a stage."""

    frame_size: int = 64
    crop: tuple[int, int, int, int] = (8, 60, 6, 58)
    input_size: int = 52
    patch: int = 4
    stem: int = 32
    widths: tuple[int, ...] = (32, 64, 160)
    blocks: tuple[int, ...] = (1, 2, 2)
    cells: int = 48
    embedding: int = 192


class PlainBlock(nn.Module):
    """Pre-activation residual block: BN, SiLU, conv, BN, SiLU, conv, plus the input (pooled and projected at need).

    Source: He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016, figure 4e.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        change = stride > 1 or in_channels != channels
        self.project = nn.Conv2d(in_channels, channels, 1, bias=False) if change else None
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, C_in, H, W]. Returns [B, C_out, ceil(H / stride), ceil(W / stride)]."""
        shortcut = x
        if self.project is not None:
            if self.stride > 1:
                shortcut = F.avg_pool2d(x, self.stride, ceil_mode=True)  # [B, C_in, ceil(H / s), ceil(W / s)]
            shortcut = self.project(shortcut)
        x = self.conv1(F.silu(self.norm1(x)))
        x = self.conv2(F.silu(self.norm2(x)))
        return shortcut + x


class JudgeNetwork(FaceEmbedder):
    """Aligned face images in, embeddings of length one out; same calls as `IdentityNetwork`."""

    held_out = True

    def __init__(self) -> None:
        super().__init__()
        self.size = size = JudgeSize()
        self.stem = nn.Conv2d(3, size.stem, size.patch, size.patch // 2, 1, bias=False)
        blocks: list[nn.Module] = []
        channels = size.stem
        for stage, (width, count) in enumerate(zip(size.widths, size.blocks, strict=True)):
            for i in range(count):
                blocks.append(PlainBlock(channels, width, 2 if i == 0 and stage > 0 else 1))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(channels)
        side = (size.input_size + 2 - size.patch) // (size.patch // 2) + 1
        for _ in size.widths[1:]:
            side = (side + 1) // 2
        # No mean over positions: it forgets where things are, and with it the judge learned several times more slowly.
        self.squeeze = nn.Conv2d(channels, size.cells, 1, bias=False)
        self.norm_cells = nn.BatchNorm2d(size.cells)
        self.places = nn.Linear(size.cells * side * side, size.embedding, bias=False)
        self.norm_out = nn.BatchNorm1d(size.embedding)

    def embed(self, x: Tensor) -> Tensor:
        """Network input [B, 3, input_size, input_size] to embeddings [B, embedding] of length one."""
        x = F.silu(self.norm(self.blocks(self.stem(x))))  # [B, C, h, w]
        x = self.norm_cells(self.squeeze(x)).flatten(1)  # [B, cells * h * w]
        x = self.norm_out(self.places(x))  # [B, embedding]
        return F.normalize(x, dim=1)
