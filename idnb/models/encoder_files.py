"""Trained encoders: the bundled ones, and those of a training run of your own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from idnb.contours.kinds import CONTOURS
from idnb.core.errors import InputError
from idnb.core.presets import Preset, get_preset
from idnb.core.tensor_files import flat_tensors, load_strictly, read_content
from idnb.core.weights import weight_path
from idnb.env import pick_device
from idnb.models.contour_encoder import ContourEncoder

__all__ = ["ENCODERS", "bundled_encoders", "bundled_name", "encoder_class", "load_encoder", "start_from"]

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


def bundled_encoders() -> dict[str, ContourEncoder]:
    """Kind of contour -> the bundled encoder of preset `tiny`, for all kinds that have one. InputError without any."""
    found = {}
    for kind in CONTOURS:
        try:
            found[kind] = load_encoder("tiny", kind)
        except InputError:
            continue  # not bundled
    if not found:
        raise InputError("no trained encoder is bundled; train one with `idnb train encoder`")
    return found


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
    path: a file of weights, or the checkpoint of a training run, whatever its suffix; None takes the bundled file.
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
    encoder: Any = _build_trained(Path(path), make, kind, sizes)
    return encoder.requires_grad_(False).eval().to(pick_device(device or "cpu"), memory_format=torch.channels_last)


def start_from(encoder: ContourEncoder, path: str | Path, kind: str, method: str = "dual") -> None:
    """Begin with the weights of a trained encoder, of the same kind of contour or of another.

    Only the first convolution reads the contour, so all other weights fit; of it, those that read the current output
    (the last three channels) are taken over, and those that read the contour stay new.
    encoder: untrained. path, kind, method: of the trained one, as for `load_encoder`.
    Raises InputError when the two differ in anything but the kind of contour.
    """
    trained = load_encoder(encoder.preset.name, kind, path, method=method)
    state, own = trained.state_dict(), encoder.state_dict()
    if "head.weight" in state and state["head.weight"].shape != own["head.weight"].shape:
        state["head.weight"] = torch.cat([own["head.weight"][:, :-3], state["head.weight"][:, -3:]], dim=1)
    load_strictly(encoder, state, path)


def _build_trained(path: Path, make: type[Any], kind: str, preset: Preset) -> ContourEncoder:
    """The encoder that a file holds, with its weights: a training run's checkpoint, or the bare weights.

    path: the file. make: class of the encoder. kind, preset: of it. Raises InputError for another file, and for an
    encoder of another sort.
    """
    content = read_content(path)
    options, state = {}, content
    if isinstance(content, Mapping) and "description" in content:
        try:
            description, state = content["description"], content["weights"]
            found = (description["encoder"], description["kind"], description["preset"])
            options = dict(description["options"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not a checkpoint of `idnb train encoder`") from error
        if found != (make.__name__, kind, preset.name):
            raise InputError(f"{path}: holds {found[0]} for {found[1]} contours, preset {found[2]!r}; ask for that one")
    elif not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InputError(f"{path}: not a checkpoint of `idnb train encoder`, and no file of weights alone")
    try:
        encoder = make(kind, preset, **options)
    except TypeError as error:
        raise InputError(f"{path}: its description names options that {make.__name__} has not ({error})") from error
    load_strictly(encoder, flat_tensors(path, state), path)
    return encoder
