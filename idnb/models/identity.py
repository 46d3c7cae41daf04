"""ArcFace: the network that says who a face is (an IR-SE residual body and a unit-length embedding).

One class, two sizes. Sized as `paper` its parameter names and shapes are those of the public IR-SE50 file, which
therefore loads as it is. Sized as `tiny` it is the network this package trains on rendered people.

References: Deng et al., "ArcFace", CVPR 2019 (body and embedding); Hu et al., "Squeeze-and-Excitation", CVPR 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.weights import read_tensors, weight_path

__all__ = [
    "IDENTITY_SIZES",
    "FaceEmbedder",
    "IRSEUnit",
    "IdentityNetwork",
    "IdentitySize",
    "SqueezeExcite",
    "frame_to_input",
    "load_identity_network",
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


def frame_to_input(images: Tensor, frame_size: int, crop: tuple[int, int, int, int], input_size: int) -> Tensor:
    """Bring aligned face images to the input of an identity network: resize, cut the face out, average down.

    images: [B, 3, H, H] float in [-1, 1], framed as in FFHQ. Larger ones are averaged down, smaller ones enlarged.
    frame_size, crop, input_size: see `IdentitySize`.
    Returns [B, 3, input_size, input_size]. Differentiable.
    Raises InputError when the images are not square RGB.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise InputError(
            f"images: expected [B, 3, H, H] in [-1, 1], got {list(images.shape)}; "
            "align the face first (idnb.faces.align) and add the batch axis with image[None]"
        )
    side = images.shape[-1]
    if side > frame_size:
        images = F.adaptive_avg_pool2d(images, frame_size)  # [B, 3, frame, frame]; an exact mean for whole ratios
    elif side < frame_size:
        images = F.interpolate(images, size=frame_size, mode="bilinear", align_corners=False)
    top, bottom, left, right = crop
    face = images[:, :, top:bottom, left:right]  # [B, 3, bottom - top, right - left]
    if face.shape[-2:] == (input_size, input_size):
        return face
    return F.adaptive_avg_pool2d(face, input_size)  # [B, 3, input, input]


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


class FaceEmbedder(nn.Module):
    """What every identity network does: aligned face images in, vectors of length one out.

    The cosine of two vectors says how alike two people are. Subclasses set `size` and write `embed`.
    """

    size: Any  # IdentitySize, or another class with frame_size, crop, input_size and embedding

    def prepare(self, images: Tensor) -> Tensor:
        """Aligned images [B, 3, H, H] in [-1, 1], any side, to the network input [B, 3, input_size, input_size]."""
        return frame_to_input(images, self.size.frame_size, self.size.crop, self.size.input_size)

    def embed(self, x: Tensor) -> Tensor:
        """Network input [B, 3, input_size, input_size] to embeddings [B, embedding] of length one."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Identity embeddings of aligned face images.

        images: [B, 3, H, H] float in [-1, 1], framed as in FFHQ (what `idnb.load_faces` and `idnb.faces.align` give).
        Returns [B, embedding], each row of length one. Paper: z_id and z_gen of the identity loss, section 2.4.
        """
        return self.embed(self.prepare(images))


class IdentityNetwork(FaceEmbedder):
    """ArcFace: IR-SE units, then BN, dropout, one linear layer and BN.

    size: one of `IDENTITY_SIZES`, or your own `IdentitySize`.
    Source: ArcFace, section 3.2 (IR units and the BN-dropout-FC-BN output), with squeeze-excite in each unit.
    """

    def __init__(self, size: IdentitySize) -> None:
        super().__init__()
        self.size = size
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, size.stem, 3, 1, 1, bias=False),
            nn.BatchNorm2d(size.stem),
            activation(size.stem, size.leaky_slope),
        )
        units: list[nn.Module] = []
        self.stage_ends: list[int] = []  # index of the last unit of each stage
        channels = size.stem
        for out_channels, count in size.stages:
            for i in range(count):
                units.append(IRSEUnit(channels, out_channels, 2 if i == 0 else 1, size.leaky_slope))
                channels = out_channels
            self.stage_ends.append(len(units) - 1)
        self.body = nn.Sequential(*units)
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

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """The feature map at the end of each stage, fine to coarse; what an identity encoder reuses.

        x: [B, 3, H, W] float in [-1, 1], any size, no crop is taken.
        Returns four maps [B, C_i, H / 2^i, W / 2^i], i = 1..4.
        """
        features = []
        x = self.input_layer(x)
        for index, unit in enumerate(self.body):
            x = unit(x)
            if index in self.stage_ends:
                features.append(x)
        return features

    def embed(self, x: Tensor) -> Tensor:
        """Network input [B, 3, input_size, input_size] to embeddings [B, embedding] of length one."""
        x = self.body(self.input_layer(x))
        return F.normalize(self.output_layer(x), dim=1)  # [B, embedding]


def load_identity_network(
    preset: str = "tiny",
    judge: bool = False,
    path: str | Path | None = None,
    device: torch.device | str | None = None,
) -> FaceEmbedder:
    """An identity network with its weights: frozen, in eval mode.

    preset: "tiny" (bundled) or "paper" (the public IR-SE50 file, fetched by `idnb fetch arcface_ir_se50`).
    judge: the held-out judge in place of the network that losses use. For measuring only, never for a loss.
    path: a weight file of your own for the network asked for; None takes the bundled or fetched one.
    device: where to put it; None is the CPU.
    Returns a module that maps images [B, 3, H, H] in [-1, 1] to embeddings of length one.
    Raises InputError for an unknown preset, a missing or damaged file, or one that belongs to another network.
    """
    if preset not in IDENTITY_SIZES:
        raise InputError(f"preset {preset!r} is unknown; choose one of {', '.join(IDENTITY_SIZES)}")
    network: FaceEmbedder
    if judge:
        if preset != "tiny":
            raise InputError(
                f"preset {preset!r} has no judge of ours; use idnb.models.facenet.load_facenet() as a second opinion"
            )
        from idnb.models.judge import JudgeNetwork  # the one door to the judge; losses leave `judge` alone

        network, name = JudgeNetwork(), "judge_tiny"
    else:
        network = IdentityNetwork(IDENTITY_SIZES[preset])
        name = "arcface_ir_se50" if preset == "paper" else "arcface_tiny"
    path = weight_path(name) if path is None else Path(path)
    load_strictly(network, read_tensors(path), path)
    network.requires_grad_(False)
    return network.eval().to(device or "cpu")


def load_strictly(network: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    """Put a state dict into a network; every entry must be there with its shape, save BatchNorm's batch counters.

    Raises InputError that names the file and the first entries that do not fit.
    """
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in wanted]
    differing = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    faults = [
        f"{len(keys)} entries {what} (first: {keys[0]})"
        for keys, what in ((missing, "missing"), (unknown, "unknown"), (differing, "of another shape"))
        if keys
    ]
    if faults:
        raise InputError(f"{path}: not the weights of {type(network).__name__} at this size: {', '.join(faults)}")
    network.load_state_dict({**{key: wanted[key] for key in wanted if key not in state}, **state})
