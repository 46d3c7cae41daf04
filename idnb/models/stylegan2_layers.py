"""The layers StyleGAN2 is made of: equalised weights, resampling without aliasing, the modulated convolution.

Two ideas run through this file.

*Equalised learning rate.* Weights are stored with unit variance and multiplied by `1/sqrt(fan_in)` when they are
used, so that one step of Adam moves every layer by the same share of its scale (Karras et al., "Progressive Growing
of GANs", 2018).

*Modulation on activations.* A style scales the input channels of a convolution, and demodulation scales its output
channels back to unit variance. The paper scales the weights, which gives each sample of a batch a convolution of its
own. A scale of an input channel may as well be put on the activations, and one of an output channel on the result.
The numbers are the same, the weights stay shared, and a frozen network needs no gradient of a weight (Karras et al.,
"Analyzing and Improving the Image Quality of StyleGAN", 2020, section 2.2 and equations 1-3).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "GAIN",
    "SLOPE",
    "BiasedActivation",
    "EqualizedLinear",
    "ModulatedConv",
    "NoiseStrength",
    "PixelNorm",
    "StyledConv",
    "ToRGB",
    "add_noise",
    "blur",
    "scaled_leaky_relu",
    "upsample",
    "upsampling_conv",
]

SLOPE = 0.2  # of the leaky ReLU, everywhere
GAIN = math.sqrt(2.0)  # brings the variance back to 1 after it


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """`sqrt(2) * leaky_relu(x, 0.2)`: the activation of every layer that has one."""
    return F.leaky_relu(x, SLOPE) * GAIN


class PixelNorm(nn.Module):
    """Scale each row to a mean square of 1 (z lies on a sphere before it is mapped)."""

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, D] -> [B, D]."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class EqualizedLinear(nn.Module):
    """A linear layer with equalised learning rate.

    in_features, out_features: sizes.
    bias_init: first value of the bias; 1 for modulation, so that a new style changes nothing.
    lr_mul: share of the learning rate this layer trains with; 0.01 in the mapping network.
    activate: apply `scaled_leaky_relu`.
    """

    def __init__(
        self, in_features: int, out_features: int, bias_init: float = 0.0, lr_mul: float = 1.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init)))
        self.scale = lr_mul / math.sqrt(in_features)
        self.lr_mul = lr_mul
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, in] -> [B, out]."""
        y = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return scaled_leaky_relu(y) if self.activate else y


