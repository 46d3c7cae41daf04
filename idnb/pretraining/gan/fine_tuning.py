"""Projected-GAN fine-tuning, the last part of the generator's training: against a discriminator that can already see.

After `idnb.pretraining.gan.adversarial` faces have the right pose, hair and light, but their lips are stitched and
their eyes grainy: from some thousands of pictures, a discriminator that begins with random weights does not learn what
these look like. Now there is a projected discriminator (idnb.models.projected_discriminator), and beside it a small
plain one at 16 px, since features learnt on ImageNet care little about colour.

Half of the fakes are random: z, two of them mixed at a random layer. The other half draw real pictures again, from the
W+ code and the input latent of an encoder that learns along, and are compared with the pictures as well: codes of which
the rows differ and input latents other than the constant are what the encoders of this package will ask for. The
mapping network stays as it is. Both discriminators see augmented pictures, as often as it takes to keep them from
knowing the real ones by heart (Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.core.resize import resize
from idnb.faces.real_images import RealImages
from idnb.models.discriminator import Discriminator, EqualizedConv, ResidualBlock
from idnb.models.perceptual import load_face_feature_distance
from idnb.models.projected_discriminator import ProjectedDiscriminator
from idnb.models.stylegan2 import Generator, mix_styles
from idnb.models.stylegan2_layers import EqualizedLinear
from idnb.pretraining.gan.growing import PERCEPTUAL_WEIGHT, GanConfig, GrowingTraining

__all__ = ["CodeEncoder", "FineTuning", "augmented", "interpolated"]

COLOUR_SIZE = 16  # px, what the plain discriminator sees
# The gradients that the heads and their features send to a picture are some twenty times as long as that of the
# comparison with a weight of 100, that of the plain discriminator is far shorter: these make all alike.
HEADS_WEIGHT = 0.15
FEATURES_WEIGHT = 0.3
COLOUR_WEIGHT = 100.0
CALIBRATED_ON = 512  # pictures, over which features are standardised
ADA_TARGET = 0.6  # mean sign of the scores of real pictures at which the augmentation stays as it is
PATIENCE = 20_000  # images in which the probability of augmentation may go from 0 to 1
PENALTY, PENALTY_EVERY = 100.0, 4  # weight of the heads' squared gradient, and steps between penalties
COOLED = 0.25  # share of the generator's rate that is left in the cool-down: what swings round the target comes to rest
MOST = 0.6  # largest probability of augmentation: with more, the generator would learn to draw the changes
ENCODER_CHANNELS = (32, 64, 96, 128, 192)  # at 64, 32, 16, 8, 4 px


class CodeEncoder(nn.Module):
    """A residual network from a picture to a W+ code and an input latent; it serves the generator's training only.

    generator: whose codes; at first every picture gets its mean code and its constant.
    """

    w_avg: Tensor

    def __init__(self, generator: Generator, channels: Sequence[int] = ENCODER_CHANNELS) -> None:
        super().__init__()
        self.size = 4 * 2 ** (len(channels) - 1)
        self.shape = (generator.n_styles, generator.style_dim)
        self.from_rgb = EqualizedConv(3, channels[0], 3)
        self.blocks = nn.Sequential(*(ResidualBlock(wide, deep) for wide, deep in pairwise(channels)))
        self.hidden = EqualizedLinear(16 * channels[-1], 512, activate=True)
        self.to_w_plus = EqualizedLinear(512, self.shape[0] * self.shape[1])
        self.to_latent = EqualizedConv(channels[-1], generator.channels[0], 3, activate=False, gain=1.0)
        nn.init.zeros_(self.to_w_plus.weight)
        nn.init.zeros_(self.to_latent.weight)
        self.register_buffer("w_avg", generator.w_avg.clone())

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """pictures: [B, 3, H, H] in [-1, 1]. Returns w_plus [B, n_styles, D], and the latent's change [B, C, 4, 4]."""
        x = resize(pictures, self.size).contiguous(memory_format=torch.channels_last)
        x = self.blocks(self.from_rgb(x))  # [B, C, 4, 4]
        codes = self.to_w_plus(self.hidden(x.float().flatten(1))).float().unflatten(1, self.shape)
        return self.w_avg + codes, self.to_latent(x).float()


