"""The generator's training: real pictures are drawn again, by every way into the generator.

    1  x  --encoder-->  w                                                  G(w)
    2  x  --encoder-->  w, a change of each row                            G(W+)
    3  x  --encoder-->  w, a change of each row, a change of the input     G(W+, input latent)

A third of each batch goes each way, and all are compared with x: the absolute difference, in which eyes, glasses and
lips count most (their places are known from the label map), and LPIPS at full resolution. So one synthesis network
learns to draw from W, from W+ and from W+ with an input latent, and draws a face in each case. It grows from 16 px:
pose, haircut and colour are learnt at a fifth of the cost of a step at 128 px, and a network that begins at 128 px was
still one blurred face when this one had eyes.

The mapping network learns beside it. Of rendered people all parameters are known; brought to a normal distribution they
are the first numbers of z. They do not tell everything (where each hair lies), so for one c the answers are to be
distributed as the encoder's w are: the energy score (idnb.pretraining.gan.mapping). Its draws are not compared with
pictures: while they are still wrong, the synthesis network would learn from them that w says nothing. Photographs have
no known parameters; there, the mapping network is left to an adversarial training.

Sources of the idea: Dosovitskiy et al., "Learning to Generate Chairs, Tables and Cars with Convolutional Networks",
TPAMI 2017; Pidhorskyi et al., "Adversarial Latent Autoencoders", CVPR 2020; Gneiting and Raftery, "Strictly Proper
Scoring Rules, Prediction, and Estimation", JASA 2007, section 4.3.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from idnb.core.errors import InputError
from idnb.core.images import save_png, sheet
from idnb.core.presets import Preset
from idnb.faces.real_images import RealImages
from idnb.models.discriminator import Discriminator
from idnb.models.lpips_distance import load_lpips, random_window
from idnb.models.picture_encoder import PICTURE_CHANNELS, PictureEncoder
from idnb.pretraining.gan.codes import with_filling
from idnb.pretraining.gan.growing import GanConfig, GrowingTraining
from idnb.pretraining.gan.mapping import energy_score, unit_spread
from idnb.pretraining.gan.relativistic import PENALTY_EVERY, run_relativistic_step

__all__ = [
    "PairedTraining",
    "part_weights",
]

# How much a pixel's error counts, by its class in the label map: what is small and looked at counts most.
PART_WEIGHTS = {
    "background": 0.4, "skin": 1.0, "nose": 2.0, "eye_g": 6.0, "l_eye": 10.0, "r_eye": 10.0, "l_brow": 4.0,
    "r_brow": 4.0, "l_ear": 1.5, "r_ear": 1.5, "mouth": 4.0, "u_lip": 4.0, "l_lip": 4.0, "hair": 0.8, "neck": 0.8,
    "cloth": 0.5,
}  # fmt: skip
SMALLEST_SEEN = 16  # px: up to here LPIPS is left out, which halves the side four times
MAPPING_RATE = 50.0  # its layers learn a hundred times slower by construction: here they are to learn as fast as others
YIELD = 0.02  # how much the encoder's w gives way to what the mapping network can reach
COOLING = 0.2  # the last share of the images, over which the rate falls
PUSH = 0.5  # length of the discriminator's gradient, in that of the comparison
WAYS = 3


def part_weights(label_maps: Tensor) -> Tensor:
    """The weight of every pixel. label_maps: [..., H, W] class numbers. Returns the same shape, float32."""
    from idnb.faces.labels import LABEL_NAMES

    table = torch.tensor([PART_WEIGHTS.get(name, 1.0) for name in LABEL_NAMES])
    return table[label_maps.long()]


class PairedTraining(GrowingTraining):
    """What the training keeps, and one step of it.

    preset, config, codes, device, bf16: as of `GrowingTraining`. labels: [N, S, S] uint8, the
    label maps of the pictures at full size. compile: let torch.compile fuse what lies between convolutions, which takes
    two minutes at the start of each resolution and halves a step. shown: pictures [N, 3, H, H], N a multiple of 8, that
    are drawn again on a sheet beside every checkpoint; they are not learnt from.
    Further attributes: encoder, encoder_ema, the optimizer.
    """

    columns = ("loss", "l1", "lpips", "mapping", "adversarial", "told_apart")
    stateful: tuple[str, ...] = (
        "generator",
        "ema",
        "encoder",
        "encoder_ema",
        "optimizer",
        "discriminator",
        "discriminator_optimizer",
    )

    def __init__(
        self,
        preset: Preset,
        config: GanConfig,
        codes: Tensor,
        labels: Tensor,
        device: torch.device | str = "cpu",
        bf16: bool = False,
        compile: bool = False,
        shown: Tensor | None = None,
    ) -> None:
        super().__init__(preset, config, codes, device, bf16)
        if len(labels) != len(codes):
            raise InputError(f"{len(labels)} label maps, but {len(codes)} codes")
        self.labels, self.compile, self.shown = labels, compile, shown
        depth = len(preset.generator_channels)
        widths = preset.n_styles, preset.style_dim, preset.generator_channels[0], PICTURE_CHANNELS[-depth:]
        self.encoder = PictureEncoder(*widths).to(self.device)
        self.encoder_ema = copy.deepcopy(self.encoder).eval().requires_grad_(False)
        self.discriminator = Discriminator.from_preset(preset).to(self.device)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=2e-3, betas=(0.0, 0.99))
        self._prepare()

    @functools.cached_property
    def lpips(self) -> nn.Module:
        """The perceptual distance, once pictures are large enough for it."""
        type_ = torch.bfloat16 if self.bf16 else torch.float32  # frozen: it may be kept in the type it computes in
        return load_lpips("vgg").to(self.device, type_).to(memory_format=torch.channels_last)

    def _prepare(self) -> None:
        """An optimizer and compiled functions for the networks as they are now."""
        mapping = list(self.generator.style.parameters())
        others = [p for name, p in self.generator.named_parameters() if not name.startswith("style.")]
        others += self.encoder.parameters()
        groups: list[dict[str, Any]] = [{"params": mapping, "factor": MAPPING_RATE}, {"params": others, "factor": 1.0}]
        self.optimizer = torch.optim.Adam(groups, lr=self.config.learning_rate, betas=(0.5, 0.99), fused=True)
        self.synthesis: Callable[..., Tensor] = self.generator.synthesis
        self.encode: Callable[..., tuple[Tensor, Tensor, Tensor]] = self.encoder
        if self.size > SMALLEST_SEEN:
            self.distance: Callable[..., Tensor] = torch.compile(self.lpips) if self.compile else self.lpips
        if self.compile:
            self.synthesis = torch.compile(self.generator.synthesis)
            self.encode = torch.compile(self.encoder)

    def grow(self) -> None:
        """Double the resolution: a new top block, fresh memory of the optimizer; all other weights go on."""
        super().grow()
        self._prepare()

    @property
    def picture_size(self) -> int:
        """Pictures are read at full size, whatever size is trained at: the encoder looks at all of them."""
        return self.preset.image_size

    def rate(self) -> float:
        """The learning rate of this step: constant, then falling to a twentieth."""
        left = (self.config.total_images - self.images) / self.config.total_images
        return self.config.learning_rate * min(1.0, max(0.05, left / COOLING))

    def draw_batch(self, real: RealImages, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures [B, 3, H, H] and weights of their pixels [B, 1, H, H] at full size; rows [K] not mirrored, and their
        codes [K, P].

        Half of the pictures are mirrored, but not the first two; of a mirrored one the codes are not known.
        """
        codes = self.known_codes(real)
        batch = self.config.batch
        index = torch.randint(len(real), (batch,), generator=random)
        mirrored = torch.rand(batch, generator=random) < 0.5
        mirrored[:2] = False  # a variance takes two
        pictures, weights = real.at(index), part_weights(self.labels[index])[:, None]
        mirror = mirrored[:, None, None, None]
        pictures, weights = (torch.where(mirror, x.flip(3), x) for x in (pictures, weights))
        plain = (~mirrored).nonzero().squeeze(1)
        known = codes[index[plain]].to(self.device)
        return pictures.to(self.device), weights.to(self.device), plain.to(self.device), known

    def run_step(self, real: RealImages) -> dict[str, float]:
        """Draw one batch again, each third its way, and learn from the differences.

        real: the pictures at full size, as many as there are codes. Returns the loss and its terms, and what the
        discriminator says, where it learns along.
        """
        generator, random, batch = self.generator, self.random_of_step(), self.config.batch
        pictures, weights, plain, known = self.draw_batch(real, random)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            w, rows, latent = self.encode(pictures)  # [B, D], [B, n_styles, D], [B, C, 4, 4]
        told = w[plain]  # [K, D]
        one, other = (generator.mapping(with_filling(known, generator.style_dim, random)) for _ in range(2))
        mapping = energy_score(one, other, told.detach(), unit_spread(told.detach()))
        give_way = F.mse_loss(told, one.detach()) / told.detach().var(dim=0).mean().clamp_min(1e-6)
        with torch.no_grad():
            generator.w_avg.lerp_(one.mean(dim=0), 0.005)

        against = self.images >= self.config.total_images - self.config.adversarial
        way = torch.arange(batch, device=self.device) * WAYS // batch
        w_plus = generator.to_w_plus(w) + rows[:, : generator.n_styles] * (way >= 1)[:, None, None]
        input_latent = generator.input.input + latent * (way >= 2)[:, None, None, None]
        if against:  # as many samples as half of the batch
            z = torch.randn(batch // 2, generator.style_dim, generator=random).to(self.device)
            w_plus = torch.cat([w_plus, generator.to_w_plus(generator.mapping(z))])
            input_latent = torch.cat([input_latent, generator.input(len(z))])
        everything = self.synthesis(w_plus, input_latent, generator.random_noise(len(w_plus), random))  # [B', 3, S, S]

        seen = everything.detach()[:batch].requires_grad_(True)
        target, weights = (F.adaptive_avg_pool2d(x, self.size) for x in (pictures, weights))
        l1 = ((seen - target).abs() * weights).mean() / weights.mean()
        lpips = torch.zeros(())
        if self.size > SMALLEST_SEEN:
            lpips = self.distance(*random_window([seen, target], self.lpips, random)).float().mean()
        (gradient,) = torch.autograd.grad(l1 + lpips, seen)
        metrics = {"loss": (l1 + lpips).item(), "l1": l1.item(), "lpips": lpips.item(), "mapping": mapping.item()}
        if against:
            real_ones = torch.cat([target, target.flip(0)])[: len(everything)]
            judged, penalise = (self.discriminator, self.discriminator_optimizer), self.step % PENALTY_EVERY == 0
            push, found = run_relativistic_step(*judged, real_ones, everything.detach(), penalise, self.bf16)
            push *= PUSH * gradient.norm() / push[:batch].norm().clamp_min(1e-8)
            gradient = torch.cat([gradient + push[:batch], push[batch:]])
            metrics |= found

        for group in self.optimizer.param_groups:
            group["lr"] = self.rate() * group["factor"]
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(
            [everything, mapping + YIELD * give_way / give_way.detach().clamp_min(1)], [gradient, None]
        )
        self.optimizer.step()
        self.count_step()
        return metrics

    @torch.no_grad()
    def count_step(self) -> None:
        """Count one step, and move the averages of both networks."""
        super().count_step()
        decay = self.config.ema_decay(self.images)
        torch._foreach_lerp_(list(self.encoder_ema.parameters()), list(self.encoder.parameters()), 1 - decay)

    def draw_sheets(self, path: Path) -> None:
        """Beside the sheet of samples one of `shown`: pictures, and the same drawn again."""
        super().draw_sheets(path)
        if self.shown is not None:
            again = torch.cat([self.reconstruct(part) for part in self.shown.split(16)])
            pairs = torch.stack([F.adaptive_avg_pool2d(self.shown, self.size), again.cpu()], dim=1)  # [N, 2, 3, S, S]
            rows = pairs.unflatten(0, (-1, 8)).transpose(1, 2).flatten(0, 2)  # eight pictures, below them their copies
            save_png(sheet(rows), path.with_name(path.name.replace("samples", "again")))

    @torch.no_grad()
    def encode_all(self, real: RealImages) -> Tensor:
        """The w of the encoder's moving average for all pictures, [N, D]; real: the pictures at full size."""
        parts = tqdm(torch.arange(len(real)).split(64), desc="encoding", unit="batch", mininterval=5.0)
        return torch.cat([self.encoder_ema(real.at(index).to(self.device))[0] for index in parts])

    @torch.no_grad()
    def reconstruct(self, pictures: Tensor) -> Tensor:
        """The moving averages' drawings of pictures [B, 3, H, H] from W+ and input latent, [B, 3, S, S]."""
        return self.ema.synthesis(*self.encoder_ema.invert(self.ema, pictures.to(self.device)))
