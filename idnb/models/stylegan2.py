"""StyleGAN2's generator: a mapping network z -> w, and a synthesis network that grows an image from 4 x 4 pixels.

    z --mapping--> w --repeated--> W+ (one row per layer)
    constant 4x4 --conv1--> --to_rgb1--> image 4x4
    each resolution: upsampling conv, conv, to_rgb; the images of all resolutions are added up

Row i of a W+ code feeds: 0 conv1, 1 to_rgb1; then for the m-th doubling (m = 0, 1, ...) rows 1 + 2m the upsampling
convolution, 2 + 2m the plain one, 3 + 2m its to_rgb, which shares its row with the next upsampling convolution.

Parameters are named as in the public 1024 px checkpoint, so that it loads as it is (idnb/models/stylegan2_files.py).

Reference: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020. Differs from the paper:
no path-length regularisation in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.core.shapes import check_shape
from idnb.models.stylegan2_layers import MappingNetwork, StyledConv, ToRGB

__all__ = ["Generator", "Stage", "mix_styles"]


class Stage(NamedTuple):
    """What the synthesis network holds after one resolution.

    resolution: side in pixels. features: [B, C, r, r]. rgb: the image so far, [B, 3, r, r] float32 around [-1, 1].
    """

    resolution: int
    features: Tensor
    rgb: Tensor


class ConstantInput(nn.Module):
    """The learned 4 x 4 picture that every synthesis starts from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, batch: int) -> Tensor:
        """The picture for every sample of a batch: [batch, C, 4, 4]."""
        return self.input.expand(batch, -1, -1, -1)


