"""Training of the tiny generator: StyleGAN2 on rendered people, at a low resolution first, then grown.

The losses are the paper's: non-saturating logistic loss, gradient penalty R1 every sixteenth step, style
mixing, and a moving average of the generator, which is the one that is kept (Karras et al. 2020, section 2 and
appendix B; Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018). Left out: path-length
regularisation. Added, where there was a warm-up (idnb.pretraining.gan.warmup): its encoder stays as it is, half of the
fakes are made from what it makes of real pictures, and these are also compared with the pictures, so that the
discriminator sharpens what the warm-up has learnt instead of replacing it (as in Larsen et al., "Autoencoding beyond
pixels using a learned similarity metric", 2016, and Isola et al., "Image-to-Image Translation with Conditional
Adversarial Networks", 2017). The mapping network has learnt the distribution of w by then
(idnb.pretraining.gan.mapping) and stays as it is, too. And the discriminator warms up alone (`d_warmup`): against one
that sees nothing yet, a warmed-up generator invents grain that it then never learns to see. The gradient that a
discriminator sends to a picture is about twenty times as long as that of the mean square, hence the large `lambda_rec`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.faces.real_images import RealImages
from idnb.models.discriminator import Discriminator
from idnb.models.perceptual import load_face_feature_distance
from idnb.models.stylegan2 import mix_styles
from idnb.pretraining.gan.growing import PERCEPTUAL_WEIGHT, GanConfig, GrowingTraining
from idnb.pretraining.gan.mapping import encode_all, learn_mapping, whiten_w
from idnb.pretraining.gan.warmup import PictureEncoder, WarmUp

__all__ = ["GanTraining"]


class GanTraining(GrowingTraining):
    """The adversarial training: what it keeps, and one step of it. Arguments as of `GrowingTraining`.

    Further attributes: discriminator, encoder (None without codes), the optimizers, grown_at (images shown when it last
    grew).
    """

    columns = ("loss_g", "loss_d", "sign", "r1", "rec")
    stateful: tuple[str, ...] = (
        "generator",
        "average",
        "discriminator",
        "generator_optimizer",
        "discriminator_optimizer",
    )
    counters = ("step", "images", "grown_at")

    def __init__(
        self,
        preset: Preset,
        config: GanConfig,
        codes: Tensor | None = None,
        device: torch.device | str = "cpu",
        bf16: bool = False,
    ) -> None:
        super().__init__(preset, config, codes, device, bf16)
        self.discriminator = Discriminator.from_preset(preset, self.size).to(self.device)
        self.grown_at = 0
        if codes is not None:
            self.perceptual = load_face_feature_distance(device=self.device)
            self.encoder = PictureEncoder(preset.style_dim).to(self.device).requires_grad_(False)
            self.stateful += ("encoder",)
        self._make_optimizers()

    def _make_optimizers(self) -> None:
        every = self.config.r1_every
        rate = self.config.learning_rate
        share = rate * self.config.generator_rate(self.size)
        self.generator.style.requires_grad_(self.codes is None)
        learning = [p for p in self.generator.parameters() if p.requires_grad]
        self.generator_optimizer = torch.optim.Adam(learning, lr=share, betas=(0.0, 0.99))
        # One step in `every` is done twice, with and without penalty: the rate and the memory are scaled accordingly.
        ratio = every / (every + 1)
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=rate * ratio, betas=(0.0, 0.99**ratio)
        )

    def start_from(
        self,
        warm_up: WarmUp,
        real: RealImages,
        out: str | Path,
        minutes: float | None = None,
        save_minutes: float = 5.0,
        report: Callable[[str], None] = print,
    ) -> bool:
        """Begin with what a warm-up has learnt, its w whitened, the mapping network trained to their distribution.

        warm_up: finished, at the size of the first phase. real: the pictures at that size, as many as there are codes.
        out: folder of the mapping network's training; further arguments as of `run_training`.
        Returns whether that training is done; until then this run does not begin.
        Raises InputError for another size, or when this run is not fresh.
        """
        average = copy.deepcopy(warm_up.average)
        if self.step or average.size != self.size:
            raise InputError(f"a warm-up at {average.size} px can only begin a fresh run at that size")
        self.encoder.load_state_dict(warm_up.encoder.state_dict())
        w, weight = whiten_w(average, self.encoder, encode_all(self.encoder, real))
        codes, seed = self.known_codes(real), self.config.seed
        done = learn_mapping(
            average, w, weight, codes, out, seed=seed, minutes=minutes, save_minutes=save_minutes, report=report
        )
        if done:
            for network in (self.generator, self.average):
                network.load_state_dict(average.state_dict())
        return done

    def grow(self) -> None:
        """Double the resolution: new top blocks; everything else, the memory of the optimizers included, goes on."""
        before = {name: getattr(self, name) for name in self.stateful}
        super().grow()
        discriminator = Discriminator.from_preset(self.preset, self.size, grown=True)
        discriminator.load_state_dict(self.discriminator.state_dict(), strict=False)
        self.discriminator = discriminator.to(self.device)
        self.grown_at = self.images
        self._make_optimizers()
        for network in ("generator", "discriminator"):
            old_memory = before[f"{network}_optimizer"].state
            old = dict(before[network].named_parameters())
            for name, parameter in getattr(self, network).named_parameters():
                if name in old and old[name] in old_memory:
                    getattr(self, f"{network}_optimizer").state[parameter] = old_memory[old[name]]

    def run_step(self, real: RealImages) -> dict[str, float]:
        """One step of both networks at once, now and then the penalty, then the average.

        real: pictures of the current size. Returns losses and the mean sign of the scores of real pictures.
        """
        config = self.config
        random = self.random_of_step()
        if self.codes is None:
            known, fake = None, self.sample(config.batch, random)  # [B, 3, S, S]
            pictures = real.batch(config.batch, random).to(self.device)  # [B, 3, S, S]
        else:
            _, theirs = self.draw_known(real, config.batch // 2, random)  # [K, 3, S, S]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                known = self.encoder(theirs)  # [K, D]
            fake = self.sample(config.batch, random, known)  # [B, 3, S, S]
            others = real.batch(config.batch - len(known), random).to(self.device)  # [B - K, 3, S, S]
            pictures = torch.cat([theirs, others])  # [B, 3, S, S]
        # Both networks learn from one pass: the scores of the fakes serve the generator's loss and the discriminator's.
        fake_scores, real_scores = self.score(fake), self.score(pictures)  # [B] each
        generator_loss = F.softplus(-fake_scores).mean()
        loss = F.softplus(fake_scores).mean() + F.softplus(-real_scores).mean()
        (to_fake,) = torch.autograd.grad(generator_loss, fake, retain_graph=True)  # [B, 3, S, S]
        figures = {"loss_g": generator_loss.item(), "loss_d": loss.item(), "sign": real_scores.sign().mean().item()}
        if known is not None:
            drawn = fake.detach()[: len(known)].requires_grad_(True)  # [K, 3, S, S]
            rec = F.mse_loss(drawn, theirs) + PERCEPTUAL_WEIGHT * self.perceptual(drawn, theirs).mean()
            to_fake[: len(known)] += config.lambda_rec * torch.autograd.grad(rec, drawn)[0]
            figures["rec"] = rec.item()
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=list(self.discriminator.parameters()))
        self.discriminator_optimizer.step()
        if self.images >= config.d_warmup:
            self.generator_optimizer.zero_grad(set_to_none=True)
            fake.backward(to_fake)
            self.generator_optimizer.step()

        if self.step % config.r1_every == 0:
            pictures.requires_grad_(True)
            scores = self.discriminator(pictures, self.fade)  # a second derivative: always in float32
            (gradient,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
            penalty = gradient.square().sum(dim=(1, 2, 3)).mean()
            gamma = config.r1_gamma * (self.size / 64) ** 2
            self.discriminator_optimizer.zero_grad(set_to_none=True)
            (penalty * (gamma / 2 * config.r1_every)).backward()
            self.discriminator_optimizer.step()
            figures["r1"] = penalty.item()

        self.count_step()
        return figures

    @property
    def fade(self) -> float:
        """Weight of the discriminator's top block: rises from 0 to 1 after growing."""
        if not self.grown_at:
            return 1.0
        return min(1.0, (self.images - self.grown_at) / max(1, self.config.fade_images))

    def score(self, images: Tensor) -> Tensor:
        """The discriminator's scores, [B]."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return self.discriminator(images, self.fade)

    def sample(self, count: int, random: torch.Generator, known: Tensor | None = None) -> Tensor:
        """Fakes with a graph, [count, 3, S, S]: fresh noise, styles mixed; tracks the mean of w.

        known: w [K, style_dim] of the first fakes, from the encoder; their styles are not mixed.
        """
        generator = self.generator
        fixed = 0 if known is None else len(known)
        z = torch.randn(2, count - fixed, generator.style_dim, generator=random).to(self.device)
        noise = generator.random_noise(count, random)
        w, other = generator.mapping(z.flatten(0, 1)).unflatten(0, z.shape[:2])  # two times [B - K, D]
        with torch.no_grad():
            generator.w_avg.lerp_(w.mean(dim=0), 0.005)
        w_plus = generator.to_w_plus(w)
        if torch.rand(1, generator=random).item() < self.config.mixing:
            crossover = int(torch.randint(1, generator.n_styles, (1,), generator=random))
            w_plus = mix_styles(w_plus, generator.to_w_plus(other), crossover)
        if known is not None:
            w_plus = torch.cat([generator.to_w_plus(known), w_plus])  # [B, n_styles, D]
        return generator.synthesis(w_plus, noise=noise)