@torch.no_grad()
def interpolated(before: Generator, after: Generator, keep: float) -> Generator:
    """Mix the weights of a generator before and after its fine-tuning; what was overdone, glowing eyes say, goes back.

    before, after: of one shape; the second is changed in place. keep: share of the first, 0 to 1. Returns the mixture.
    Source: Wang et al., "ESRGAN", ECCV workshops 2018, section 3.4.
    """
    for ours, theirs in zip(after.parameters(), before.parameters(), strict=True):
        ours.lerp_(theirs.to(ours), keep)
    return after


def augmented(pictures: Sequence[Tensor], augment_p: float, random: torch.Generator) -> list[Tensor]:
    """Shift, cut out, brighten, and change the contrast and the saturation, each with a probability; differentiable.

    pictures: batches [B, 3, S, S] of one shape; picture i of each gets the same changes. augment_p: the probability.
    random: source of all choices. Returns the batches.
    """
    count, side = len(pictures[0]), pictures[0].shape[3]

    def chosen(low: float, high: float, neutral: float) -> Tensor:
        """[B, 1, 1, 1] between low and high, or neutral."""
        values = low + (high - low) * torch.rand(count, generator=random)
        return torch.where(torch.rand(count, generator=random) < augment_p, values, neutral)[:, None, None, None]

    brightness, contrast, saturation = chosen(-0.3, 0.3, 0.0), chosen(0.6, 1.4, 1.0), chosen(0.3, 1.7, 1.0)
    shift = torch.cat([chosen(-0.25, 0.25, 0.0) for _ in range(2)], dim=1)[..., 0, 0]  # [B, 2] of half the side
    matrix = torch.eye(2, 3).repeat(count, 1, 1)
    matrix[:, :, 2] = (shift * side / 2).round() * 2 / side  # whole pixels: nothing is blurred
    grid = F.affine_grid(matrix, [count, 3, side, side], align_corners=False)
    place = torch.arange(side) / side
    corner = torch.rand(2, count, 1, generator=random) - 0.25  # [2, B, 1]
    inside = (place >= corner) & (place < corner + 0.5)  # [2, B, S]
    hole = (inside[0, :, None, :, None] & inside[1, :, None, None, :]) * chosen(1.0, 1.0, 0.0)  # [B, 1, S, S]
    results = []
    for x in pictures:
        on = x.device
        grey = x.mean(dim=1, keepdim=True)
        x = grey + (x - grey) * saturation.to(on)
        middle = x.mean(dim=(1, 2, 3), keepdim=True)
        x = middle + (x - middle) * contrast.to(on) + brightness.to(on)
        x = F.grid_sample(x, grid.to(on), mode="nearest", padding_mode="reflection", align_corners=False)
        results.append(x * (1 - hole.to(on)))
    return results


