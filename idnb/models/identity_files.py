"""Trained identity networks: the one that losses use, and the held-out judge."""

from __future__ import annotations

from pathlib import Path

import torch

from idnb.core.errors import InputError
from idnb.core.tensor_files import load_strictly, read_tensors
from idnb.core.weights import weight_path
from idnb.env import pick_device
from idnb.models.embedder import FaceEmbedder
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork

__all__ = ["load_identity_network"]


def load_identity_network(
    preset: str = "tiny",
    judge: bool = False,
    path: str | Path | None = None,
    device: torch.device | str | None = None,
) -> FaceEmbedder:
    """An identity network with its weights: frozen, in eval mode.

    preset: "tiny" (bundled) or "paper" (the public IR-SE50 file, fetched by `idnb fetch arcface_ir_se50`).
    judge: the held-out judge in place of the network that losses use. For measuring only, never for a loss.
    path: a weight file of your own for the network asked for; None takes the bundled or fetched one.
    device: where to put it; None is the CPU.
    Returns a module that maps images [B, 3, H, H] in [-1, 1] to embeddings of length one.
    Raises InputError for an unknown preset, a missing or damaged file, or one that belongs to another network.
    """
    if preset not in IDENTITY_SIZES:
        raise InputError(f"preset {preset!r} is unknown; choose one of {', '.join(IDENTITY_SIZES)}")
    network: FaceEmbedder
    if judge:
        if preset != "tiny":
            raise InputError(
                f"preset {preset!r} has no judge of ours; use idnb.models.facenet.load_facenet() as a second opinion"
            )
        from idnb.models.judge import JudgeNetwork  # the one door to the judge; losses leave `judge` alone

        network, name = JudgeNetwork(), "judge_tiny"
    else:
        network = IdentityNetwork(IDENTITY_SIZES[preset])
        name = "arcface_ir_se50" if preset == "paper" else "arcface_tiny"
    path = weight_path(name) if path is None else Path(path)
    load_strictly(network, read_tensors(path), path)
    network.requires_grad_(False)
    return network.eval().to(pick_device(device or "cpu"))
