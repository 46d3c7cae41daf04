"""Training of the two identity networks on rendered people: ArcFace for the losses, the judge for measuring.

Each learns from its own people, with its own seed and margin. Every step draws its batch and its augmentation from
(seed, step) alone, so a run that was interrupted goes on exactly as if it had not been.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.models.embedder import FaceEmbedder
from idnb.pretraining.augmentation import AugmentConfig, augment
from idnb.pretraining.data import IdentityData
from idnb.pretraining.margin import ArcFaceHead
from idnb.pretraining.verification import embed_images, verification
from idnb.training.loop import Training

__all__ = ["IdentityTraining", "TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """What a training run is made of.

    steps, batch: length of the run and images a step. learning_rate, weight_decay: of AdamW. scale, margin: of the
    margin head. seed: of weights, batches and augmentation. validate_every: in steps.
    """

    steps: int = 3000
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    scale: float = 24.0
    margin: float = 0.4
    seed: int = 1
    validate_every: int = 250
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)


def schedule(step: int, config: TrainConfig) -> tuple[float, float, float]:
    """Learning rate, margin and strength of augmentation at a step.

    The rate rises over the first twentieth and falls to zero along a cosine. A margin asked of vectors that know
    nothing yet only holds learning up, so it grows from zero between a tenth and six tenths of the run. Augmentation
    starts at a quarter of its strength and is whole after three tenths.
    """
    warm = max(1, config.steps // 20)
    progress = min(1.0, max(0, step - warm) / max(1, config.steps - warm))
    rate = config.learning_rate * min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * progress))
    done = step / config.steps
    return rate, config.margin * min(1.0, max(0.0, done - 0.1) / 0.5), min(1.0, 0.25 + 2.5 * done)


def batch_rows(step: int, count: int, config: TrainConfig) -> Tensor:
    """The images of one step: every epoch is a fresh shuffle of all, drawn from (seed, epoch)."""
    per_epoch = max(1, count // config.batch)
    epoch, index = divmod(step, per_epoch)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(config.seed * 1_000_003 + epoch))
    return order[index * config.batch : (index + 1) * config.batch]  # [batch]


def parameter_groups(network: nn.Module, head: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases, slopes and norms."""
    parameters = [*network.parameters(), *head.parameters()]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


class IdentityTraining(Training):
    """The training of an identity network with a margin head.

    network: its weights come from the caller's seed. head_class: its margin head. data: training people. validation:
    other people, checked now and then, or None. bf16: autocast, sensible only where the processor has it.
    Raises InputError for fewer images than a batch.
    """

    columns = ("loss", "accuracy", "rate", "auc", "tar")
    shown = ("loss", "accuracy", "auc", "tar")
    remedy = "use a lower --learning-rate, and another --out"

    def __init__(
        self,
        network: FaceEmbedder,
        head_class: type[ArcFaceHead],
        data: IdentityData,
        validation: IdentityData | None,
        config: TrainConfig,
        device: torch.device | str = "cpu",
        bf16: bool = False,
    ) -> None:
        if len(data.identity) < config.batch:
            raise InputError(
                f"data: {len(data.identity)} images are fewer than one batch of {config.batch}; render more"
            )
        self.network, self.data, self.validation, self.config = network, data, validation, config
        self.device, self.bf16 = torch.device(device), bf16
        self.title, self.total = type(network).__name__, config.steps
        people, self.person = data.identity.unique(return_inverse=True)
        self.people = len(people)
        torch.manual_seed(config.seed)
        self.head = head_class(network.size.embedding, self.people, config.scale)
        network.to(device=device)
        network.to(memory_format=torch.channels_last).train()
        self.head.to(device)
        self.optimiser = torch.optim.AdamW(parameter_groups(network, self.head, config.weight_decay), betas=(0.9, 0.99))

    def run_step(self) -> dict[str, float]:
        """One batch. Returns loss, accuracy, rate, and now and then what `validate` finds."""
        config, network, step = self.config, self.network, self.step
        rate, self.head.margin, strength = schedule(step, config)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed(config.seed * 7_919 + step)  # dropout
        generator = torch.Generator().manual_seed(config.seed * 15_485_863 + step)
        rows = batch_rows(step, len(self.person), config)
        images = self.data.images[rows].float() / 127.5 - 1.0  # [B, 3, 64, 64]
        changes = config.augmentation.scaled(strength)
        faces = augment(images, self.data.label_maps[rows], changes, generator, network.size.crop)
        faces = faces.to(self.device, memory_format=torch.channels_last)
        target = self.person[rows].to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            embeddings = network.embed(faces)
        embeddings = embeddings.float()
        loss = self.head(embeddings, target)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([*network.parameters(), *self.head.parameters()], 5.0)
        self.optimiser.step()
        with torch.no_grad():
            hits = (self.head.cosines(embeddings).argmax(1) == target).float().mean().item()
        metrics = {"loss": loss.item(), "accuracy": hits, "rate": rate}
        self.step += 1
        if self.validation is not None and (self.step % config.validate_every == 0 or self.step == config.steps):
            metrics |= validate(network, self.validation)
        return metrics

    def describe(self) -> dict[str, Any]:
        """Settings and people of the run."""
        return {"config": asdict(self.config), "people": self.people, "network": type(self.network).__name__}

    def parts(self) -> dict[str, Any]:
        """Network, head, optimiser."""
        return {"weights": self.network, "head": self.head, "optimiser": self.optimiser}


def validate(network: FaceEmbedder, data: IdentityData, people: int = 150) -> dict[str, float]:
    """AUC and TAR at FAR 1e-3 on some of the people held out."""
    chosen = data.part(torch.isin(data.identity, data.identity.unique()[:people]))
    found = verification(embed_images(network, chosen.images.float() / 127.5 - 1.0), chosen.identity, resamples=0)
    return {"auc": round(found.auc, 5), "tar": round(found.tar[1e-3], 4)}
