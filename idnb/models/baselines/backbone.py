"""What pSp and ReStyle share: all images stacked into one IR-SE body, and a small network for each style.

Both are one encoder: contour, identity image and, in ReStyle, the current output enter side by side as channels of one
input. Their parameters are named as in the public checkpoints, which therefore load as they are
(idnb/models/baselines/public.py).

Sources: Richardson et al., "Encoding in Style" (pSp), CVPR 2021, section 3; Alaluf et al., "ReStyle", ICCV 2021,
section 3.3. The paper gives both the identity image as a further input and its identity loss (sections 3.1 and 3.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.models.contour_encoder import ContourEncoder, Latents
from idnb.models.embedder import FaceEmbedder, refuse_held_out
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork, IRSEBody, keep_statistics
from idnb.models.stylegan2_layers import EqualizedLinear

__all__ = ["BACKBONE_SIZES", "BackboneEncoder", "BackboneSize", "StyleBlock"]


@dataclass(frozen=True)
class BackboneSize:
    """Every size that the preset does not give.

    stem: channels after the first convolution. stages: (channels, units) of each stage of the body.
    hidden: channels inside the network of a style. leaky_slope: see `IdentitySize`.
    """

    stem: int
    stages: tuple[tuple[int, int], ...]
    hidden: int
    leaky_slope: float | None = None


def _sized_as_identity(name: str, hidden: int) -> BackboneSize:
    size = IDENTITY_SIZES[name]
    return BackboneSize(size.stem, size.stages, hidden, size.leaky_slope)


# The body of `tiny` is that of our identity network, as theirs is that of IR-SE50; `hidden` brings the whole to the
# number of parameters of the dual encoder.
BACKBONE_SIZES = {"tiny": _sized_as_identity("tiny", 60), "paper": _sized_as_identity("paper", 512)}


class StyleBlock(nn.Module):
    """A feature map to one row of W+: convolutions of stride 2 down to one position, a linear layer (pSp: map2style).

    channels: of the map. hidden: of the convolutions. style_dim: of the row. side: of the map, a power of two.
    The linear layer starts at zero, so an untrained encoder changes nothing. Differs from pSp, which starts at random.
    """

    def __init__(self, channels: int, hidden: int, style_dim: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(side.bit_length() - 1):
            layers += [nn.Conv2d(channels, hidden, 3, 2, 1), nn.LeakyReLU(0.01)]
            channels = hidden
        self.convs = nn.Sequential(*layers)
        self.linear = EqualizedLinear(hidden, style_dim)
        nn.init.zeros_(self.linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, C, side, side]. Returns [B, style_dim]."""
        return self.linear(self.convs(x).flatten(1))  # [B, hidden] -> [B, style_dim]


class BackboneEncoder(IRSEBody, ContourEncoder):
    """An IR-SE body over stacked images. Subclasses set `sees_output`, build `self.styles` and write `styles_of`.

    kind, preset: see `ContourEncoder`.
    uses_identity: stack the identity image; False is the original task, inversion or translation of one image.
    unit_contour: the network wants contours in [0, 1] where ours are in [-1, 1] (public sketch checkpoints).
    pretrained_identity: the body starts from an identity network (see `load_identity`) and keeps its statistics.
    deltas: style 0 is the code of all rows, the others are differences from it, as in e4e.
    size: sizes of the body; None takes those of the preset.
    """

    sees_output: bool = False

    def __init__(
        self,
        kind: str,
        preset: Preset,
        uses_identity: bool = True,
        unit_contour: bool = False,
        pretrained_identity: bool = True,
        deltas: bool = False,
        size: BackboneSize | None = None,
    ) -> None:
        super().__init__(kind, preset)
        self.size = BACKBONE_SIZES[preset.name] if size is None else size
        self.uses_identity, self.unit_contour = uses_identity, unit_contour
        self.pretrained_identity, self.deltas = pretrained_identity, deltas
        self.options = {
            "uses_identity": uses_identity,
            "unit_contour": unit_contour,
            "pretrained_identity": pretrained_identity,
            "deltas": deltas,
        }
        inputs = self.contour_channels + 3 * uses_identity + 3 * self.sees_output
        self.build_body(inputs, self.size)
        self.styles = nn.ModuleList()

    def train(self, mode: bool = True) -> BackboneEncoder:
        """As for every module, but the statistics of a pretrained body stay as they are.

        The steps of a refinement have different statistics; running averages over all of them fit none.
        """
        super().train(mode)
        if self.pretrained_identity:
            keep_statistics(self)
        return self

    def load_identity(self, network: FaceEmbedder) -> None:
        """Start the body from a trained identity network of the same sizes, as pSp and ReStyle do.

        The first convolution is spread over all stacked RGB images, so that their mean goes through the pretrained
        network at first; a contour without colours starts at zero.
        Raises InputError for another network.
        """
        refuse_held_out("network", network)
        wanted = {key: value for key, value in self.state_dict().items() if key.startswith(("input_layer", "body"))}
        found = {key: value for key, value in network.state_dict().items() if key in wanted}
        first = "input_layer.0.weight"
        if (
            not isinstance(network, IdentityNetwork)
            or set(wanted) != set(found)
            or any(wanted[key].shape != found[key].shape for key in wanted if key != first)
        ):
            raise InputError(f"network: {type(network).__name__} is no identity network of preset {self.preset.name!r}")
        colours = self.contour_channels == 3
        images = 3 * (colours + self.uses_identity + self.sees_output)
        spread = found[first].repeat(1, images // 3, 1, 1) * 3 / max(images, 1)  # [stem, images, 3, 3]
        weight = torch.zeros_like(wanted[first])
        weight[:, weight.shape[1] - images :] = spread
        self.load_state_dict({**self.state_dict(), **found, first: weight})

    def styles_of(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """What each style gives, n_styles times [B, style_dim], from the maps of the body."""
        raise NotImplementedError

    def refine(self, contour_input: Tensor, identity: Any, y_hat: Tensor, latents: Latents) -> Latents:
        """One step; see `ContourEncoder.refine`."""
        contour = 0.5 * contour_input + 0.5 if self.unit_contour else contour_input
        seen = [contour, *([identity] if self.uses_identity else []), *([y_hat] if self.sees_output else [])]
        stacked = torch.cat(seen, dim=1).contiguous(memory_format=torch.channels_last)  # [B, C, S, S]
        rows = self.styles_of(self.forward_features(stacked))
        if self.deltas:
            rows = [rows[0], *(rows[0] + row for row in rows[1:])]
        change = torch.stack(rows, dim=1)  # [B, n_styles, style_dim]
        return latents._replace(w_plus=latents.w_plus + change.to(latents.w_plus.dtype))


def enlarge_and_add(coarse: Tensor, fine: Tensor) -> Tensor:
    """One step down a feature pyramid: `coarse` [B, C, h, w] enlarged to `fine` [B, C, H, W], and their sum."""
    return fine + F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=True)
