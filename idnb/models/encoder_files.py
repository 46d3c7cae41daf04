"""Trained encoders: the bundled ones, and those of a training run of your own."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from idnb.contours.kinds import CONTOURS
from idnb.core.errors import InputError
from idnb.core.presets import get_preset
from idnb.core.weights import load_strictly, read_tensors, weight_path
from idnb.models.contour_encoder import ContourEncoder

__all__ = ["ENCODERS", "bundled_name", "encoder_class", "load_encoder", "start_from"]

# Method -> (module, class) of every learned encoder.
ENCODERS = {
    "dual": ("idnb.models.encoder", "IdentityGuidedEncoder"),
    "psp": ("idnb.models.baselines.psp", "PSpEncoder"),
    "restyle": ("idnb.models.baselines.restyle", "ReStyleEncoder"),
}


def encoder_class(method: str) -> type[Any]:
    """The class of a method: "dual" (the paper's), "psp" or "restyle". Raises InputError for another word."""
    if method not in ENCODERS:
        raise InputError(f"method {method!r} is unknown; choose one of: {', '.join(ENCODERS)}")
    module, name = ENCODERS[method]
    return getattr(import_module(module), name)


def bundled_name(kind: str, method: str = "dual") -> str:
    """The manifest entry of the bundled encoder of a kind of contour."""
    return f"encoder_{kind}" if method == "dual" else f"{method}_{kind}"


def load_encoder(
    preset: str = "tiny",
    kind: str = "low_res",
    path: str | Path | None = None,
    device: torch.device | str | None = None,
    method: str = "dual",
) -> ContourEncoder:
    """A trained encoder: frozen, in eval mode.

    preset: "tiny" (bundled) or "paper" (only with a path: train it with `idnb train encoder --preset paper`).
    kind: "low_res", "sketch" or "label_map".
    path: a `.safetensors` file of weights, or the `checkpoint.pt` of a training run; None takes the bundled file.
    device: where to put it; None is the CPU.
    method: "dual" is the paper's dual encoder, "psp" and "restyle" are what it is compared with.
    Raises InputError for an unknown preset or kind, and for a file that is missing, damaged or belongs to another one.
    """
    sizes, make = get_preset(preset), encoder_class(method)
    if kind not in CONTOURS:
        raise InputError(f"no contour is called {kind!r}; choose one of: {', '.join(CONTOURS)}")
    if path is None:
        if preset != "tiny":
            raise InputError(
                f"no encoder of preset {preset!r} is bundled: the paper published none; train one with "
                f"`idnb train encoder --preset {preset}` and give its checkpoint as path="
            )
        path = weight_path(bundled_name(kind, method))
    path = Path(path)
    options: dict[str, Any] = {}
    if path.suffix == ".pt":
        state, options = _from_checkpoint(path, make.__name__, kind, preset)
    else:
        state = read_tensors(path)
    encoder = make(kind, sizes, **options)
    load_strictly(encoder, state, path)
    return encoder.requires_grad_(False).eval().to(device or "cpu", memory_format=torch.channels_last)


def start_from(
    encoder: ContourEncoder, path: str | Path, kind: str, method: str = "dual", fresh_latent: bool = False
) -> None:
    """Begin with the weights of a trained encoder, of the same kind of contour or of another.

    Only the first convolution reads the contour, so all other weights fit; of it, those that read the current output
    (the last three channels) are taken over, and those that read the contour stay new.
    encoder: untrained. path, kind, method: of the trained one, as for `load_encoder`. fresh_latent: the head of the
    input latent stays new, so that it begins with the generator's constant; for an encoder that went too far from it.
    Raises InputError when the two differ in anything but the kind of contour.
    """
    trained = load_encoder(encoder.preset.name, kind, path, method=method)
    state, own = trained.state_dict(), encoder.state_dict()
    if "head.weight" in state and state["head.weight"].shape != own["head.weight"].shape:
        state["head.weight"] = torch.cat([own["head.weight"][:, :-3], state["head.weight"][:, -3:]], dim=1)
    if fresh_latent:
        state |= {name: value for name, value in own.items() if name.startswith("latent_head.")}
    load_strictly(encoder, state, path)


def _from_checkpoint(path: Path, name: str, kind: str, preset: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights and switches of a training run."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        description = content["description"]
        found = (description["encoder"], description["kind"], description["preset"])
        state, options = content["weights"], description["options"]
    except Exception as error:  # torch.load has many exception types; the cause is chained
        raise InputError(f"{path}: not a checkpoint of `idnb train encoder`") from error
    if found != (name, kind, preset):
        raise InputError(f"{path}: holds {found[0]} for {found[1]} contours, preset {found[2]!r}; ask for that one")
    return state, options