class FineTuning(GrowingTraining):
    """The fine-tuning: what it keeps, and one step of it. Arguments as of `GrowingTraining`, without codes; one phase.

    Of the settings, `encoder_warmup` counts images for which the encoder learns alone, `lambda_rec` weighs the
    comparison, `cool_down` counts images at the end.
    Further attributes: encoder, projected, colour (the two discriminators), the optimizers, augment_p (the probability
    of augmentation).
    """

    columns = (
        "loss_g",
        "loss_d",
        "sign",
        "colour",
        "colour_sign",
        "r1",
        "gradient_penalty",
        "augment_p",
        "mse",
        "features",
    )
    stateful: tuple[str, ...] = (
        "generator",
        "average",
        "encoder",
        "projected",
        "colour",
        "generator_optimizer",
        "heads_optimizer",
        "colour_optimizer",
    )
    shares = ("augment_p",)

    def __init__(
        self, preset: Preset, config: GanConfig, device: torch.device | str = "cpu", bf16: bool = False
    ) -> None:
        super().__init__(preset, config, None, device, bf16)
        self.projected = ProjectedDiscriminator(self.size, config.seed).to(self.device)
        self.heads = self.projected.heads
        self.colour = Discriminator.from_preset(preset, COLOUR_SIZE).to(self.device)
        self.encoder = CodeEncoder(self.generator).to(self.device)
        self.perceptual = load_face_feature_distance(device=self.device)
        self.augment_p = 0.0
        rate = config.learning_rate
        self.generator.style.requires_grad_(False)
        learning = [p for p in self.generator.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": learning, "lr": rate * config.generator_rate(self.size)},
            {"params": self.encoder.parameters()},
        ]
        self.generator_optimizer = torch.optim.Adam(groups, lr=rate, betas=(0.0, 0.99))
        self.heads_optimizer = torch.optim.Adam(self.heads.parameters(), lr=rate / 10, betas=(0.0, 0.99))
        self.colour_optimizer = torch.optim.Adam(self.colour.parameters(), lr=rate / 2, betas=(0.0, 0.99))

    def start_from(self, generator: Generator) -> None:
        """Begin with a trained generator. Raises InputError for another size, or when this run is not fresh."""
        if self.step or generator.size != self.size:
            raise InputError(f"a generator of {generator.size} px can only begin a fresh run at that size")
        for network in (self.generator, self.average):
            network.load_state_dict(generator.state_dict())
        self.encoder.w_avg.copy_(generator.w_avg)
        self.switch_noise_off()

    def run_step(self, real: RealImages) -> dict[str, float]:
        """One step of all networks on one batch of real pictures [N, S, S, 3]; returns its figures by name."""
        random = self.random_of_step()
        if self.step == 0:
            self.projected.calibrate(real.batch(CALIBRATED_ON, random).to(self.device))
        pictures = real.batch(self.config.batch, random).to(self.device)  # [B, 3, S, S]
        drawn_again = pictures[: self.config.batch // 2]  # [K, 3, S, S]
        alone = self.images < self.config.encoder_warmup
        self.generator.requires_grad_(not alone)
        self.generator.style.requires_grad_(False)
        self.switch_noise_off()
        fake = self.sample(self.config.batch, random, drawn_again)  # [B, 3, S, S], the first K like drawn_again
        mse, to_fake = self.compare(fake, drawn_again)
        figures = {"mse": mse}
        if not alone:
            to_fake = to_fake + self.discriminate(fake, pictures, random, figures)
        cooled = self.images >= self.config.total_images - self.config.cool_down
        rate = self.config.learning_rate * self.config.generator_rate(self.size)
        self.generator_optimizer.param_groups[0]["lr"] = rate * (COOLED if cooled else 1.0)
        self.generator_optimizer.zero_grad(set_to_none=True)
        fake.backward(to_fake)
        self.generator_optimizer.step()
        self.count_step()
        return figures

    def sample(self, count: int, random: torch.Generator, pictures: Tensor) -> Tensor:
        """Fakes with a graph, [count, 3, S, S]: the pictures drawn again, then random ones; fresh noise."""
        generator = self.generator
        with torch.no_grad():
            z = torch.randn(2, count - len(pictures), generator.style_dim, generator=random).to(self.device)
            w, other = generator.mapping(z.flatten(0, 1)).unflatten(0, z.shape[:2])
            w_plus = generator.to_w_plus(w)  # [B - K, n_styles, D]
            if torch.rand(1, generator=random).item() < self.config.mixing:
                crossover = int(torch.randint(1, generator.n_styles, (1,), generator=random))
                w_plus = mix_styles(w_plus, generator.to_w_plus(other), crossover)
        codes, change = self.encoder(pictures)
        latent = generator.input.input + F.pad(change, (0, 0, 0, 0, 0, 0, 0, len(w_plus)))  # [B, C, 4, 4]
        noise = generator.random_noise(count, random)
        return generator.synthesis(torch.cat([codes, w_plus]), latent, noise)

    def compare(self, fake: Tensor, pictures: Tensor) -> tuple[float, Tensor]:
        """Mean square of the first K fakes less the pictures, and the comparison's gradient to all fakes."""
        drawn = fake.detach()[: len(pictures)].requires_grad_(True)  # [K, 3, S, S]
        mse = F.mse_loss(drawn, pictures)
        rec = mse + PERCEPTUAL_WEIGHT * self.perceptual(resize(drawn, 64), resize(pictures, 64)).mean()
        (gradient,) = torch.autograd.grad(rec, drawn)
        rest = len(fake) - len(pictures)
        return mse.item(), self.config.lambda_rec * F.pad(gradient, (0, 0, 0, 0, 0, 0, 0, rest))

    def discriminate(
        self, fake: Tensor, pictures: Tensor, random: torch.Generator, figures: dict[str, float]
    ) -> Tensor:
        """A step of both discriminators; adds to the figures. Returns what they tell the fakes, [B, 3, S, S]."""
        copied = fake.detach().requires_grad_(True)
        seen_fake, seen_real = augmented([copied, pictures], self.augment_p, random)
        shown = self.projected.project(seen_fake)
        with torch.no_grad():
            aims = self.projected.project(seen_real)
        fake_scores, real_scores = self.projected(shown), self.projected(aims)  # [B, 4] each
        small_fake, small_real = resize(seen_fake, COLOUR_SIZE), resize(seen_real, COLOUR_SIZE)
        fake_colour, real_colour = self.colour(small_fake, 1.0), self.colour(small_real, 1.0)  # [B] each
        half = len(fake) // 2  # those that draw the pictures again
        differences = [F.l1_loss(x[:half], y[:half]) / y.abs().mean() for x, y in zip(shown, aims, strict=True)]
        features = torch.stack(differences).sum()
        # Relativistic: a real picture is to score above a fake, the one that draws it again where there is one.
        loss_heads = F.softplus(real_scores - fake_scores).sum(dim=1).mean()
        loss_g = HEADS_WEIGHT * loss_heads + COLOUR_WEIGHT * F.softplus(-fake_colour).mean()
        (to_fake,) = torch.autograd.grad(loss_g + FEATURES_WEIGHT * features, copied, retain_graph=True)

        loss_d = F.softplus(fake_scores - real_scores).sum(dim=1).mean()
        self.heads_optimizer.zero_grad(set_to_none=True)
        loss_d.backward(inputs=list(self.heads.parameters()), retain_graph=True)
        if self.step % PENALTY_EVERY == 0:
            penalty = self.projected.gradient_penalty(shown) + self.projected.gradient_penalty(aims)
            (penalty * (PENALTY / 2 * PENALTY_EVERY)).backward()
            figures["gradient_penalty"] = penalty.item()
        self.heads_optimizer.step()
        loss_colour = F.softplus(fake_colour).mean() + F.softplus(-real_colour).mean()
        figures["colour"] = loss_colour.item()
        if self.step % self.config.r1_every == 0:
            small = small_real.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self.colour(small, 1.0).sum(), small, create_graph=True)
            penalty = gradient.square().sum(dim=(1, 2, 3)).mean()
            loss_colour = loss_colour + penalty * (self.config.r1_gamma / 2 * self.config.r1_every)
            figures["r1"] = penalty.item()
        self.colour_optimizer.zero_grad(set_to_none=True)
        loss_colour.backward(inputs=list(self.colour.parameters()))
        self.colour_optimizer.step()
        figures["features"] = features.item()

        sign = real_scores.sign().mean().item()
        self.augment_p = min(
            MOST, max(0.0, self.augment_p + (1 if sign > ADA_TARGET else -1) * self.config.batch / PATIENCE)
        )
        figures |= {"loss_g": loss_heads.item(), "loss_d": loss_d.item(), "sign": sign, "augment_p": self.augment_p}
        figures["colour_sign"] = real_colour.sign().mean().item()
        return to_fake
