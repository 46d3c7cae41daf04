"""The warm-up of the generator: for a while it is the second half of an autoencoder, before the discriminator comes.

A GAN has to find out by trial that faces have a pose, a haircut and a background. Two things can be told it first.
What a picture looks like: an encoder turns pictures into w, the synthesis network draws them again from it. And who is
drawn: of rendered people all parameters are known; brought to a standard normal distribution, they are the picture's
code z, from which the mapping network learns to guess the encoder's w.

    picture x --encoder--> w --synthesis--> x'         loss = |x' - x|^2 + 0.1 * perceptual distance(x', x)
    parameters --> z --mapping--> w'                   loss = |w' - w|^2 / variance of w

What comes out is varied but blurred, since 256 numbers do not say where each hair lies. The adversarial training that
follows sharpens it; the encoder stays as it is meanwhile, and is thrown away at the end. Photographs have no
parameters: there, training starts from nothing.

Sources of the idea: Dosovitskiy et al., "Learning to Generate Chairs, Tables and Cars with Convolutional Networks",
TPAMI 2017, for parameters; Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", ICML 2016,
and Pidhorskyi et al., "Adversarial Latent Autoencoders", CVPR 2020, for an encoder into the space of w.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.colors import hsv_to_rgb
from numpy.typing import NDArray
from torch import Tensor, nn

from idnb.errors import InputError
from idnb.gan_data import RealImages
from idnb.gan_growing import PERCEPTUAL_WEIGHT, GanConfig, GrowingTraining
from idnb.models.discriminator import EqualizedConv, ResidualBlock
from idnb.models.perceptual import load_face_feature_distance
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_layers import EqualizedLinear
from idnb.objectives import at_size
from idnb.presets import Preset

__all__ = ["PictureEncoder", "WarmUp", "mapping_error", "normal_codes", "normalise_w", "read_codes", "without_hues"]

# Three times the rate of the adversarial training, and for the mapping network, which is otherwise slow on purpose, 300
# times that: benchmarks/warm_up.py compares them.
RATE = 3.0
MAPPING_RATE = 300.0
YIELD = 0.02  # how much the encoder gives way to the mapping network, beside the error of the picture
ENCODER_CHANNELS = (32, 64, 96, 128, 192)  # at 64, 32, 16, 8, 4 px
SMALLEST_VARIANCE = 0.05  # directions in which the parameters vary less are not enlarged further


def read_codes(folders: Sequence[str], length: int, people: int | None = None, seed: int = 1) -> Tensor:
    """The codes of all pictures of some rendered sets, in the order in which `idnb.gan_data.read_strips` has them.

    folders: sets of rendered people. people: of each set only so many of the first; None takes all. length, seed: see
    `normal_codes`. Returns [N, length].
    """
    from idnb.faces.synthetic import load_faces
    from idnb.identity_data import finished

    parts = []
    for folder in folders:
        faces = finished(load_faces(folder), lambda _: None)
        faces = faces.select(np.unique(faces.identity)[:people])
        order = np.lexsort((faces.shot, faces.identity))
        parts.append({name: np.asarray(values)[order] for name, values in faces.parameters.items()})
    parameters = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return normal_codes(without_hues(parameters), length, seed)


def without_hues(parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same parameters, with colours given as hue, saturation and value turned into red, green and blue.

    A hue is a circle: the two ends of its numbers are one red, which no smooth function of a code can draw.

    parameters: name -> values [N]; "x.hue" counts as a colour where "x.saturation" and "x.value" are there, too,
    each from 0 to 1. Returns them without these three, and with "x.red", "x.green", "x.blue" [N] from 0 to 1.
    """
    found = dict(parameters)
    for name in parameters:
        place, _, last = name.rpartition(".")
        rest = [f"{place}.saturation", f"{place}.value"]
        if last != "hue" or not all(key in parameters for key in rest):
            continue
        hsv = np.stack([parameters[key].astype(float) for key in (name, *rest)], axis=1)  # [N, 3]
        for key in (name, *rest):
            del found[key]
        rgb = hsv_to_rgb(hsv.clip(0, 1))  # [N, 3]
        found |= {f"{place}.{channel}": rgb[:, i] for i, channel in enumerate(("red", "green", "blue"))}
    return found


