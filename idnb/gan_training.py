"""Training of the tiny generator: StyleGAN2 on rendered people, at a low resolution first, then grown.

Every step draws its noise and its batch from (seed, step) alone, so a run that was interrupted goes on exactly as if it
had not been. The losses are the paper's: non-saturating logistic loss, gradient penalty R1 every sixteenth step, style
mixing, and a moving average of the generator, which is the one that is kept (Karras et al. 2020, section 2 and
appendix B; Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018). Left out: path-length
regularisation. Added, where the code of a real picture is known (idnb.gan_warmup): half of the fakes are made from
such codes and are also compared with their pictures, so that the discriminator sharpens what the warm-up has learnt
instead of replacing it (as in Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017).
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.errors import InputError
from idnb.gan_data import RealImages
from idnb.models.discriminator import Discriminator
from idnb.models.perceptual import load_face_feature_distance
from idnb.models.stylegan2 import Generator, mix_styles
from idnb.presets import Preset

__all__ = ["GanConfig", "GanTraining", "grow_generator"]


PERCEPTUAL_WEIGHT = 0.1  # of the perceptual distance beside the mean square, wherever pictures are compared


@dataclass(frozen=True)
class GanConfig:
    """What a training run is made of.

    phases: (size in pixels, images shown) one after the other; each size is twice the one before.
    batch: images a step. learning_rate: of Adam. r1_gamma: weight of the gradient penalty at 64 px; it grows with the
    number of pixels. r1_every: steps between penalties. mixing: share of samples whose code is mixed from two.
    paired: weight of the difference from the picture, for fakes made from a known code.
    ema_share: half-life of the average generator as a share of the images seen, at most ema_images. fade_images:
    images over which a new top block of the discriminator is blended in. seed: of weights and of every step.
    """

    phases: tuple[tuple[int, int], ...] = ((64, 150_000), (128, 100_000))
    batch: int = 16
    learning_rate: float = 2e-3
    r1_gamma: float = 0.2
    r1_every: int = 16
    mixing: float = 0.9
    paired: float = 4.0
    ema_share: float = 0.05
    ema_images: int = 10_000
    fade_images: int = 10_000
    seed: int = 1

    def size_at(self, images: int) -> int:
        """The resolution to train at after so many images."""
        for size, count in self.phases:
            if images < count:
                return size
            images -= count
        return self.phases[-1][0]

    @property
    def total_images(self) -> int:
        """Images of all phases."""
        return sum(count for _, count in self.phases)

    def average_decay(self, images: int) -> float:
        """What is left of the average generator in one step, after so many images."""
        half_life = min(self.ema_images, max(1.0, images * self.ema_share))
        return 0.5 ** (self.batch / half_life)


def grow_generator(generator: Generator, preset: Preset) -> Generator:
    """A generator of twice the side that makes the same pictures, enlarged: its new to-RGB layer starts at zero.

    generator: trained at half the size. preset: gives the channels. Returns a new generator.
    """
    grown = Generator.from_preset(preset, 2 * generator.size)
    grown.load_state_dict(generator.state_dict(), strict=False)  # what the old one lacks is the new top block
    with torch.no_grad():
        grown.get_parameter(f"to_rgbs.{len(grown.to_rgbs) - 1}.conv.weight").zero_()
    return grown


class GanTraining:
    """The state of a run, and one step of it.

    preset: sizes. config: the run. codes: [N, style_dim], the codes of the real pictures where they are known.
    device: where to compute. bf16: feature maps in bfloat16, where it is fast.
    Attributes: generator, average (the moving average that is kept), discriminator, step, images.
    """

    columns = ("loss_g", "loss_d", "sign", "r1", "paired")

    def __init__(
        self,
        preset: Preset,
        config: GanConfig,
        codes: Tensor | None = None,
        device: torch.device | str = "cpu",
        bf16: bool = False,
    ) -> None:
        self.preset, self.config, self.codes = preset, config, codes
        self.device, self.bf16 = torch.device(device), bf16
        self.perceptual = None if codes is None else load_face_feature_distance(device=self.device)
        self.step = self.images = self.grown_at = 0
        torch.manual_seed(config.seed)
        size = config.phases[0][0]
        self.generator = Generator.from_preset(preset, size).to(self.device)
        self.generator.compute_dtype = torch.bfloat16 if bf16 else torch.float32
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.discriminator = Discriminator.from_preset(preset, size).to(self.device)
        self._make_optimizers()

    def _make_optimizers(self) -> None:
        rate, every = self.config.learning_rate, self.config.r1_every
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), lr=rate, betas=(0.0, 0.99))
        # One step in `every` is done twice, with and without penalty: the rate and the memory are scaled accordingly.
        ratio = every / (every + 1)
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=rate * ratio, betas=(0.0, 0.99**ratio)
        )

    def start_from(self, average: Generator) -> None:
        """Begin with a generator that was warmed up (idnb.gan_warmup), of the size of the first phase."""
        if self.step or average.size != self.size:
            raise InputError(f"a warm-up at {average.size} px can only begin a fresh run at that size")
        for network in (self.generator, self.average):
            network.load_state_dict(average.state_dict())

    @property
    def size(self) -> int:
        """The resolution trained at now."""
        return self.generator.size

    def grow(self) -> None:
        """Double the resolution: new top blocks; everything else, the memory of the optimizers included, goes on."""
        torch.manual_seed(self.config.seed + self.size)
        before = {name: getattr(self, name) for name in self._stateful()}
        self.generator = grow_generator(self.generator, self.preset).to(self.device)
        self.generator.compute_dtype = torch.bfloat16 if self.bf16 else torch.float32
        average = grow_generator(self.average, self.preset)
        # Where the average has nothing to average yet, it takes the new weights.
        new = {k: v for k, v in self.generator.state_dict().items() if k not in self.average.state_dict()}
        average.load_state_dict(new, strict=False)
        self.average = average.to(self.device).eval().requires_grad_(False)
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
        random = torch.Generator().manual_seed(config.seed * 1_000_003 + self.step)
        index = torch.randint(len(real), (0 if self.codes is None else config.batch // 2,), generator=random)  # [K]
        known = None if self.codes is None else self.codes[index].to(self.device)  # [K, D]
        fake = self.sample(config.batch, random, known)  # [B, 3, S, S]
        others = real.batch(config.batch - len(index), random)  # [B - K, 3, S, S]
        pictures = torch.cat([real.at(index), others]).to(self.device)  # [B, 3, S, S]
        # Both networks learn from one pass: the scores of the fakes serve the generator's loss and the discriminator's.
        fake_scores, real_scores = self.score(fake), self.score(pictures)  # [B] each
        generator_loss = F.softplus(-fake_scores).mean()
        loss = F.softplus(fake_scores).mean() + F.softplus(-real_scores).mean()
        (to_fake,) = torch.autograd.grad(generator_loss, fake, retain_graph=True)  # [B, 3, S, S]
        figures = {"loss_g": generator_loss.item(), "loss_d": loss.item(), "sign": real_scores.sign().mean().item()}
        if self.perceptual is not None:
            copy_of_fake = fake.detach()[: len(index)].requires_grad_(True)
            paired = F.mse_loss(copy_of_fake, pictures[: len(index)])
            paired = paired + PERCEPTUAL_WEIGHT * self.perceptual(copy_of_fake, pictures[: len(index)]).mean()
            to_fake[: len(index)] += config.paired * torch.autograd.grad(paired, copy_of_fake)[0]
            figures["paired"] = paired.item()
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=list(self.discriminator.parameters()))
        self.generator_optimizer.zero_grad(set_to_none=True)
        fake.backward(to_fake)
        self.discriminator_optimizer.step()
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

        self.step += 1
        self.images += config.batch
        self._update_average()
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

        known: codes z [K, style_dim] of the first fakes; their styles are not mixed.
        """
        generator = self.generator
        z = torch.randn(2, count, generator.style_dim, generator=random).to(self.device)
        fixed = 0 if known is None else len(known)
        if known is not None:
            z[0, :fixed] = known
        noise = generator.random_noise(count, random)
        w, other = generator.mapping(z.flatten(0, 1)).unflatten(0, (2, count))  # two times [B, D]
        with torch.no_grad():
            generator.w_avg.lerp_(w.mean(dim=0), 0.005)
        w_plus = generator.to_w_plus(w)
        if torch.rand(1, generator=random).item() < self.config.mixing:
            crossover = int(torch.randint(1, generator.n_styles, (1,), generator=random))
            mixed = mix_styles(w_plus[fixed:], generator.to_w_plus(other[fixed:]), crossover)
            w_plus = torch.cat([w_plus[:fixed], mixed])  # [B, n_styles, D]
        return generator.synthesis(w_plus, noise=noise)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = self.config.average_decay(self.images)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - decay)
        self.average.w_avg.copy_(self.generator.w_avg)

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on bit by bit."""
        parts = {name: getattr(self, name).state_dict() for name in self._stateful()}
        counters = {"step": self.step, "images": self.images, "grown_at": self.grown_at, "size": self.size}
        return {**parts, **counters, "preset": self.preset.name, "config": asdict(self.config)}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a state. Raises InputError when it belongs to another preset or to other phases."""
        if state["preset"] != self.preset.name:
            raise InputError(f"the checkpoint belongs to preset {state['preset']!r}, not to {self.preset.name!r}")
        while self.size < state["size"]:
            self.grow()
        if self.size != state["size"]:
            raise InputError(f"the checkpoint is at {state['size']} px, the phases start at {self.size} px")
        for name in self._stateful():
            getattr(self, name).load_state_dict(state[name])
        self.step, self.images, self.grown_at = state["step"], state["images"], state["grown_at"]

    @staticmethod
    def _stateful() -> tuple[str, ...]:
        return ("generator", "average", "discriminator", "generator_optimizer", "discriminator_optimizer")
