"""A generator that learns from a discriminator alone, as StyleGAN2 does: what the paired training is compared with.

Nothing says which picture a code stands for, so all that the generator hears of a picture is one number, whether it
looks real. `idnb.pretraining.gan.paired` tells it every pixel that is wrong.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, with the loss of R3GAN
(`idnb.pretraining.gan.relativistic`) in place of its own, and without mixed styles and path lengths.
"""

from __future__ import annotations

import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.faces.real_images import RealImages
from idnb.models.discriminator import Discriminator
from idnb.pretraining.gan.growing import GanConfig, GrowingTraining
from idnb.pretraining.gan.relativistic import PENALTY_EVERY, run_relativistic_step

__all__ = ["AdversarialTraining"]


class AdversarialTraining(GrowingTraining):
    """What the training keeps, and one step of it. It has its full size from the first image on.

    preset, config, codes, device, bf16: as of `GrowingTraining`; the codes are not used.
    Further attributes: discriminator, and an optimizer of each network.
    Raises InputError where the phases are not one of full size.
    """

    columns = ("adversarial", "told_apart")
    stateful = ("generator", "ema", "optimizer", "discriminator", "discriminator_optimizer")

    def __init__(
        self, preset: Preset, config: GanConfig, codes: Tensor, device: torch.device | str = "cpu", bf16: bool = False
    ) -> None:
        if [size for size, _ in config.phases] != [preset.image_size]:
            raise InputError(f"a discriminator alone looks at {preset.image_size} px only; give one phase of that size")
        super().__init__(preset, config, codes, device, bf16)
        self.discriminator = Discriminator.from_preset(preset).to(self.device)
        self.optimizer, self.discriminator_optimizer = (
            torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(0.0, 0.99))
            for network in (self.generator, self.discriminator)
        )

    def run_step(self, real: RealImages) -> dict[str, float]:
        """The discriminator learns from a batch of real pictures and one of samples, the generator from its answer."""
        generator, random, batch = self.generator, self.random_of_step(), self.config.batch
        pictures = real.batch(batch, random).to(self.device)  # [B, 3, S, S]
        w = generator.mapping(torch.randn(batch, generator.style_dim, generator=random).to(self.device))
        noise = generator.random_noise(batch, random)
        drawn = generator.synthesis(generator.to_w_plus(w), generator.input(batch), noise)  # [B, 3, S, S]
        with torch.no_grad():
            generator.w_avg.lerp_(w.mean(dim=0), 0.005)
        judged, penalise = (self.discriminator, self.discriminator_optimizer), self.step % PENALTY_EVERY == 0
        push, metrics = run_relativistic_step(*judged, pictures, drawn.detach(), penalise, self.bf16)
        self.optimizer.zero_grad(set_to_none=True)
        drawn.backward(push)
        self.optimizer.step()
        self.count_step()
        return metrics
