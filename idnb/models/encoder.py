"""The dual encoder: a face whose contour comes from one picture and whose identity comes from another.

    x_id  --identity encoder--> features of four levels --equation 1--> gamma, beta of every bottleneck
    x_c, y_hat --head--> IFBlock 1 --> ... --> IFBlock 4 --> change of W+, change of the generator's 4 x 4 input
                            each bottleneck: equation 2
    generator(latents) --> y_hat, which goes back into the head, as many times as asked

Both heads start at zero and add to the mean of w and to the generator's constant, so an untrained encoder draws the
average face. What it shares with the other learned encoders, pSp and ReStyle, is in `idnb.models.contour_encoder`.

Paper: sections 2.2 and 2.3, figure 2; the feedback loop is ReStyle's (Alaluf et al., ICCV 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.models.contour_encoder import ContourEncoder, Identity, Latents
from idnb.models.embedder import FaceEmbedder, refuse_held_out
from idnb.models.fusion import SLOPE, IFBlock, StyleHead
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork, keep_statistics

__all__ = ["ENCODER_SIZES", "MODULATIONS", "EncoderSize", "IdentityEncoder", "IdentityGuidedEncoder"]

MODULATIONS = ("tensor", "vector", "none")


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
            keep_statistics(self)
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
    uses_identity: False looks at a grey square in place of every identity image: the same network, told of nobody.
    """

    def __init__(
        self,
        kind: str,
        preset: Preset,
        modulation: str = "tensor",
        input_latent: bool = True,
        pretrained_identity: bool = True,
        uses_identity: bool = True,
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
            "uses_identity": uses_identity,
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
        refuse_held_out("network", network)
        if self.identity_encoder is None:
            return
        wanted = self.identity_encoder.network.state_dict()
        found = {key: value for key, value in network.state_dict().items() if not key.startswith("output_layer")}
        if {k: v.shape for k, v in wanted.items()} != {k: v.shape for k, v in found.items()}:
            raise InputError(f"network: {type(network).__name__} is no identity network of preset {self.preset.name!r}")
        self.identity_encoder.network.load_state_dict(found)

    def encode_identity(self, x_id: Tensor) -> Identity:
        """gamma and beta of every bottleneck; x_id: [B, 3, S, S] in [-1, 1]. Paper: equation 1.

        Returns `identity[i][j]` for bottleneck j of block i, or the image where there is no identity encoder.
        """
        if not self.options["uses_identity"]:
            x_id = torch.zeros_like(x_id)
        if self.identity_encoder is None:
            return x_id
        levels = self.identity_encoder(x_id.contiguous(memory_format=torch.channels_last))
        pairs = zip(self.blocks, levels, strict=True)
        return [block.modulations(features) for block, features in pairs]  # type: ignore[operator]

    def refine(self, contour_input: Tensor, identity: Any, y_hat: Tensor, latents: Latents) -> Latents:
        """One step; see `ContourEncoder.refine`. Paper: figure 2."""
        guided = self.identity_encoder is not None
        seen = [contour_input, y_hat] if guided else [contour_input, y_hat, identity]
        x = torch.cat(seen, dim=1).contiguous(memory_format=torch.channels_last)  # [B, C_k + 3 (+ 3), S, S]
        h = self.head(x)  # [B, C, S, S]
        for i, block in enumerate(self.blocks):
            h = block.fuse(h, identity[i] if guided else None)  # type: ignore[operator]  # [B, C_i, S / 2^(i+1), ...]
        h = self.neck(h)  # [B, C, 4, 4]
        w_plus, input_latent = latents
        if self.latent_head is not None and input_latent is not None:
            input_latent = input_latent + self.latent_head(h)  # [B, C', 4, 4]
        return Latents(w_plus + self.style_head(h).to(w_plus.dtype), input_latent)  # [B, n_styles, style_dim]
