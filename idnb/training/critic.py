"""The realism term of the encoder's loss: a critic that learns along to tell the encoder's faces from photos.

No term of equation 6 asks whether a picture could be a photo. Where contour and identity disagree, or a contour leaves
something open, squared differences are least for a mean of all answers, and that mean is blurred; and an identity
network is pleased by patterns that no face has. A discriminator is never pleased by the same trick twice, as it goes on
learning. Here it is the projected one of `idnb.models.projected_discriminator`, which can see from the first step on.

Not in the paper; adversarial terms for encoders of faces are as old as pix2pix (Isola et al., CVPR 2017). The pairing
of a real with a generated picture is the relativistic one (Jolicoeur-Martineau, "The relativistic discriminator", ICLR
2019), and the gradient penalty at real and generated pictures is that of Huang et al., "The GAN is dead; long live
the GAN!", NeurIPS 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from idnb.core.checkpoints import counter, load_optimizer
from idnb.core.errors import InputError
from idnb.core.images import to_bytes
from idnb.core.presets import Preset
from idnb.core.resize import resize
from idnb.core.tensor_files import load_strictly
from idnb.faces.real_images import RealImages
from idnb.models.projected_discriminator import ProjectedDiscriminator
from idnb.training.parallel import average_gradients

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Critic", "build_critic"]

CALIBRATED_ON = 256  # pictures, over which features are standardised
KNOWN = 8_000  # real pictures that a critic compares with, at most: they stay in memory
LEARNING_RATE = 3e-4
PENALTY, PENALTY_EVERY = 10.0, 4  # weight of the gradient penalty, and steps between penalties


class Critic:
    """A projected discriminator, its real pictures, its optimiser.

    real: pictures of the size that is judged, a power of two from 128 on. seed: of weights and mixing.
    Raises InputError for another size, and as `ProjectedDiscriminator`.
    """

    def __init__(self, real: RealImages, seed: int = 0, device: torch.device | str = "cpu") -> None:
        self.real, self.size, self.steps = real, real.pixels.shape[1], 0
        self.device = torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = ProjectedDiscriminator(self.size, seed).to(self.device)
        count = min(CALIBRATED_ON, len(real))
        self.network.calibrate(real.batch(count, torch.Generator().manual_seed(seed)).to(self.device))
        self.heads = list(self.network.heads.parameters())
        self.optimizer = torch.optim.Adam(self.heads, lr=LEARNING_RATE, betas=(0.0, 0.99))

    def __call__(self, pictures: Tensor, random: torch.Generator, accelerator: Accelerator) -> Tensor:
        """Learn from a batch of an encoder's pictures, and tell the encoder how far they fall short of real ones.

        pictures: [B, 3, size, size] around [-1, 1], with a graph. random: draws the real ones. accelerator: over whose
        processes the gradients of the critic are averaged.
        Returns a number with a gradient to the pictures alone, from before the critic's step.
        """
        network = self.network
        shown = network.project(pictures)
        with torch.no_grad():
            aims = network.project(self.real.batch(len(pictures), random).to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        network.heads.requires_grad_(True)
        real_scores, fake_scores = network(aims), network([x.detach() for x in shown])  # [B, 4] each
        loss = F.softplus(fake_scores - real_scores).sum(dim=1).mean()
        if self.steps % PENALTY_EVERY == 0:
            penalty = network.gradient_penalty(shown) + network.gradient_penalty(aims)
            loss = loss + penalty * (PENALTY / 2 * PENALTY_EVERY)
        loss.backward()
        network.heads.requires_grad_(False)  # what follows is the encoder's to learn from
        term = F.softplus(real_scores.detach() - network(shown)).sum(dim=1).mean()
        average_gradients(self.heads, accelerator)
        self.optimizer.step()
        self.steps += 1
        return term

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on bit by bit; the frozen backbone comes from its own package."""
        weights = {k: v for k, v in self.network.state_dict().items() if not k.startswith("features.")}
        return {"weights": weights, "optimizer": self.optimizer.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave. Raises InputError, KeyError or ValueError for anything else."""
        own = self.network.state_dict()
        kept = {name: value for name, value in own.items() if name.startswith("features.")}
        load_strictly(self.network, {**kept, **state["weights"]}, "critic")
        load_optimizer(self.optimizer, state["optimizer"])
        self.steps = counter(state, "steps")


def build_critic(sets: Sequence[Any], preset: Preset, seed: int, device: torch.device | str = "cpu") -> Critic:
    """The critic of a training run.

    sets: of people or photographs, as of `idnb.load_faces`; their pictures are the real ones. preset: sizes; pictures
    are judged at the encoder's size or at 128 px, whichever is larger. seed: of weights and of the choice of pictures.
    Raises InputError when the preset's faces are smaller than that, and as `ProjectedDiscriminator`.
    """
    size = max(128, preset.encoder_size)
    if size > preset.image_size:
        raise InputError(f"realism: preset {preset.name!r} makes faces of {preset.image_size} px, and it needs {size}")
    places = [(faces, row) for faces in sets for row in range(len(faces))]
    chosen = np.random.default_rng(seed).permutation(len(places))[:KNOWN]
    rows = [np.sort([places[i][1] for i in chosen if places[i][0] is faces]) for faces in sets]
    pixels = torch.empty(len(chosen), size, size, 3, dtype=torch.uint8)
    done = 0
    with tqdm(total=len(chosen), desc="real pictures", unit="picture", disable=len(chosen) < 500) as bar:
        for faces, mine in zip(sets, rows, strict=True):
            for part in np.array_split(mine, max(1, len(mine) // 100)):
                pictures = resize(faces.images(part), size)  # [b, 3, size, size]
                pixels[done : done + len(part)] = to_bytes(pictures).permute(0, 2, 3, 1)
                done += len(part)
                bar.update(len(part))
    return Critic(RealImages(pixels), seed, device)
