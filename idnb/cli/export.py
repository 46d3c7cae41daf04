"""Weights into the package, with the command that made them."""

from __future__ import annotations

import shlex
from typing import Any

from idnb.core.weights import WeightFile, export_bundled
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import BUNDLED_NAMES

__all__ = ["put_into_package"]


def put_into_package(generator: Generator, words: list[str], data: str, seed: int, figures: dict[str, Any]) -> None:
    """Write the weights of the bundled generator and its entry in the manifest.

    words: the command that made it. data: what it learnt from. seed: of the training. figures: of it.
    """
    name = BUNDLED_NAMES["tiny"]
    entry = WeightFile(
        name=name,
        file=f"{name}.safetensors",
        about=f"StyleGAN2 generator of rendered people, {generator.size} px, {generator.n_styles} styles",
        licence="CC0-1.0",
        command=shlex.join(words),
        seed=seed,
        data=data,
        figures=figures,
    )
    path = export_bundled(entry, generator.state_dict())
    print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")