def normal_codes(parameters: Mapping[str, NDArray[Any]], length: int, seed: int = 1) -> Tensor:
    """Bring parameters of any distribution to a standard normal one.

    Each parameter is replaced by the normal quantile of its rank (equal values get neighbouring ranks in random order,
    so that a choice among eleven haircuts becomes eleven intervals); then the correlations are removed, with a matrix
    that changes the single parameters as little as possible. What is left of `length` is filled with random numbers.

    parameters: name -> values [N], numbers or words. length: of a code. seed: of ties and filling.
    Returns [N, length] float32. Raises InputError when there are more parameters than `length`.
    """
    random = np.random.default_rng(seed)
    columns = []
    for name, values in parameters.items():
        if name.endswith(".pattern"):
            continue  # a random number's seed says nothing about the picture
        numbers = np.unique(values, return_inverse=True)[1]
        rank = np.empty(len(values))
        rank[np.lexsort((random.random(len(values)), numbers))] = np.arange(len(values))
        columns.append(torch.from_numpy(2 * (rank + 0.5) / len(values) - 1))
    if len(columns) > length:
        raise InputError(f"{len(columns)} parameters do not fit into a code of length {length}")
    normal = math.sqrt(2) * torch.erfinv(torch.stack(columns, dim=1))  # [N, P] float64
    variance, axes = torch.linalg.eigh(normal.T.cov())
    whiten = axes @ torch.diag(variance.clamp_min(SMALLEST_VARIANCE).rsqrt()) @ axes.T  # [P, P]
    filling = torch.from_numpy(random.standard_normal((len(normal), length - len(columns))))
    return torch.cat([normal @ whiten, filling], dim=1).float()


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
        x = at_size(pictures, self.size).contiguous(memory_format=torch.channels_last)  # [B, 3, 64, 64]
        x = self.blocks(self.from_rgb(x))  # [B, C, 4, 4]
        return self.to_w(self.hidden(x.float().flatten(1))).float()


def mapping_error(told: Tensor, w: Tensor) -> Tensor:
    """How far the w of known codes are from those of the encoder, as a share of the latters' variance.

    told, w: [B, style_dim]. The mapping network is to follow; the encoder gives way a little (`YIELD`), so that it puts
    into w what the codes can tell rather than what they cannot. Returns a number: 0 for equal ones, 1 for their mean.
    """
    spread = w.var(dim=0).mean().clamp_min(1e-6)
    followed = F.mse_loss(told, w.detach()) / spread.detach()
    given_way = F.mse_loss(told.detach(), w) / spread  # as a share of the variance, so that it does not pay to shrink w
    return followed + YIELD * (given_way - given_way.detach())


@torch.no_grad()
def normalise_w(generator: Generator, encoder: PictureEncoder, samples: int = 1000) -> None:
    """Bring w to a deviation of one without changing a picture: what makes w is divided, what reads it multiplied.

    generator, encoder: after a warm-up; changed in place. samples: random z, over which the deviation is taken.
    """
    random = torch.Generator().manual_seed(0)
    z = torch.randn(samples, generator.style_dim, generator=random).to(generator.w_avg.device)
    spread = generator.mapping(z).std(dim=0).mean()
    last: Any = generator.style[-1]  # linear, then a leaky ReLU, through which a positive factor goes
    for tensor in (last.weight, last.bias, encoder.to_w.weight, encoder.to_w.bias, generator.w_avg):
        tensor.div_(spread)
    for name, parameter in generator.named_parameters():
        if name.endswith("modulation.weight"):
            parameter.mul_(spread)


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
        codes, pictures = self.draw_known(real, self.config.batch, random)  # [B, D], [B, 3, S, S]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            w = self.encoder(pictures)  # [B, D]
        with torch.no_grad():
            generator.w_avg.lerp_(w.mean(dim=0), 0.005)
        drawn = generator.synthesis(generator.to_w_plus(w), noise=generator.random_noise(len(w), random))
        mse = F.mse_loss(drawn, pictures)
        perceptual = self.perceptual(drawn, pictures).mean()
        mapping = mapping_error(generator.mapping(codes), w)
        loss = mse + PERCEPTUAL_WEIGHT * perceptual
        self.optimizer.zero_grad(set_to_none=True)
        (loss + mapping).backward()
        self.optimizer.step()
        self.count_step()
        return {"loss": loss.item(), "mse": mse.item(), "perceptual": perceptual.item(), "mapping": mapping.item()}
