"""The dual encoder: a face whose contour comes from one picture and whose identity comes from another.

    x_id  --identity encoder--> features of four levels --equation 1--> gamma, beta of every bottleneck
    x_c, y_hat --head--> IFBlock 1 --> ... --> IFBlock 4 --> change of W+, change of the generator's 4 x 4 input
                            each bottleneck: equation 2
    generator(code) --> y_hat, which goes back into the head, as many times as asked

Both heads start at zero and add to the mean of w and to the generator's constant, so an untrained encoder draws the
average face. `ContourEncoder` is what every learned encoder of this package has in common, pSp and ReStyle included.

Paper: sections 2.2 and 2.3, figure 2; the feedback loop is ReStyle's (Alaluf et al., ICCV 2021).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.core.shapes import check_shape
from idnb.models.fusion import SLOPE, IFBlock, StyleHead
from idnb.models.identity import IDENTITY_SIZES, FaceEmbedder, IdentityNetwork
from idnb.models.stylegan2 import Generator

__all__ = [
    "ENCODER_SIZES",
    "MODULATIONS",
    "Code",
    "ContourEncoder",
    "EncoderSize",
    "IdentityEncoder",
    "IdentityGuidedEncoder",
    "Result",
    "to_size",
]

MODULATIONS = ("tensor", "vector", "none")


class Code(NamedTuple):
    """What the generator reads: w_plus [B, n_styles, style_dim], input_latent [B, C, 4, 4] or None."""

    w_plus: Tensor
    input_latent: Tensor | None

    def detach(self) -> Code:
        """The same numbers without their graph."""
        return Code(self.w_plus.detach(), None if self.input_latent is None else self.input_latent.detach())


class Result(NamedTuple):
    """All refinement steps of a batch, the last step is the answer.

    images: [B, steps, 3, H, W] around [-1, 1]. w_plus: [B, steps, n_styles, style_dim].
    input_latent: [B, steps, C, 4, 4], or None for an encoder without.
    """

    images: Tensor
    w_plus: Tensor
    input_latent: Tensor | None


def to_size(images: Tensor, size: int) -> Tensor:
    """Bring square images to a side: larger ones are averaged down, smaller ones enlarged.

    images: [B, 3, H, H]. Returns [B, 3, size, size]. Raises InputError for other shapes.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise InputError(f"images: expected [B, 3, H, H] in [-1, 1], got {list(images.shape)}; align faces first")
    if images.shape[-1] > size:
        return F.adaptive_avg_pool2d(images, size)  # [B, 3, size, size]
    if images.shape[-1] < size:
        return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    return images


