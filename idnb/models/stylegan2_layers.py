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
    "MappingNetwork",
    "ModulatedConv",
    "ModulatedPixelConv",
    "NoiseInjection",
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


class MappingNetwork(nn.Sequential):
    """z -> w: z is brought to length sqrt(D), then linear layers with activation. Layer i is parameter `i.weight`.

    style_dim: D, length of z and of w. depth: number of linear layers.
    Source: Karras et al., "A Style-Based Generator Architecture for GANs", 2019, section 2.
    """

    def __init__(self, style_dim: int, depth: int) -> None:
        layers = [EqualizedLinear(style_dim, style_dim, lr_mul=0.01, activate=True) for _ in range(depth)]
        super().__init__(PixelNorm(), *layers)

    @property
    def depth(self) -> int:
        """Number of linear layers."""
        return len(self) - 1

    def forward(self, z: Tensor) -> Tensor:
        """z: [B, D], standard normal. Returns w, [B, D], without truncation."""
        return super().forward(z)


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


def is_single_picture(x: Tensor) -> bool:
    """Whether x [B, C, H, W] is one picture that is only looked at: then the scales of a layer fit onto its weight."""
    return not torch.is_grad_enabled() and x.shape[0] == 1


class ModulatedConv(nn.Module):
    """A convolution that a style modulates: equations 1 to 3.

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

    def forward(self, x: Tensor, w: Tensor, gain: float = 1.0, bias: Tensor | None = None) -> Tensor:
        """Modulate, convolve, demodulate: `gain * d * conv(s * x) + bias`.

        x: [B, I, H, W]. w: [B, D]. gain: factor on the result. bias: [O] or None. Returns [B, O, H', W'], H' = 2H
        where `up`.
        """
        s = self.input_scale(w)  # [B, I], equation 1
        d = self.output_scale(s) * gain  # [B, O], equation 3
        if is_single_picture(x):  # the same on weights, as the paper writes it; this saves two passes over the map
            weight = self.weight[0] * (d.T * s)[:, :, None, None]  # [O, I, k, k]
            return self.convolve(x, weight, bias)
        y = self.convolve(x * s[:, :, None, None].to(x.dtype), self.weight[0])  # modulate, convolve: [B, O, H', W']
        d = d[:, :, None, None].to(y.dtype)  # [B, O, 1, 1]
        return y * d if bias is None else torch.addcmul(bias[None, :, None, None].to(y.dtype), y, d)  # demodulate

    def input_scale(self, w: Tensor) -> Tensor:
        """The style s of equation 1: what each input channel is multiplied by, w [B, D] -> [B, I].

        The factor of equalised learning rate belongs to the weight; it is put here, where it costs nothing.
        """
        return self.modulation(w) * self.scale

    def output_scale(self, s: Tensor) -> Tensor:
        """Equation 3, demodulation: what gives each output channel unit variance again, s [B, I] -> [B, O]."""
        energy = self.weight[0].square().sum(dim=(2, 3))  # [O, I]
        return torch.rsqrt(F.linear(s.square(), energy) + 1e-8)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The convolution alone, the same for every sample.

        x: [B, I, H, W]. weight: [O, I, k, k]. bias: [O] or None. Returns [B, O, H', W'].
        """
        weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
        return upsampling_conv(x, weight, bias) if self.up else F.conv2d(x, weight, bias, padding=self.padding)


class ModulatedPixelConv(ModulatedConv):
    """A modulated 1 x 1 convolution to a few channels, without demodulation: equation 1 on weights.

    With so few outputs a weight for each sample costs nothing and saves a pass over x. Each pixel is a row of a matrix.
    """

    def __init__(self, in_channels: int, out_channels: int, style_dim: int) -> None:
        super().__init__(in_channels, out_channels, 1, style_dim)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:  # type: ignore[override]
        """x: [B, I, H, W]. w: [B, D]. Returns [B, O, H, W]."""
        weight = self.weight[0, :, :, 0, 0] * self.input_scale(w)[:, None, :]  # [B, O, I]
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # [B, HW, I]
        y = pixels @ weight.transpose(1, 2).to(x.dtype)  # [B, HW, O]
        return y.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)  # [B, O, H, W]


class NoiseInjection(nn.Module):
    """Adds noise, the same to every channel, times one learned number for the layer. The number is zero at first.

    Source: Karras et al., "A Style-Based Generator Architecture for GANs", 2019, section 3.2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor, gain: float = 1.0) -> Tensor:
        """`x + gain * weight * noise`, in place.

        x: [B, C, H, W]. noise: [B or 1, 1, H, W]. gain: factor on the noise. Returns [B, C, H, W].
        """
        strength = self.weight * gain  # [1]
        return add_noise(x, noise, strength) if is_single_picture(x) else x.add_((noise * strength).to(x.dtype))


class BiasedActivation(nn.Module):
    """The bias of a layer and the leaky ReLU after it; the convolution adds the bias, where it costs nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Leaky ReLU in place of x [B, C, H, W], to which bias and gain have been applied. Returns [B, C, H, W]."""
        return F.leaky_relu(x, SLOPE, inplace=True)


class StyledConv(nn.Module):
    """Modulated convolution, bias, noise, activation: `sqrt(2) * leaky_relu(d * conv(s * x) + bias + m * noise)`.

    in_channels, out_channels, style_dim, up: see `ModulatedConv`.
    """

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, style_dim, up)
        self.noise = NoiseInjection()
        self.activate = BiasedActivation(out_channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """x: [B, I, H, W]. w: [B, D]. noise: [B or 1, 1, H', W']. Returns [B, O, H', W'], H' = 2H where `up`."""
        # leaky_relu(g * v) = g * leaky_relu(v) for g > 0. So sqrt(2) goes onto d, bias and strength, which are small.
        y = self.conv(x, w, GAIN, self.activate.bias * GAIN)  # [B, O, H', W']
        y = self.noise(y, noise, GAIN)
        return self.activate(y)


def add_noise(x: Tensor, noise: Tensor, strength: Tensor) -> Tensor:
    """`x + strength * noise`, in place where x lies channels-last: the fast way for one picture that is only looked at.

    Each pixel is a row of a matrix, and to such rows the noise is an outer product. For bf16 on a CPU that takes a
    seventh of the time of a sum that repeats the noise for every channel; on the way back it would take longer.
    x: [B, C, H, W]. noise: [B or 1, 1, H, W]. strength: [1]. Returns [B, C, H, W].
    """
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)  # [BHW, C]
    column = noise.expand(batch, -1, -1, -1).reshape(-1, 1).to(x.dtype)  # [BHW, 1]
    row = strength.expand(1, channels).to(x.dtype)  # [1, C]
    return pixels.addmm_(column, row).unflatten(0, (batch, height, width)).permute(0, 3, 1, 2)


class ToRGB(nn.Module):
    """Features to a picture, without activation; the pictures of all resolutions are added up."""

    def __init__(self, in_channels: int, style_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedPixelConv(in_channels, 3, style_dim)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, w: Tensor, rgb: Tensor | None) -> Tensor:
        """x: [B, I, H, W]. w: [B, D]. rgb: picture so far, [B, 3, H / 2, W / 2] or None. Returns [B, 3, H, W]."""
        image = self.conv(x, w).float() + self.bias  # [B, 3, H, W]
        return image if rgb is None else image + upsample(rgb)
