"""Whole faces from ONNX files beside those of PyTorch: what a picture loses by being stored smaller."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from idnb.contours.kinds import contour_kind
from idnb.core.resize import resize
from idnb.export.networks import Networks
from idnb.export.onnx_files import open_network

__all__ = ["LIMIT", "picture_differences", "run_files"]

LIMIT = 1.0
"""Mean difference of a picture, in steps of 1/255, below which nobody sees one: less than rounding to 7 bit makes."""


def run_files(folder: Path, networks: Networks, kind: str, contour: Tensor, x_id: Tensor) -> Tensor:
    """All refinement steps from the files of a folder.

    networks: for sizes and start. kind: of contour. contour: [B, C_k, S, S], the network input. x_id: [B, 3, S, S].
    Returns the last picture, [B, 3, H, H] around [-1, 1].
    """
    encoder, generator = networks.encoders[kind], networks.generator
    names = ("synthesis", f"identity_{kind}", f"refine_{kind}")
    synthesis, identity, refine = (open_network(folder / f"{name}.onnx") for name in names)
    batch = len(contour)
    code, y_hat = encoder.start(generator, batch)
    latent = generator.input.input.expand(batch, -1, -1, -1) if code.input_latent is None else code.input_latent
    parts = dict(zip([x.name for x in identity.get_outputs()], identity.run(None, {"x_id": x_id.numpy()}), strict=True))
    w_plus = code.w_plus
    for _ in range(encoder.steps):
        seen = {"contour": contour, "y_hat": y_hat, "w_plus": w_plus, "input_latent": latent}
        # A contour-only encoder has no use for some of its inputs, and the exporter leaves those out.
        wanted = {x.name for x in refine.get_inputs()}
        given = {k: np.ascontiguousarray(x.numpy()) for k, x in seen.items()} | parts
        w_plus, latent = map(torch.from_numpy, refine.run(None, {k: v for k, v in given.items() if k in wanted}))
        image = synthesis.run(None, {"w_plus": w_plus.numpy(), "input_latent": latent.numpy()})[0]
        y_hat = resize(torch.from_numpy(image), encoder.preset.encoder_size)
    return torch.from_numpy(image)


@torch.inference_mode()
def picture_differences(
    folder: Path, networks: Networks, faces: Any, rows: Sequence[int]
) -> dict[str, dict[str, float]]:
    """For each kind of contour, how far pictures from the files are from those of PyTorch after all steps.

    folder: with the files. faces, rows: pictures; each gives its contour, and the next one its identity.
    Returns kind -> "mean" and "largest" difference of the worst picture, in steps of 1/255.
    """
    images = faces.images(rows, networks.generator.size)
    found = {}
    for kind, encoder in networks.encoders.items():
        x_c = contour_kind(kind).make(images, contour_kind(kind).labels_of(faces, rows))
        ours = encoder.generate(networks.generator, x_c, images.roll(1, 0)).images[:, -1]
        size = encoder.preset.encoder_size
        contour = contour_kind(kind).network_input(x_c, size)
        theirs = run_files(folder, networks, kind, contour, resize(images.roll(1, 0), size))
        change = 127.5 * (ours.clamp(-1, 1) - theirs.clamp(-1, 1)).abs()  # [B, 3, H, H]
        found[kind] = {"mean": float(change.mean((1, 2, 3)).max()), "largest": float(change.max())}
    return found