class ContourEncoder(nn.Module, ABC):
    """An encoder that turns a contour and an identity image into a code, by one or several residual steps.

    kind: "low_res", "sketch" or "label_map". preset: all sizes. has_input_latent: predict the generator's input too.
    Subclasses write `refine`, and `encode_identity` where something can be computed once for all steps.
    """

    steps: int = 3  # refinement steps it is meant for

    def __init__(self, kind: str, preset: Preset, has_input_latent: bool = False) -> None:
        super().__init__()
        self.kind, self.preset, self.has_input_latent = kind, preset, has_input_latent
        self.contour_channels = contour_kind(kind).channels

    @abstractmethod
    def refine(self, contour_input: Tensor, identity: Sequence[Tensor], y_hat: Tensor, code: Code) -> Code:
        """One step: see `forward`, with what `encode_identity` gave in place of the identity image."""

    def encode_identity(self, x_id: Tensor) -> list[Tensor]:
        """All that depends on the identity image alone, as a list of tensors; here the image itself.

        x_id: [B, 3, S, S] in [-1, 1].
        """
        return [x_id]

    def forward(self, contour_input: Tensor, x_id: Tensor, y_hat: Tensor, code: Code) -> Code:
        """One refinement step, a change of `code`.

        contour_input: [B, C_k, S, S], from `contour_kind(kind).network_input`. x_id: [B, 3, S, S] in [-1, 1].
        y_hat: [B, 3, S, S], the generator's picture of `code`, averaged down to S.
        Returns the next code.
        """
        size = self.preset.encoder_size
        check_shape("contour_input", contour_input, ["B", self.contour_channels, size, size])
        check_shape("x_id", x_id, [len(contour_input), 3, size, size])
        check_shape("y_hat", y_hat, [len(contour_input), 3, size, size])
        return self.refine(contour_input, self.encode_identity(x_id), y_hat, code)

    def start(self, generator: Generator, batch: int) -> tuple[Code, Tensor]:
        """Where refinement begins: the mean of w, the generator's constant, and the average face they make.

        Returns the code, and the picture [B, 3, S, S] averaged down to the encoder's size; neither has a gradient.
        Raises InputError when the generator has other sizes than this encoder's preset.
        """
        preset = self.preset
        found = (generator.n_styles, generator.style_dim, generator.channels[0])
        wanted = (preset.n_styles, preset.style_dim, preset.generator_channels[0])
        if found != wanted:
            raise InputError(
                f"generator: its styles, style length and input channels are {found}, the encoder is made for {wanted} "
                f"(preset {preset.name!r}); load the generator of the same preset"
            )
        with torch.no_grad():
            w_plus = generator.to_w_plus(generator.w_avg[None]).contiguous()  # [1, n_styles, style_dim]
            picture = to_size(generator.synthesis(w_plus), preset.encoder_size)  # [1, 3, S, S]
            latent = generator.input.input.detach().expand(batch, -1, -1, -1) if self.has_input_latent else None
            return Code(w_plus.expand(batch, -1, -1), latent), picture.expand(batch, -1, -1, -1)

    @torch.no_grad()
    def generate(self, generator: Generator, x_c: Tensor, x_id: Tensor, steps: int | None = None) -> Result:
        """Faces with the contour of one picture and the identity of another.

        x_c: contours as made by `contour_kind(kind).make`. x_id: [B, 3, H, H] in [-1, 1], any size, aligned faces.
            A batch of one is repeated to match the other.
        steps: refinement steps; None is what this encoder is meant for.
        Returns a `Result` with every step. Raises InputError for other shapes, ranges or numbers of steps.
        """
        steps = self.steps if steps is None else steps
        if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= 20:
            raise InputError(f"steps is {steps!r}; expected a whole number from 1 to 20")
        device, size = generator.w_avg.device, self.preset.encoder_size
        contour = contour_kind(self.kind).network_input(x_c.to(device), size)  # [B, C_k, S, S]
        x_id = to_size(x_id.to(device), size)
        if len(contour) != len(x_id) and 1 not in (len(contour), len(x_id)):
            raise InputError(
                f"x_c has {len(contour)} entries and x_id {len(x_id)}; give as many of both, or one of one"
            )
        batch = max(len(contour), len(x_id))
        identity = [part.expand(batch, *part.shape[1:]) for part in self.encode_identity(x_id)]
        contour = contour.expand(batch, -1, -1, -1)
        code, y_hat = self.start(generator, batch)
        images, codes = [], []
        for _ in range(steps):
            code = self.refine(contour, identity, y_hat, code)
            picture = generator.synthesis(code.w_plus, code.input_latent)  # [B, 3, H, W]
            y_hat = to_size(picture, size)
            images.append(picture)
            codes.append(code)
        latents = [code.input_latent for code in codes if code.input_latent is not None]
        return Result(
            torch.stack(images, dim=1),
            torch.stack([code.w_plus for code in codes], dim=1),
            torch.stack(latents, dim=1) if latents else None,
        )


@dataclass(frozen=True)
class EncoderSize:
    """Every size of a dual encoder that the preset does not give.

    head: channels of the convolutional head. levels: (channels, bottlenecks) of each IFBlock, as many as the identity
    network has stages. hidden: channels inside the networks of equation 1. frozen: first levels of a pretrained
    identity encoder that are not trained further, which saves a tenth of a training step. steps: refinement steps it is
    meant for.
    """

    head: int
    levels: tuple[tuple[int, int], ...]
    hidden: int
    frozen: int = 0
    steps: int = 3


ENCODER_SIZES = {
    "tiny": EncoderSize(16, ((24, 1), (48, 2), (96, 2), (160, 2)), 32, frozen=1),
    # The paper names no numbers; channels are those of IR-SE50, as in ReStyle, whose encoder it builds on.
    "paper": EncoderSize(64, ((64, 2), (128, 3), (256, 4), (512, 3)), 128, steps=5),
}


