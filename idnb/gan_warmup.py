"""The warm-up of the generator: a while as the decoder of an autoencoder, before the discriminator comes.

A GAN has to discover by trial that faces have a pose, a haircut and a background; an autoencoder is told, picture by
picture. So the generator first learns to redraw real pictures from codes z that an encoder reads off them and that are
kept close to the normal distribution (a variational autoencoder):

    x --encoder--> mean, variance --draw--> z --mapping, synthesis--> x'      loss = |x - x'|^2 + perceptual + KL

What comes out is blurred but varied. The adversarial training that follows starts from it and sharpens it; its
discriminator takes over the encoder's trunk.

References: Kingma and Welling, "Auto-Encoding Variational Bayes", 2014 (the loss); Larsen et al., "Autoencoding beyond
pixels using a learned similarity metric", 2016 (an autoencoder and a GAN that share the decoder).
"""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.errors import InputError
from idnb.gan_data import RealImages
from idnb.gan_training import GanConfig, grow_generator
from idnb.models.discriminator import Discriminator
from idnb.models.perceptual import load_face_feature_distance
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_layers import EqualizedLinear
from idnb.presets import Preset

__all__ = ["CodeReader", "WarmUp"]

# What one nat of information about a picture may cost. Much lower, and codes drawn at random no longer give faces.
KL_WEIGHT = 6e-5
PERCEPTUAL_WEIGHT = 0.1


class CodeReader(nn.Module):
    """The encoder: the trunk of a discriminator with another head, from an image to the distribution of its z.

    preset, size: of the trunk.
    """

    def __init__(self, preset: Preset, size: int) -> None:
        super().__init__()
        self.trunk = Discriminator.from_preset(preset, size)
        self.head = EqualizedLinear(preset.discriminator_channels[0] * 16, 2 * preset.style_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images [B, 3, S, S] in [-1, 1] -> mean and logarithm of the variance of z, each [B, style_dim]."""
        features = self.trunk.features(images)  # [B, C, 4, 4]
        mean, log_variance = self.head(features.float().flatten(1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)


class WarmUp:
    """The state of a warm-up, and one step of it; made like `GanTraining`, so the same loop runs it.

    preset: sizes. config: phases, batch, learning rate, average and seed are used. device: where to compute.
    bf16: feature maps in bfloat16, where it is fast.
    Attributes: generator, average (the moving average that is kept), reader, step, images.
    """

    columns = ("loss", "mse", "perceptual", "kl")

    def __init__(
        self, preset: Preset, config: GanConfig, device: torch.device | str = "cpu", bf16: bool = False
    ) -> None:
        self.preset, self.config, self.device, self.bf16 = preset, config, torch.device(device), bf16
        self.step = self.images = 0
        torch.manual_seed(config.seed)
        size = config.phases[0][0]
        self.generator = Generator.from_preset(preset, size).to(self.device)
        self.generator.compute_dtype = torch.bfloat16 if bf16 else torch.float32
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.reader = CodeReader(preset, size).to(self.device)
        self.perceptual = load_face_feature_distance(device=self.device)
        self._make_optimizer()

    def _make_optimizer(self) -> None:
        parameters = [*self.generator.parameters(), *self.reader.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=self.config.learning_rate, betas=(0.9, 0.99))

    @property
    def size(self) -> int:
        """The resolution trained at now."""
        return self.generator.size

    def grow(self) -> None:
        """Double the resolution: new top blocks, fresh memory of the optimizer; all other weights go on."""
        torch.manual_seed(self.config.seed + self.size)
        self.generator = grow_generator(self.generator, self.preset).to(self.device)
        self.generator.compute_dtype = torch.bfloat16 if self.bf16 else torch.float32
        average = grow_generator(self.average, self.preset)
        new = {k: v for k, v in self.generator.state_dict().items() if k not in self.average.state_dict()}
        average.load_state_dict(new, strict=False)
        self.average = average.to(self.device).eval().requires_grad_(False)
        reader = CodeReader(self.preset, self.size)
        reader.load_state_dict(self.reader.state_dict(), strict=False)
        self.reader = reader.to(self.device)
        self._make_optimizer()

    def run_step(self, real: RealImages) -> dict[str, float]:
        """Redraw one batch and learn from the difference.

        real: pictures of the current size. Returns the loss and its three terms.
        """
        config, generator = self.config, self.generator
        random = torch.Generator().manual_seed(config.seed * 1_000_003 + self.step)
        pictures = real.batch(config.batch, random).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            mean, log_variance = self.reader(pictures)  # [B, D] each
        draw = torch.randn(mean.shape, generator=random).to(self.device)
        z = mean + torch.exp(log_variance / 2) * draw
        w = generator.mapping(z)
        with torch.no_grad():
            generator.w_avg.lerp_(w.mean(dim=0), 0.005)
        redrawn = generator.synthesis(generator.to_w_plus(w), noise=generator.random_noise(config.batch, random))
        mse = F.mse_loss(redrawn, pictures)
        perceptual = self.perceptual(redrawn, pictures).mean()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()  # nats an image
        loss = mse + PERCEPTUAL_WEIGHT * perceptual + KL_WEIGHT * kl
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self.images += config.batch
        self._update_average()
        return {"loss": loss.item(), "mse": mse.item(), "perceptual": perceptual.item(), "kl": kl.item()}

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = self.config.average_decay(self.images)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - decay)
        self.average.w_avg.copy_(self.generator.w_avg)

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on bit by bit."""
        parts = {name: getattr(self, name).state_dict() for name in ("generator", "average", "reader", "optimizer")}
        counters = {"step": self.step, "images": self.images, "size": self.size}
        return {**parts, **counters, "preset": self.preset.name, "config": asdict(self.config)}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a state. Raises InputError when it belongs to another preset or to other phases."""
        if state["preset"] != self.preset.name:
            raise InputError(f"the checkpoint belongs to preset {state['preset']!r}, not to {self.preset.name!r}")
        while self.size < state["size"]:
            self.grow()
        if self.size != state["size"]:
            raise InputError(f"the checkpoint is at {state['size']} px, the phases start at {self.size} px")
        for name in ("generator", "average", "reader", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.images = state["step"], state["images"]
