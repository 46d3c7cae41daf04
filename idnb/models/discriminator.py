"""StyleGAN2's discriminator: a residual network from an image to one number, high for real.

    image --from_rgb--> features --block--> half the side --block--> ... 4 x 4 --conv, linear--> score

References: Karras et al. 2020 (residual blocks, section 4.1); Karras et al. 2018 (minibatch std).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.core.shapes import check_shape
from idnb.models.stylegan2_layers import GAIN, SLOPE, EqualizedLinear, blur

__all__ = ["Discriminator", "minibatch_std"]


class EqualizedConv(nn.Module):
    """A convolution with equalised learning rate; with `down`, blurred first and then taken at every second pixel.

    in_channels, out_channels, kernel_size: sizes. bias: have one. activate: leaky ReLU after it. down: halve the side.
    gain: factor on the result; sqrt(2) keeps the variance through an activation. stride: keep every stride-th value,
    without a blur.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        activate: bool = True,
        down: bool = False,
        gain: float = GAIN,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if activate else None
        self.scale = gain / math.sqrt(in_channels * kernel_size**2)
        self.gain, self.activate, self.down, self.kernel_size = gain, activate, down, kernel_size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, I, H, W] -> [B, O, H, W], or [B, O, H/2, W/2] with `down`."""
        weight = self.weight * self.scale
        # The gain, being positive, goes through the leaky ReLU: it is put on weight and bias, not on the feature map.
        bias = None if self.bias is None else self.bias * self.gain
        if not self.down:
            y = F.conv2d(x, weight, bias, self.stride, padding=self.kernel_size // 2)
        elif self.kernel_size == 1:
            y = F.conv2d(blur(x, padding=1, stride=2), weight, bias)  # blur only the pixels that are kept
        else:
            y = F.conv2d(blur(x, padding=2), weight, bias, stride=2)
        return F.leaky_relu(y, SLOPE, inplace=True) if self.activate else y


class ResidualBlock(nn.Module):
    """Two convolutions that halve the side, beside a 1 x 1 shortcut; the sum is divided by sqrt(2)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = EqualizedConv(in_channels, in_channels, 3)
        self.conv2 = EqualizedConv(in_channels, out_channels, 3, down=True, gain=GAIN / math.sqrt(2))
        self.skip = EqualizedConv(in_channels, out_channels, 1, activate=False, down=True, gain=1 / math.sqrt(2))

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, I, H, W] -> [B, O, H/2, W/2]."""
        return self.conv2(self.conv1(x)) + self.skip(x)


def minibatch_std(x: Tensor, group: int = 4) -> Tensor:
    """Append one channel that tells how much the samples of a group differ, so that sameness gives a fake away.

    x: [B, C, H, W]. group: samples compared with one another; a batch that it does not divide is one group.
    Returns [B, C + 1, H, W].
    """
    batch, _, height, width = x.shape
    group = group if batch % group == 0 else batch
    groups = x.float().reshape(group, batch // group, -1)  # [G, B/G, C*H*W]
    std = torch.sqrt(groups.var(dim=0, correction=0) + 1e-8).mean(dim=1)  # [B/G]
    channel = std.repeat(group)[:, None, None, None].expand(batch, 1, height, width).to(x.dtype)
    return torch.cat([x, channel], dim=1)


class Discriminator(nn.Module):
    """StyleGAN2's discriminator.

    size: side of the images in pixels, a power of two from 8 on.
    channels: feature channels at 4, 8, 16, ... size pixels.
    """

    def __init__(self, size: int, channels: Sequence[int]) -> None:
        super().__init__()
        if len(channels) < 2 or 4 * 2 ** (len(channels) - 1) != size:
            raise InputError(f"channels: {len(channels)} entries do not lead from 4 to size = {size} px")
        self.size = size
        resolutions = [4 * 2**i for i in range(len(channels))]
        width = dict(zip(resolutions, channels, strict=True))
        self.from_rgb = EqualizedConv(3, width[size], 1)
        self.blocks = nn.Sequential(*(ResidualBlock(width[r], width[r // 2]) for r in reversed(resolutions[1:])))
        self.last_conv = EqualizedConv(width[4] + 1, width[4], 3)
        self.last_linear = EqualizedLinear(width[4] * 16, width[4], activate=True)
        self.score = EqualizedLinear(width[4], 1)

    @classmethod
    def from_preset(cls, preset: Preset) -> Discriminator:
        """A discriminator with new weights, sized by a preset."""
        return cls(preset.image_size, preset.discriminator_channels)

    def forward(self, images: Tensor) -> Tensor:
        """Score images [B, 3, size, size] in [-1, 1]. Returns [B], unbounded, higher for more real."""
        check_shape("images", images, ["B", 3, self.size, self.size])
        x = self.from_rgb(images.contiguous(memory_format=torch.channels_last))  # [B, C, size, size]
        x = self.last_conv(minibatch_std(self.blocks(x)))  # [B, C, 4, 4]
        x = self.last_linear(x.float().flatten(1))  # [B, C]
        return self.score(x).squeeze(1)  # [B]