class IdentityEncoder(nn.Module):
    """The body of an identity network without its embedding: one feature map a level.

    size_name: of `IDENTITY_SIZES`. pretrained: the running means and variances of the identity network are kept while
    training, and its first `frozen` levels as they are; an encoder without pretraining learns everything.
    """

    def __init__(self, size_name: str, pretrained: bool, frozen: int = 0) -> None:
        super().__init__()
        self.frozen_statistics = pretrained
        self.network = IdentityNetwork(IDENTITY_SIZES[size_name])
        self.network.output_layer = nn.Sequential()
        if pretrained and frozen:
            units = self.network.body[: self.network.stage_ends[frozen - 1] + 1]
            for part in (self.network.input_layer, units):
                part.requires_grad_(False)

    def train(self, mode: bool = True) -> IdentityEncoder:
        """As for every module, but frozen statistics stay frozen."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.training = False
        return self

    def forward(self, x_id: Tensor) -> list[Tensor]:
        """x_id: [B, 3, S, S] in [-1, 1]. Returns four maps [B, C_i, S / 2^i, S / 2^i], fine to coarse."""
        return self.network.forward_features(x_id)


class IdentityGuidedEncoder(ContourEncoder):
    """The paper's dual encoder (IDE).

    kind, preset: see `ContourEncoder`. The switches exist for the ablation of table 2:
    modulation: "tensor" (equation 2), "vector" (one value a channel), "none" (no identity encoder; the identity image
        is a further input of the head: the paper's baseline).
    input_latent: predict the generator's 4 x 4 input.
    pretrained_identity: the identity encoder starts from a trained identity network; see `load_identity`.
    """

    def __init__(
        self,
        kind: str,
        preset: Preset,
        modulation: str = "tensor",
        input_latent: bool = True,
        pretrained_identity: bool = True,
    ) -> None:
        super().__init__(kind, preset, input_latent)
        if modulation not in MODULATIONS:
            raise InputError(f"modulation {modulation!r} is unknown; choose one of {', '.join(MODULATIONS)}")
        size = ENCODER_SIZES[preset.name]
        self.steps = size.steps
        self.options = {
            "modulation": modulation,
            "input_latent": input_latent,
            "pretrained_identity": pretrained_identity,
        }
        guided = modulation != "none"
        self.identity_encoder = IdentityEncoder(preset.name, pretrained_identity, size.frozen) if guided else None
        self.head = nn.Conv2d(self.contour_channels + 3 + (0 if guided else 3), size.head, 3, padding=1)
        identity_stages = IDENTITY_SIZES[preset.name].stages
        self.blocks = nn.ModuleList()
        channels, side = size.head, preset.encoder_size
        for (width, count), (identity_width, _) in zip(size.levels, identity_stages, strict=True):
            seen = identity_width if guided else None
            self.blocks.append(IFBlock(channels, width, count, seen, size.hidden, modulation == "tensor"))
            channels, side = width, side // 2
        neck: list[nn.Module] = []
        while side > 4:  # down to the 4 x 4 of the input latent code
            neck += [nn.LeakyReLU(SLOPE), nn.Conv2d(channels, channels, 3, 2, 1)]
            side //= 2
        self.neck = nn.Sequential(*neck, nn.LeakyReLU(SLOPE))
        self.style_head = StyleHead(channels, preset.n_styles, preset.style_dim)
        self.latent_head: nn.Conv2d | None = None
        if input_latent:
            self.latent_head = nn.Conv2d(channels, preset.generator_channels[0], 3, padding=1)
            nn.init.zeros_(self.latent_head.weight)
            nn.init.zeros_(self.latent_head.bias)  # type: ignore[arg-type]

    def load_identity(self, network: FaceEmbedder) -> None:
        """Start the identity encoder from a trained identity network (last row of table 2).

        network: an `IdentityNetwork` of the same size. Raises InputError for another one.
        """
        if self.identity_encoder is None:
            return
        wanted = self.identity_encoder.network.state_dict()
        found = {key: value for key, value in network.state_dict().items() if not key.startswith("output_layer")}
        if {k: v.shape for k, v in wanted.items()} != {k: v.shape for k, v in found.items()}:
            raise InputError(f"network: {type(network).__name__} is no identity network of preset {self.preset.name!r}")
        self.identity_encoder.network.load_state_dict(found)

    def encode_identity(self, x_id: Tensor) -> list[Tensor]:
        """gamma and beta of every bottleneck in turn; x_id: [B, 3, S, S] in [-1, 1]. Paper: equation 1."""
        if self.identity_encoder is None:
            return [x_id]
        levels = self.identity_encoder(x_id.contiguous(memory_format=torch.channels_last))
        pairs = zip(self.blocks, levels, strict=True)
        return [part for block, features in pairs for part in block.modulation(features)]  # type: ignore[operator]

    def refine(self, contour_input: Tensor, identity: Sequence[Tensor], y_hat: Tensor, code: Code) -> Code:
        """One step; see `ContourEncoder.refine`."""
        seen = [contour_input, y_hat] if self.identity_encoder is not None else [contour_input, y_hat, identity[0]]
        x = torch.cat(seen, dim=1).contiguous(memory_format=torch.channels_last)  # [B, C_k + 3 (+ 3), S, S]
        x = self.head(x)
        modulation = iter(identity)
        for block in self.blocks:
            x = block(x, modulation)
        x = self.neck(x)  # [B, C, 4, 4]
        latent = code.input_latent
        if self.latent_head is not None and latent is not None:
            latent = latent + self.latent_head(x)
        return Code(code.w_plus + self.style_head(x).to(code.w_plus.dtype), latent)
