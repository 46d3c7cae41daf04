"""Training of the two identity networks on rendered people: ArcFace for the losses, the judge for measuring.

Each learns from its own people, with its own seed and margin. Every step draws its batch and its augmentation from
(seed, step) alone, so a run that was interrupted goes on exactly as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from idnb.core.checkpoints import counter, load_optimizer, read_run, save_run, taking_up
from idnb.core.errors import InputError
from idnb.core.tensor_files import load_strictly
from idnb.models.embedder import FaceEmbedder
from idnb.pretraining.augmentation import AugmentConfig, augment
from idnb.pretraining.data import IdentityData
from idnb.pretraining.margin import ArcFaceHead
from idnb.pretraining.verification import embed_images, verification
from idnb.training.logs import CsvLog, StopFlag

__all__ = ["TrainConfig", "train_identity"]


@dataclass(frozen=True)
class TrainConfig:
    """What a training run is made of.

    steps, batch: length of the run and images a step. learning_rate, weight_decay: of AdamW. scale, margin: of the
    margin head. seed: of weights, batches and augmentation. validate_every, save_every: in steps.
    """

    steps: int = 3000
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    scale: float = 24.0
    margin: float = 0.4
    seed: int = 1
    validate_every: int = 250
    save_every: int = 50
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


def train_identity(
    network: FaceEmbedder,
    head_class: type[ArcFaceHead],
    data: IdentityData,
    validation: IdentityData | None,
    config: TrainConfig,
    out: Path,
    device: torch.device | str = "cpu",
    bf16: bool = False,
    report: Callable[[str], None] = print,
) -> FaceEmbedder:
    """Train an identity network, or go on where `out` stopped.

    network: its weights come from the caller's seed. head_class: its margin head.
    data: training people; validation: other people, checked now and then, or None.
    out: folder for `checkpoint.pt` and `log.csv`. bf16: autocast, sensible only where the processor has it.
    Returns the network in eval mode.
    Raises InputError on a checkpoint of another run and when the loss stops being a number; KeyboardInterrupt after
    Ctrl-C, once the checkpoint is written.
    """
    out.mkdir(parents=True, exist_ok=True)
    people, person = data.identity.unique(return_inverse=True)
    if len(data.identity) < config.batch:
        raise InputError(f"data: {len(data.identity)} images are fewer than one batch of {config.batch}; render more")
    torch.manual_seed(config.seed)
    head = head_class(network.size.embedding, len(people), config.scale)
    network.to(device=device)
    network.to(memory_format=torch.channels_last).train()
    head.to(device)
    optimiser = torch.optim.AdamW(parameter_groups(network, head, config.weight_decay), betas=(0.9, 0.99))
    checkpoint = out / "checkpoint.pt"
    description = {"config": asdict(config), "people": len(people), "network": type(network).__name__}
    start = 0
    if checkpoint.is_file():
        state = read_run(checkpoint)
        with taking_up(checkpoint):
            if state["description"] != description:
                raise InputError(f"{checkpoint}: belongs to a run with other settings or people; choose another --out")
            load_strictly(network, state["weights"], checkpoint)
            load_strictly(head, state["head"], checkpoint)
            load_optimizer(optimiser, state["optimiser"])
            start = counter(state, "step")
        report(f"going on from step {start} of {config.steps}")

    def save(step: int) -> None:
        parts = {"weights": network.state_dict(), "head": head.state_dict(), "optimiser": optimiser.state_dict()}
        save_run({**parts, "step": step, "description": description}, checkpoint)

    log = CsvLog(out / "log.csv", ("step", "seconds", "loss", "accuracy", "rate", "auc", "tar"), start)
    began = time.perf_counter()
    with StopFlag() as stop, tqdm(total=config.steps, initial=start, desc=out.name, mininterval=2.0) as bar:
        for step in range(start, config.steps):
            rate, head.margin, strength = schedule(step, config)
            for group in optimiser.param_groups:
                group["lr"] = rate
            torch.manual_seed(config.seed * 7_919 + step)  # dropout
            generator = torch.Generator().manual_seed(config.seed * 15_485_863 + step)
            rows = batch_rows(step, len(person), config)
            images = data.images[rows].float() / 127.5 - 1.0  # [B, 3, 64, 64]
            changes = config.augmentation.scaled(strength)
            faces = augment(images, data.label_maps[rows], changes, generator, network.size.crop)
            faces = faces.to(device, memory_format=torch.channels_last)
            target = person[rows].to(device)
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16):
                embeddings = network.embed(faces)
            embeddings = embeddings.float()
            loss = head(embeddings, target)
            if not math.isfinite(value := loss.item()):
                raise InputError(f"the loss is {value} at step {step}: use a lower --learning-rate, and another --out")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_([*network.parameters(), *head.parameters()], 5.0)
            optimiser.step()
            with torch.no_grad():
                hits = (head.cosines(embeddings).argmax(1) == target).float().mean().item()
            row: dict[str, float | int | str] = {
                "loss": round(value, 4),
                "accuracy": round(hits, 4),
                "rate": f"{rate:.3e}",
            }
            last = step + 1 == config.steps
            if validation is not None and ((step + 1) % config.validate_every == 0 or last):
                found = validate(network, validation)
                row |= found
                bar.write(f"step {step + 1}: loss {value:.3f}, " + ", ".join(f"{k} {v}" for k, v in found.items()))
            log.add(step=step, seconds=round(time.perf_counter() - began, 1), **row)
            bar.set_postfix(loss=f"{value:.2f}", accuracy=f"{hits:.2f}")
            bar.update()
            if last or stop.raised or (step + 1) % config.save_every == 0:
                save(step + 1)
            if stop.raised:
                report(f"stopped after step {step + 1}; the same command goes on from there")
                raise KeyboardInterrupt
    return network.eval()


def validate(network: FaceEmbedder, data: IdentityData, people: int = 150) -> dict[str, float]:
    """AUC and TAR at FAR 1e-3 on some of the people held out."""
    chosen = data.part(torch.isin(data.identity, data.identity.unique()[:people]))
    found = verification(embed_images(network, chosen.images.float() / 127.5 - 1.0), chosen.identity, resamples=0)
    return {"auc": round(found.auc, 5), "tar": round(found.tar[1e-3], 4)}
