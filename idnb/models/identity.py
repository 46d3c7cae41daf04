"""ArcFace: the network that says who a face is (an IR-SE residual body and a unit-length embedding).

One class, two sizes. Sized as `paper` its parameter names and shapes are those of the public IR-SE50 file, which
therefore loads as it is. Sized as `tiny` it is the network this package trains on rendered people.

References: Deng et al., "ArcFace", CVPR 2019 (body and embedding); Hu et al., "Squeeze-and-Excitation", CVPR 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.models.embedder import FaceEmbedder

__all__ = [
    "IDENTITY_SIZES",
    "IRSEBody",
    "IRSEUnit",
    "IdentityNetwork",
    "IdentitySize",
    "SqueezeExcite",
    "keep_statistics",
]


@dataclass(frozen=True)
class IdentitySize:
    """Every size of an identity network.

    frame_size: side in pixels to which an aligned face image is brought first.
    crop: (top, bottom, left, right) of the face inside that frame; bottom and right are exclusive.
    input_size: side of the network input; the crop is averaged down to it.
    stem: channels after the first convolution.
    stages: (channels, units) of each of the four stages; the first unit of a stage halves the resolution.
    embedding: length of the identity vector.
    dropout: share of features dropped before the last linear layer while training.
    leaky_slope: None for PReLU (learned slopes, as in the public file), a number for leaky ReLU with that slope. On a
        CPU the gradient of PReLU takes a third of a training step, so `tiny` does without.
    """

    frame_size: int
    crop: tuple[int, int, int, int]
    input_size: int
    stem: int
    stages: tuple[tuple[int, int], ...]
    embedding: int
    dropout: float
    leaky_slope: float | None = None


IDENTITY_SIZES = {
    # The face fills 48 of the 64 pixels; nothing is resampled, and the border, mostly hair and background, is left out.
    "tiny": IdentitySize(64, (10, 58, 8, 56), 48, 16, ((16, 1), (32, 2), (96, 3), (256, 2)), 256, 0.1, 0.2),
    # Rows 35..222 and columns 32..219 of 256, averaged to 112: the fixed stand-in for face detection used with IR-SE50.
    "paper": IdentitySize(256, (35, 223, 32, 220), 112, 64, ((64, 3), (128, 4), (256, 14), (512, 3)), 512, 0.5),
}


def activation(channels: int, leaky_slope: float | None) -> nn.Module:
    """PReLU with one learned slope a channel, or leaky ReLU when a slope is given."""
    return nn.PReLU(channels) if leaky_slope is None else nn.LeakyReLU(leaky_slope)


class SqueezeExcite(nn.Module):
    """Reweights channels by a gate computed from their means: x * sigmoid(fc2(relu(fc1(mean(x)))))."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, C, H, W]. Returns the same shape."""
        gate = x.mean(dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(gate))))


class IRSEUnit(nn.Module):
    """The "improved residual" unit of ArcFace: BN, conv, PReLU, strided conv, BN, squeeze-excite, plus the shortcut.

    The shortcut is a strided pick of pixels where channels agree, a 1x1 convolution where they change.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, leaky_slope: float | None = None) -> None:
        super().__init__()
        self.stride = stride
        if in_channels == channels:
            self.shortcut_layer: nn.Module = nn.Identity()
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False),
            activation(channels, leaky_slope),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            SqueezeExcite(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, C_in, H, W]. Returns [B, C_out, H / stride, W / stride]."""
        shortcut = self.shortcut_layer(x)
        if isinstance(self.shortcut_layer, nn.Identity) and self.stride > 1:
            shortcut = x[:, :, :: self.stride, :: self.stride]  # [B, C, H / stride, W / stride]
        return shortcut + self.res_layer(x)


class IRSEBody(nn.Module):
    """The body of ArcFace as it is named in public files: a first convolution and stages of IR-SE units.

    Subclasses call `build_body`.
    """

    def build_body(self, inputs: int, size: Any) -> int:
        """Make `input_layer` and `body`. inputs: channels. size: has stem, stages and leaky_slope. Returns channels."""
        slope, channels = size.leaky_slope, size.stem
        self.input_layer = nn.Sequential(
            nn.Conv2d(inputs, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), activation(channels, slope)
        )
        units: list[nn.Module] = []
        self.stage_ends: list[int] = []  # number of the last unit of each stage
        for out_channels, count in size.stages:
            for i in range(count):
                units.append(IRSEUnit(channels, out_channels, 2 if i == 0 else 1, slope))
                channels = out_channels
            self.stage_ends.append(len(units) - 1)
        self.body = nn.Sequential(*units)
        return channels

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """The feature map at the end of each stage, fine to coarse; what encoders reuse.

        x: [B, C, H, W], any size, no crop is taken. Returns four maps [B, C_i, H / 2^i, W / 2^i], i = 1..4.
        """
        features = []
        x = self.input_layer(x)
        for index, unit in enumerate(self.body):
            x = unit(x)
            if index in self.stage_ends:
                features.append(x)
        return features


def keep_statistics(network: nn.Module) -> None:
    """Let BatchNorm keep its running means and variances while the network around it trains."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.training = False


class IdentityNetwork(IRSEBody, FaceEmbedder):
    """ArcFace: IR-SE units, then BN, dropout, one linear layer and BN.

    size: one of `IDENTITY_SIZES`, or your own `IdentitySize`.
    Source: ArcFace, section 3.2 (IR units and the BN-dropout-FC-BN output), with squeeze-excite in each unit.
    """

    def __init__(self, size: IdentitySize) -> None:
        super().__init__()
        self.size = size
        channels = self.build_body(3, size)
        side = size.input_size
        for _ in size.stages:
            side = (side + 1) // 2
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(size.dropout),
            nn.Flatten(),
            nn.Linear(channels * side * side, size.embedding),
            nn.BatchNorm1d(size.embedding),
        )

    def embed(self, x: Tensor) -> Tensor:
        """Network input [B, 3, input_size, input_size] to embeddings [B, embedding] of length one."""
        x = self.body(self.input_layer(x))
        return F.normalize(self.output_layer(x), dim=1)  # [B, embedding]
