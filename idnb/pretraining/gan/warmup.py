"""The warm-up of the generator: for a while it is the second half of an autoencoder, before the discriminator comes.

A GAN has to find out by trial that faces have a pose, a haircut and a background. Two things can be told it first.
What a picture looks like: an encoder turns pictures into w, the synthesis network draws them again from it. And who is
drawn: of rendered people all parameters are known; brought to a standard normal distribution, they are the picture's
code z, from which the mapping network learns to guess the encoder's w.

    picture x --encoder--> w --synthesis--> x'         loss = |x' - x|^2 + 0.1 * perceptual distance(x', x)
    parameters --> z --mapping--> w'                   loss = |w' - w|^2 / variance of w

What comes out is blurred, since 256 numbers do not say where each hair lies, and less varied than the pictures, since a
guess that is right on average keeps to the middle. The second is mended next (idnb.pretraining.gan.mapping), the first
by the adversarial training; the encoder stays as it is from then on, and is thrown away at the end. Photographs have no
parameters: there, training starts from nothing.

Sources of the idea: Dosovitskiy et al., "Learning to Generate Chairs, Tables and Cars with Convolutional Networks",
TPAMI 2017, for parameters; Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", ICML 2016,
and Pidhorskyi et al., "Adversarial Latent Autoencoders", CVPR 2020, for an encoder into the space of w.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.presets import Preset
from idnb.core.resize import resize
from idnb.faces.real_images import RealImages
from idnb.models.discriminator import EqualizedConv, ResidualBlock
from idnb.models.perceptual import load_face_feature_distance
from idnb.models.stylegan2_layers import EqualizedLinear
from idnb.pretraining.gan.codes import with_filling
from idnb.pretraining.gan.growing import PERCEPTUAL_WEIGHT, GanConfig, GrowingTraining

__all__ = ["PictureEncoder", "WarmUp", "mapping_error"]

# Three times the rate of the adversarial training, and for the mapping network, which is otherwise slow on purpose, 300
# times that: benchmarks/warm_up.py compares them.
RATE = 3.0
MAPPING_RATE = 300.0
YIELD = 0.02  # how much the encoder gives way to the mapping network, beside the error of the picture
ENCODER_CHANNELS = (32, 64, 96, 128, 192)  # at 64, 32, 16, 8, 4 px


class PictureEncoder(nn.Module):
    """A residual network from a picture to w; it serves the generator's training only.

    style_dim: length of w. channels: of features at 64, 32, ... 4 px.
    """

    def __init__(self, style_dim: int, channels: Sequence[int] = ENCODER_CHANNELS) -> None:
        super().__init__()
        self.size = 4 * 2 ** (len(channels) - 1)
        self.from_rgb = EqualizedConv(3, channels[0], 3)
        self.blocks = nn.Sequential(*(ResidualBlock(wide, deep) for wide, deep in pairwise(channels)))
        self.hidden = EqualizedLinear(16 * channels[-1], style_dim, activate=True)
        self.to_w = EqualizedLinear(style_dim, style_dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [B, 3, H, H] in [-1, 1], of any size. Returns w, [B, style_dim]."""
        x = resize(pictures, self.size).contiguous(memory_format=torch.channels_last)  # [B, 3, 64, 64]
        x = self.blocks(self.from_rgb(x))  # [B, C, 4, 4]
        return self.to_w(self.hidden(x.float().flatten(1))).float()


def mapping_error(told: Tensor, w: Tensor) -> Tensor:
    """How far the w of known codes are from those of the encoder, as a share of the latters' variance.

    told, w: [B, style_dim]. The mapping network is to follow; the encoder gives way a little (`YIELD`), so that it puts
    into w what the codes can tell rather than what they cannot. Returns a number: 0 for equal ones, 1 for their mean.
    """
    variance = w.var(dim=0).mean().clamp_min(1e-6)
    followed = F.mse_loss(told, w.detach()) / variance.detach()
    given_way = (
        F.mse_loss(told.detach(), w) / variance
    )  # as a share of the variance, so that it does not pay to shrink w
    return followed + YIELD * (given_way - given_way.detach())


class WarmUp(GrowingTraining):
    """The warm-up: what it keeps, and one step of it. Arguments as of `GrowingTraining`; the codes must be known.

    Further attributes: encoder, the optimizer.
    """

    columns = ("loss", "mse", "perceptual", "mapping")
    stateful: tuple[str, ...] = ("generator", "average", "encoder", "optimizer")

    def __init__(
        self,
        preset: Preset,
        config: GanConfig,
        codes: Tensor,
        device: torch.device | str = "cpu",
        bf16: bool = False,
    ) -> None:
        super().__init__(preset, config, codes, device, bf16)
        self.encoder = PictureEncoder(preset.style_dim).to(self.device)
        self.perceptual = load_face_feature_distance(device=self.device)
        self._make_optimizer()

    def _make_optimizer(self) -> None:
        mapping = list(self.generator.style.parameters())
        others = [p for name, p in self.generator.named_parameters() if not name.startswith("style.")]
        others += self.encoder.parameters()
        rate = RATE * self.config.learning_rate
        groups: list[dict[str, Any]] = [{"params": mapping, "lr": MAPPING_RATE * rate}, {"params": others}]
        self.optimizer = torch.optim.Adam(groups, lr=rate, betas=(0.9, 0.99))

    def grow(self) -> None:
        """Double the resolution: a new top block, fresh memory of the optimizer; all other weights go on."""
        super().grow()
        self._make_optimizer()

    def run_step(self, real: RealImages) -> dict[str, float]:
        """Draw one batch again, guess its w from its codes, and learn from both errors.

        real: the pictures at the current size, as many as there are codes. Returns the loss and its terms.
        """
        generator, random = self.generator, self.random_of_step()
        codes, pictures = self.draw_known(real, self.config.batch, random)  # [B, P], [B, 3, S, S]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            w = self.encoder(pictures)  # [B, D]
        with torch.no_grad():
            generator.w_avg.lerp_(w.mean(dim=0), 0.005)
        drawn = generator.synthesis(generator.to_w_plus(w), noise=generator.random_noise(len(w), random))
        mse = F.mse_loss(drawn, pictures)
        perceptual = self.perceptual(drawn, pictures).mean()
        z = with_filling(codes, generator.style_dim, random)  # [B, D]
        mapping = mapping_error(generator.mapping(z), w)
        loss = mse + PERCEPTUAL_WEIGHT * perceptual
        self.optimizer.zero_grad(set_to_none=True)
        (loss + mapping).backward()
        self.optimizer.step()
        self.count_step()
        return {"loss": loss.item(), "mse": mse.item(), "perceptual": perceptual.item(), "mapping": mapping.item()}