def blur_kernel(like: Tensor) -> Tensor:
    """The 4 x 4 binomial kernel, outer product of [1, 3, 3, 1], with sum 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=like.dtype, device=like.device) / 8
    return torch.outer(taps, taps)  # [4, 4]


def blur(x: Tensor, padding: int, stride: int = 1, gain: float = 1.0, bias: Tensor | None = None) -> Tensor:
    """Low-pass filter every channel by itself.

    x: [B, C, H, W]. padding: zeros on each side. stride: keep every stride-th value. gain: factor on the result.
    bias: [C], added to the result, or None.
    Returns [B, C, (H + 2 padding - 4) // stride + 1, likewise].
    """
    channels = x.shape[1]
    kernel = (blur_kernel(x) * gain).expand(channels, 1, 4, 4)
    return F.conv2d(x, kernel, bias, padding=padding, stride=stride, groups=channels)


def upsample(x: Tensor) -> Tensor:
    """Double the side of an image: put zeros between the pixels, then blur with gain 4.

    With these four taps that is linear interpolation, weights 3/4 and 1/4, in an image that is black outside its
    border; so we add the black border, interpolate, and cut the doubled border off.
    x: [B, C, H, W] -> [B, C, 2H, 2W].
    """
    bordered = F.pad(x, (1, 1, 1, 1))  # [B, C, H + 2, W + 2]
    doubled = F.interpolate(bordered, scale_factor=2.0, mode="bilinear", align_corners=False)
    return doubled[:, :, 2:-2, 2:-2]  # [B, C, 2H, 2W]


def upsampling_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Transposed convolution of stride 2, then a blur of gain 4 against its checkerboard.

    Both could be folded into one convolution with four times the channels and a pixel shuffle. That takes four times
    the multiplications, and was slower in everything we measured (see benchmarks/stylegan2.py).
    x: [B, I, H, W]. weight: [O, I, 3, 3]. bias: [O] or None. Returns [B, O, 2H, 2W].
    """
    doubled = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # [B, O, 2H + 1, 2W + 1]
    return blur(doubled, padding=1, gain=4.0, bias=bias)  # [B, O, 2H, 2W]


class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled by a style (equations 1-3).

    in_channels, out_channels, kernel_size: of the convolution.
    style_dim: length of w.
    up: double the resolution on the way.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, style_dim: int, up: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, kernel_size, kernel_size))
        self.modulation = EqualizedLinear(style_dim, in_channels, bias_init=1.0)
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.padding = kernel_size // 2
        self.up = up

    def input_scale(self, w: Tensor) -> Tensor:
        """What the style multiplies the input channels by, equalising factor included: w [B, D] -> [B, I]."""
        return self.modulation(w) * self.scale

    def output_scale(self, input_scale: Tensor) -> Tensor:
        """Demodulation: the factor that gives each output channel unit variance again: [B, I] -> [B, O]."""
        energy = self.weight[0].square().sum(dim=(2, 3))  # [O, I]
        return torch.rsqrt(F.linear(input_scale.square(), energy) + 1e-8)

    def convolve(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """The convolution itself, the same for every sample: [B, I, H, W] -> [B, O, H', W'].

        weight: [O, I, k, k] in place of the stored one. bias: [O] or None.
        """
        weight = (self.weight[0] if weight is None else weight).to(x.dtype)  # [O, I, k, k]
        bias = None if bias is None else bias.to(x.dtype)
        if self.up:
            return upsampling_conv(x, weight, bias)
        return F.conv2d(x, weight, bias, padding=self.padding)


class NoiseStrength(nn.Module):
    """One learned number per layer: how much noise it adds. Zero at first."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class BiasedActivation(nn.Module):
    """The bias that is added before the activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, activation: `sqrt(2) lrelu(d * conv(s * x) + strength * noise + bias)`."""

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, style_dim, up)
        self.noise = NoiseStrength()
        self.activate = BiasedActivation(out_channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """x: [B, I, H, W]. w: [B, D]. noise: [B or 1, 1, H', W']. Returns [B, O, H', W'], H' = 2H where `up`."""
        s = self.conv.input_scale(w)  # [B, I]
        d = self.conv.output_scale(s)  # [B, O]
        # lrelu(g v) = g lrelu(v) for g > 0, so the gain goes onto the three small factors instead of the large map.
        d, bias, strength = d * GAIN, self.activate.bias * GAIN, self.noise.weight * GAIN
        if not torch.is_grad_enabled() and x.shape[0] == 1:
            # One picture, only looked at: both scales fit onto the weight, and no pass over the map is left of them.
            weight = self.conv.weight[0] * (d.T * s)[:, :, None, None]  # [O, I, 3, 3]
            y = add_noise(self.conv.convolve(x, weight, bias), noise, strength)  # [1, O, H', W']
        else:
            y = self.conv.convolve(x * s[:, :, None, None].to(x.dtype))  # [B, O, H', W']
            y = torch.addcmul(bias[None, :, None, None].to(y.dtype), y, d[:, :, None, None].to(y.dtype))  # bias + y * d
            y.add_((noise * strength).to(y.dtype))
        return F.leaky_relu(y, SLOPE, inplace=True)


def add_noise(x: Tensor, noise: Tensor, strength: Tensor) -> Tensor:
    """Add the same noise to every channel, in place where x lies channels-last: `x + strength * noise`.

    Each pixel is a row of a matrix, and to such rows the noise is an outer product. For bf16 on a CPU that takes a
    seventh of the time of a sum that repeats the noise for every channel; on the way back it would take longer.
    x: [B, C, H, W]. noise: [B or 1, 1, H, W]. strength: [1]. Returns [B, C, H, W].
    Source: Karras et al., "A Style-Based Generator Architecture for GANs", 2019, section 3.2.
    """
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)  # [BHW, C]
    column = noise.expand(batch, -1, -1, -1).reshape(-1, 1).to(x.dtype)  # [BHW, 1]
    row = strength.expand(1, channels).to(x.dtype)  # [1, C]
    return pixels.addmm_(column, row).unflatten(0, (batch, height, width)).permute(0, 3, 1, 2)


class ToRGB(nn.Module):
    """A modulated 1 x 1 convolution to three channels, without demodulation and activation; images are summed up."""

    def __init__(self, in_channels: int, style_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, 3, 1, style_dim)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, w: Tensor, rgb: Tensor | None) -> Tensor:
        """x: [B, I, H, W]. w: [B, D]. rgb: image so far, half the side, or None. Returns the image, [B, 3, H, W]."""
        batch, channels, height, width = x.shape
        # Three outputs only: here per-sample weights cost nothing and save a pass over x. Each pixel is a row of a
        # matrix.
        weight = self.conv.weight[0, :, :, 0, 0] * self.conv.input_scale(w)[:, None, :]  # [B, 3, I]
        pixels = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)  # [B, HW, I]
        y = pixels @ weight.transpose(1, 2).to(x.dtype)  # [B, HW, 3]
        image = y.float().reshape(batch, height, width, 3).permute(0, 3, 1, 2) + self.bias  # [B, 3, H, W]
        return image if rgb is None else image + upsample(rgb)
