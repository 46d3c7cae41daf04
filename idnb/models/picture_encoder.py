"""An encoder of pictures for inversion: from a picture to the latents of the generator that it grew up with.

It answers in one pass what an optimisation finds in hundreds of steps, and a little less exactly. Three heads lead into
the three spaces: one w for all rows (W), a change of each row (W+), and a change of the generator's 4 x 4 input.

Trained by idnb/pretraining/gan/paired.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.tensor_files import load_strictly, read_tensors
from idnb.models.contour_encoder import Latents
from idnb.models.discriminator import EqualizedConv
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_layers import EqualizedLinear

__all__ = ["PICTURE_CHANNELS", "PictureEncoder", "load_picture_encoder"]

PICTURE_CHANNELS = (16, 32, 64, 128, 192, 256)  # at 128, 64, ... 4 px; a smaller picture leaves out the first


class HalvingBlock(nn.Module):
    """A convolution of stride 2, then a residual one; no blur: a network that only looks at pictures can spare it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = EqualizedConv(in_channels, out_channels, 3, stride=2)
        self.conv2 = EqualizedConv(out_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, I, H, W] -> [B, O, H/2, W/2]."""
        x = self.conv1(x)
        return (x + self.conv2(x)) * 0.5**0.5


class PictureEncoder(nn.Module):
    """A residual network from a picture to w, to changes of single rows, and to a change of the generator's input.

    n_styles, style_dim, latent_channels: of the generator. channels: of features at size, size / 2, ... 4 px.
    """

    def __init__(
        self, n_styles: int, style_dim: int, latent_channels: int, channels: Sequence[int] = PICTURE_CHANNELS
    ) -> None:
        super().__init__()
        self.size = 4 * 2 ** (len(channels) - 1)
        self.from_rgb = EqualizedConv(3, channels[0], 3)
        self.blocks = nn.Sequential(*(HalvingBlock(wide, deep) for wide, deep in pairwise(channels)))
        self.hidden = EqualizedLinear(16 * channels[-1], 2 * style_dim, activate=True)
        self.to_w = EqualizedLinear(2 * style_dim, style_dim)
        self.to_rows = EqualizedLinear(2 * style_dim, n_styles * style_dim)
        self.to_latent = EqualizedConv(channels[-1], latent_channels, 3, activate=False, gain=1.0)
        self.n_styles = n_styles
        for layer in (self.to_rows, self.to_latent):
            nn.init.zeros_(layer.weight)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """pictures: [B, 3, H, H] in [-1, 1], H = `size`.

        Returns w [B, D], the change of each row [B, n_styles, D], the change of the input [B, C, 4, 4].
        """
        x = self.blocks(self.from_rgb(pictures.contiguous(memory_format=torch.channels_last)))  # [B, C, 4, 4]
        hidden = self.hidden(x.float().flatten(1))
        rows = self.to_rows(hidden).float().unflatten(1, (self.n_styles, -1))
        return self.to_w(hidden).float(), rows, self.to_latent(x).float()

    def invert(self, generator: Generator, pictures: Tensor) -> Latents:
        """The generator's latents that draw pictures [B, 3, H, H] again; a smaller generator needs fewer rows."""
        w, rows, latent = self(pictures)
        return Latents(generator.to_w_plus(w) + rows[:, : generator.n_styles], generator.input.input + latent)


def load_picture_encoder(path: str | Path, device: torch.device | str = "cpu") -> PictureEncoder:
    """A picture encoder that grew up with a generator, frozen, in eval mode.

    path: a safetensors file as `idnb train generator` writes it; all sizes are read off its tensors.
    Raises InputError for a file of something else.
    """
    tensors = read_tensors(path)
    try:
        widths = [tensors["from_rgb.weight"].shape[0]]
        while (name := f"blocks.{len(widths) - 1}.conv1.weight") in tensors:
            widths.append(tensors[name].shape[0])
        style_dim = tensors["to_w.weight"].shape[0]
        n_styles = tensors["to_rows.weight"].shape[0] // style_dim
        encoder = PictureEncoder(n_styles, style_dim, tensors["to_latent.weight"].shape[0], widths)
    except (KeyError, IndexError) as error:
        raise InputError(
            f"{path}: no picture encoder as `idnb train generator` writes one ({error} is missing)"
        ) from error
    load_strictly(encoder, tensors, str(path))
    return encoder.to(device).eval().requires_grad_(False)
