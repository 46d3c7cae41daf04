"""Every method that can be measured, by the name it has in commands and tables.

The first three cost nothing and bound the others: the average face knows neither picture, the enlarged contour knows
no identity, the identity image knows no contour.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.models.contour_encoder import Result
from idnb.models.stylegan2 import Generator

__all__ = [
    "METHODS",
    "NOTHING",
    "PULSES",
    "SEARCHES",
    "AverageFace",
    "CopyIdentity",
    "EnlargedContour",
    "Searched",
    "load_method",
]


def still(images: Tensor) -> Result:
    """A result of one step without codes; images: [B, 3, H, W]."""
    return Result(images[:, None], torch.zeros(len(images), 1, 0, 0), None)  # [B, 1, 3, H, W]


class AverageFace:
    """Always the generator's average face."""

    def generate(self, generator: Generator, x_c: Tensor, x_id: Tensor, steps: int | None = None) -> Result:
        """The face of the mean of w, as often as there are identity images."""
        with torch.no_grad():
            face = generator.synthesis(generator.to_w_plus(generator.w_avg[None]))  # [1, 3, H, W]
        return still(face.expand(len(x_id), -1, -1, -1))


class CopyIdentity:
    """Hands the identity image back."""

    def generate(self, generator: Any, x_c: Tensor, x_id: Tensor, steps: int | None = None) -> Result:
        """The identity images."""
        return still(x_id)


class EnlargedContour:
    """The low-resolution contour, enlarged smoothly. kind: of the contours; it must be a picture (`is_picture`)."""

    def __init__(self, kind: str) -> None:
        self.kind = contour_kind(kind)
        if not self.kind.is_picture:
            raise InputError(f"method 'enlarged': a {kind} is no picture of a face; use it with low_res contours")

    def generate(self, generator: Any, x_c: Tensor, x_id: Tensor, steps: int | None = None) -> Result:
        """The contours at the size of the identity images."""
        return still(self.kind.network_input(x_c, x_id.shape[-1]))


class Searched:
    """A method that searches a code for each pair: `search(generator, x_c, x_id)` gives an `Inversion`.

    Its `converged`, where it has one, goes with the images, so that tables can say how many searches failed.
    """

    def __init__(self, search: Callable[[Generator, Tensor, Tensor], Any]) -> None:
        self.search = search

    def generate(self, generator: Generator, x_c: Tensor, x_id: Tensor, steps: int | None = None) -> Any:
        """Search; the result has `images` [B, 1, 3, H, W] and `converged` [B] bool, or None where no goal is known."""
        with torch.inference_mode(False), torch.enable_grad():
            found = self.search(generator, x_c.clone(), x_id.clone())
        return SimpleNamespace(images=found.images.detach()[:, None], converged=getattr(found, "converged", None))


def load_trained(method: str, preset: str, kind: str, path: Path | None) -> Any:
    """A learned encoder, bundled or from a file. method: see `idnb.models.encoder_files.ENCODERS`."""
    from idnb.models.encoder_files import load_encoder

    if path is None and method != "dual":
        raise InputError(f"{method} is not bundled; train it with `idnb ablate table1` and give --weights FILE")
    return load_encoder(preset, kind, path, method=method)


def load_pulse(preset: str, kind: str, path: Path | None, in_z: bool = False, **settings: Any) -> Any:
    """PULSE with the paper's identity loss.

    in_z: search one z before the mapping network, in place of rows behind it. settings: of `PulseConfig`, where they
    differ from its own.
    """
    from idnb.inversion.pulse import InputSpace, MappedSpace, PulseConfig, pulse
    from idnb.models.identity_files import load_identity_network

    network = load_identity_network(preset)
    spaces: dict[int, Any] = {}

    def search(generator: Generator, x_c: Tensor, x_id: Tensor) -> Any:
        if id(generator) not in spaces:
            spaces[id(generator)] = InputSpace(generator) if in_z else MappedSpace.fit(generator)
        config = PulseConfig(batch=len(x_c), **settings)
        return pulse(generator, x_c, x_id, network, config, spaces[id(generator)], progress=False)

    return Searched(search)


def load_optimised(preset: str, kind: str, path: Path | None) -> Any:
    """W+ optimisation from the average, under contour and identity."""
    from idnb.inversion.optimise import invert_guided
    from idnb.models.identity_files import load_identity_network

    network = load_identity_network(preset)

    def search(generator: Generator, x_c: Tensor, x_id: Tensor) -> Any:
        return invert_guided(generator, x_c, x_id, network, progress=False)

    return Searched(search)


def load_hybrid(preset: str, kind: str, path: Path | None) -> Any:
    """The dual encoder's answer, improved by optimisation."""
    from idnb.inversion.hybrid import hybrid_guided
    from idnb.models.encoder_files import load_encoder
    from idnb.models.identity_files import load_identity_network

    encoder, network = load_encoder(preset, kind, path), load_identity_network(preset)

    def search(generator: Generator, x_c: Tensor, x_id: Tensor) -> Any:
        return hybrid_guided(encoder, generator, x_c, x_id, network, progress=False)

    return Searched(search)


METHODS: dict[str, tuple[Callable[[str, str, Path | None], Any], str]] = {
    "average": (lambda preset, kind, path: AverageFace(), "the generator's average face"),
    "enlarged": (lambda preset, kind, path: EnlargedContour(kind), "the enlarged low-resolution contour"),
    "copy": (lambda preset, kind, path: CopyIdentity(), "the identity image itself"),
    "dual": (partial(load_trained, "dual"), "the dual encoder of the paper"),
    "psp": (partial(load_trained, "psp"), "pSp with the identity image beside the contour; give --weights"),
    "restyle": (
        partial(load_trained, "restyle"),
        "ReStyle with the identity image beside the contour; give --weights",
    ),
    "pulse": (load_pulse, "PULSE with an identity loss: search on a sphere, low_res only"),
    "pulse_without_identity": (partial(load_pulse, weight_identity=0.0), "PULSE as published, with no identity loss"),
    "pulse_in_w": (partial(load_pulse, tiled=True), "PULSE with an identity loss, one w for all rows"),
    "pulse_in_z": (partial(load_pulse, tiled=True, in_z=True), "PULSE with an identity loss, one z for all rows"),
    "pulse_20_steps": (partial(load_pulse, steps=20), "PULSE with an identity loss, 20 steps in place of 100"),
    "optimised": (load_optimised, "W+ optimisation from the average under contour and identity, low_res only"),
    "hybrid": (load_hybrid, "the dual encoder's answer, improved by W+ optimisation, low_res only"),
}
"""Name -> (loader of preset, kind and a weight file, one line)."""

NOTHING = ("average", "enlarged", "copy")
"""Methods that do nothing; tables show them apart."""

PULSES = ("pulse", "pulse_without_identity", "pulse_in_w", "pulse_in_z", "pulse_20_steps")
"""PULSE and its variants, each with one setting changed; `pulse_in_z` is to be compared with `pulse_in_w`."""

SEARCHES = (*PULSES, "optimised", "hybrid")
"""Methods that search a code for each pair, in seconds where an encoder takes hundredths."""


def load_method(name: str, preset: str = "tiny", kind: str = "low_res", path: str | Path | None = None) -> Any:
    """A method by name, ready for `idnb.evaluation.evaluate`.

    name: one of `METHODS`. path: weights of your own, for methods that are trained.
    Raises InputError for an unknown name, and for weights that are missing.
    """
    if name not in METHODS:
        raise InputError(f"method {name!r} is unknown; choose one of: {', '.join(METHODS)}")
    return METHODS[name][0](preset, kind, None if path is None else Path(path))