class Generator(nn.Module):
    """StyleGAN2's generator.

    size: side of the image in pixels, a power of two from 8 on.
    style_dim: length of z and of w.
    mapping_depth: number of linear layers between z and w.
    channels: feature channels at 4, 8, 16, ... size pixels.

    Attributes: `w_avg` [style_dim], the mean of w; `n_styles`; `compute_dtype`, the type of the feature maps
    (float32, or bfloat16 to trade the third digit for speed); parameters and images stay float32; `checkpoint`, whether
    a backward pass computes the feature maps of each resolution again instead of keeping them (a third more time, about
    a third of the memory at 1024 px, the same gradients).
    """

    w_avg: Tensor

    def __init__(self, size: int, style_dim: int, mapping_depth: int, channels: Sequence[int]) -> None:
        super().__init__()
        resolutions = [4 * 2**i for i in range(len(channels))]
        if len(channels) < 2 or resolutions[-1] != size:
            raise InputError(f"channels: {len(channels)} entries reach {resolutions[-1:]} px, not size = {size}")
        self.size, self.style_dim, self.channels = size, style_dim, tuple(channels)
        self.n_styles = 2 * len(channels)
        self.compute_dtype = torch.float32
        self.checkpoint = False
        self.register_buffer("w_avg", torch.zeros(style_dim))

        self.style = MappingNetwork(style_dim, mapping_depth)  # the checkpoint's name for it
        self.input = ConstantInput(channels[0])
        self.conv1 = StyledConv(channels[0], channels[0], style_dim)
        self.to_rgb1 = ToRGB(channels[0], style_dim)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for before, after in pairwise(channels):
            self.convs.append(StyledConv(before, after, style_dim, up=True))
            self.convs.append(StyledConv(after, after, style_dim))
            self.to_rgbs.append(ToRGB(after, style_dim))

        self.noises = nn.Module()  # one fixed noise picture per convolution
        for index, side in enumerate([4] + [r for r in resolutions[1:] for _ in range(2)]):
            self.noises.register_buffer(f"noise_{index}", torch.randn(1, 1, side, side))

    @classmethod
    def from_preset(cls, preset: Preset, size: int | None = None) -> Generator:
        """A generator with new weights, sized by a preset; `size` cuts it off at a lower resolution."""
        size = size or preset.image_size
        channels = preset.generator_channels[: size.bit_length() - 2]
        return cls(size, preset.style_dim, preset.mapping_depth, channels)

    def mapping(self, z: Tensor, truncation_psi: float = 1.0) -> Tensor:
        """Map z to w and pull it towards the mean: `w_avg + psi * (w - w_avg)`.

        z: [B, style_dim], standard normal. truncation_psi: 1 leaves w as it is, 0 gives the average face.
        Returns w [B, style_dim].
        """
        check_shape("z", z, ["B", self.style_dim])
        w = self.style(z)
        return w if truncation_psi == 1.0 else self.w_avg + truncation_psi * (w - self.w_avg)

    def to_w_plus(self, w: Tensor) -> Tensor:
        """Repeat w for every layer: [B, style_dim] -> [B, n_styles, style_dim]."""
        check_shape("w", w, ["B", self.style_dim])
        return w[:, None, :].expand(-1, self.n_styles, -1)

    def synthesis(
        self, w_plus: Tensor, input_latent: Tensor | None = None, noise: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Make images from W+ codes.

        w_plus: [B, n_styles, style_dim].
        input_latent: [B, C, 4, 4] in place of the constant input, or None.
        noise: as from `random_noise`; None uses the fixed pictures, so equal codes give equal images.
        Returns [B, 3, size, size], float32 around [-1, 1], not clamped. Raises InputError for other shapes.
        """
        for stage in self.stages(w_plus, input_latent, noise):
            last = stage
        return last.rgb

    def stages(
        self, w_plus: Tensor, input_latent: Tensor | None = None, noise: Sequence[Tensor] | None = None
    ) -> Iterator[Stage]:
        """Like `synthesis`, resolution by resolution: yields a `Stage` for 4, 8, ... size pixels."""
        check_shape("w_plus", w_plus, ["B", self.n_styles, self.style_dim])
        noise = self.fixed_noise() if noise is None else noise
        if len(noise) != self.n_styles - 1:
            raise InputError(
                f"noise: expected {self.n_styles - 1} pictures, got {len(noise)}; see Generator.random_noise"
            )
        if input_latent is None:
            x = self.input(w_plus.shape[0])  # [B, C, 4, 4]
        else:
            check_shape("input_latent", input_latent, [w_plus.shape[0], self.channels[0], 4, 4])
            x = input_latent
        # The channels of one pixel lie side by side in memory: convolutions on a CPU want it so.
        x = x.to(self.compute_dtype).contiguous(memory_format=torch.channels_last)

        x = self.conv1(x, w_plus[:, 0], noise[0])
        rgb = self.to_rgb1(x, w_plus[:, 1], None)
        yield Stage(4, x, rgb)
        for m in range(len(self.to_rgbs)):
            if self.checkpoint and torch.is_grad_enabled():  # a block draws no random numbers
                x, rgb = checkpoint(self.block, m, x, rgb, w_plus, noise, use_reentrant=False, preserve_rng_state=False)
            else:
                x, rgb = self.block(m, x, rgb, w_plus, noise)
            yield Stage(8 * 2**m, x, rgb)

    def block(self, m: int, x: Tensor, rgb: Tensor, w_plus: Tensor, noise: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The m-th doubling: features [B, C, r, r] and image [B, 3, r, r] so far -> both at side 2r."""
        x = self.convs[2 * m](x, w_plus[:, 1 + 2 * m], noise[1 + 2 * m])
        x = self.convs[2 * m + 1](x, w_plus[:, 2 + 2 * m], noise[2 + 2 * m])
        return x, self.to_rgbs[m](x, w_plus[:, 3 + 2 * m], rgb)

    def forward(self, z: Tensor, truncation_psi: float = 1.0, noise: Sequence[Tensor] | None = None) -> Tensor:
        """z [B, style_dim] -> images [B, 3, size, size]; see `mapping` and `synthesis`."""
        return self.synthesis(self.to_w_plus(self.mapping(z, truncation_psi)), noise=noise)

    def fixed_noise(self) -> list[Tensor]:
        """The stored noise pictures, each [1, 1, r, r]."""
        return [getattr(self.noises, f"noise_{index}") for index in range(self.n_styles - 1)]

    def random_noise(self, batch: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """Fresh noise pictures for a batch, each [batch, 1, r, r]; `generator` makes them repeatable."""
        fixed = self.fixed_noise()
        device = fixed[0].device if generator is None else generator.device
        return [torch.randn(batch, *n.shape[1:], generator=generator, device=device).to(n) for n in fixed]

    @torch.no_grad()
    def estimate_w_avg(self, samples: int = 100_000, seed: int = 0, progress: bool = False) -> Tensor:
        """Set `w_avg` to the mean of w over random z, and return it, [style_dim].

        samples: number of z. seed: of their random numbers. progress: show a bar.
        """
        from tqdm.auto import tqdm

        random = torch.Generator().manual_seed(seed)
        total = torch.zeros(self.style_dim, dtype=torch.float64)
        for start in tqdm(range(0, samples, 1000), desc="average w", unit="k", disable=not progress):
            z = torch.randn(min(1000, samples - start), self.style_dim, generator=random)
            total += self.style(z.to(self.w_avg.device)).double().sum(dim=0).cpu()
        self.w_avg.copy_(total / samples)
        return self.w_avg


def mix_styles(coarse: Tensor, fine: Tensor, crossover: int) -> Tensor:
    """Style mixing: the first rows of one W+ code, the others of a second.

    coarse, fine: [B, n_styles, style_dim]. crossover: number of rows taken from `coarse`; low rows set pose and shape,
    high rows colour and detail. Returns [B, n_styles, style_dim].
    """
    check_shape("fine", fine, list(coarse.shape))
    if not 0 <= crossover <= coarse.shape[1]:
        raise InputError(f"crossover: {crossover} is not between 0 and {coarse.shape[1]}, the number of rows")
    return torch.cat([coarse[:, :crossover], fine[:, crossover:]], dim=1)
