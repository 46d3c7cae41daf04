"""The parts of the dual encoder: identity-guided modulation (IFM), bottlenecks and blocks around it, the style head.

    identity features F of a level --two small convolutional networks--> gamma, beta   (equation 1)
    contour features H of that level -------------------------------> gamma * H + beta (equation 2)

`Modulation` holds gamma and beta. They have one value for each channel and each spatial position, not one for each
channel: where the identity image has an eye, the modulation may differ from where it has a cheek. They depend on the
identity image alone, so all refinement steps share one computation of them.

The networks inside equation 1 are not described in the paper; ours have two layers. No layer here normalises: a picture
and its next refinement have other statistics, and a batch of one must behave like a batch of many.

Paper: section 2.3, equations 1 and 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["IFM", "IFBlock", "IFBottleneck", "Modulation", "StyleHead", "modulate"]

SLOPE = 0.2  # of every leaky ReLU


class Modulation(NamedTuple):
    """What an identity does to the contour features of one bottleneck: gamma and beta of equation 1.

    gamma, beta: [B, C, H, W] each, or [B, C, 1, 1] for one value a channel.
    """

    gamma: Tensor
    beta: Tensor


def modulate(features: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Equation 2: `gamma * H + beta`, value by value.

    features: H, [B, C, H, W]. gamma, beta: [B, C, H, W], or [B, C, 1, 1] for one value a channel.
    Returns [B, C, H, W].
    """
    return torch.addcmul(beta, gamma, features)


class IFM(nn.Module):
    """Equation 1: identity features to the modulation of one bottleneck.

    identity_channels: of F. channels: of H. hidden: channels between the two layers of each network.
    spatial: True gives tensors [B, C, H, W] as in the paper; False averages them over positions (ablation).
    """

    def __init__(self, identity_channels: int, channels: int, hidden: int, spatial: bool = True) -> None:
        super().__init__()
        self.spatial = spatial
        self.fcn_gamma = self._network(identity_channels, hidden, channels, 1.0)
        self.fcn_beta = self._network(identity_channels, hidden, channels, 0.0)

    @staticmethod
    def _network(inputs: int, hidden: int, outputs: int, start: float) -> nn.Sequential:
        """A 1 x 1 and a 3 x 3 convolution; the untrained result lies close to `start`."""
        last = nn.Conv2d(hidden, outputs, 3, padding=1)
        nn.init.normal_(last.weight, std=0.1 / math.sqrt(9 * hidden))
        nn.init.constant_(last.bias, start)  # type: ignore[arg-type]
        return nn.Sequential(nn.Conv2d(inputs, hidden, 1), nn.LeakyReLU(SLOPE), last)

    def forward(self, identity_features: Tensor) -> Modulation:
        """identity_features: F, [B, C_id, H, W]. Returns gamma and beta, [B, C, H, W] each, or [B, C, 1, 1]."""
        gamma, beta = self.fcn_gamma(identity_features), self.fcn_beta(identity_features)
        if not self.spatial:
            gamma, beta = gamma.mean(dim=(2, 3), keepdim=True), beta.mean(dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
        return Modulation(gamma, beta)


class IFBottleneck(nn.Module):
    """A residual unit of two convolutions on contour features, then equation 2.

    in_channels, channels: before and after. stride: 2 halves the resolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, a=SLOPE)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.conv2.weight.mul_(0.3)  # the residual starts small, so depth does not blow up the signal
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != channels or stride != 1:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(), nn.Conv2d(in_channels, channels, 1, bias=False)
            )

    def forward(self, x: Tensor, modulation: Modulation | None = None) -> Tensor:
        """x: [B, C_in, H, W]. modulation: from `IFM`; None leaves out equation 2. Returns [B, C, H / stride, ...]."""
        residual = self.conv1(F.leaky_relu(x, SLOPE))
        h = self.shortcut(x) + self.conv2(F.leaky_relu(residual, SLOPE, inplace=True))
        return h if modulation is None else modulate(h, *modulation)


class IFBlock(nn.Module):
    """The bottlenecks of one level, each with its `IFM`; the first halves the resolution.

    `block(x, features)` is the block of figure 2. It does two things: `modulations(features)` is equation 1,
    `fuse(x, modulations)` is equation 2. The encoder asks for them one by one, as all refinement steps share the first.

    in_channels, channels: before and after. count: number of bottlenecks. identity_channels: of this level's identity
    features, or None for a block without modulation (the baseline of table 2). hidden, spatial: see `IFM`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        count: int,
        identity_channels: int | None,
        hidden: int,
        spatial: bool = True,
    ) -> None:
        super().__init__()
        self.bottlenecks = nn.ModuleList(
            IFBottleneck(in_channels if j == 0 else channels, channels, 2 if j == 0 else 1) for j in range(count)
        )
        self.ifms = nn.ModuleList(
            IFM(identity_channels or 0, channels, hidden, spatial) for _ in range(count if identity_channels else 0)
        )

    def forward(self, x: Tensor, identity_features: Tensor) -> Tensor:
        """x: [B, C_in, H, W]. identity_features: [B, C_id, H / 2, W / 2]. Returns [B, C, H / 2, W / 2]."""
        return self.fuse(x, self.modulations(identity_features))

    def modulations(self, identity_features: Tensor) -> list[Modulation]:
        """Equation 1: gamma and beta of every bottleneck, from identity features [B, C_id, H / 2, W / 2]."""
        return [ifm(identity_features) for ifm in self.ifms]

    def fuse(self, x: Tensor, modulations: Sequence[Modulation] | None = None) -> Tensor:
        """The bottlenecks, each ending in equation 2.

        x: [B, C_in, H, W]. modulations: one for each bottleneck; None leaves equation 2 out.
        Returns [B, C, H / 2, W / 2].
        """
        for j, bottleneck in enumerate(self.bottlenecks):
            x = bottleneck(x, None if modulations is None else modulations[j])
        return x


class StyleHead(nn.Module):
    """A map of 4 x 4 positions to one change of w for each style.

    Each style weighs the sixteen positions of each channel with numbers of its own, a sum over the picture that knows
    where things are, and turns the result into its row of W+ by its own linear layer, zero at first.
    channels: of the map. n_styles, style_dim: of the W+ code.
    """

    def __init__(self, channels: int, n_styles: int, style_dim: int) -> None:
        super().__init__()
        self.places = nn.Parameter(1 / 16 + torch.randn(n_styles, channels, 16) / 16)
        self.weight = nn.Parameter(torch.zeros(n_styles, channels, style_dim))
        self.bias = nn.Parameter(torch.zeros(n_styles, style_dim))

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, C, 4, 4]. Returns the change of the W+ code, [B, n_styles, style_dim]."""
        pooled = torch.einsum("bcp,scp->sbc", x.flatten(2), self.places)  # [n_styles, B, C]
        rows = torch.baddbmm(self.bias[:, None], F.leaky_relu(pooled, SLOPE), self.weight)  # [n_styles, B, style_dim]
        return rows.transpose(0, 1)  # [B, n_styles, style_dim]
