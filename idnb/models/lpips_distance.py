"""LPIPS, the perceptual distance of the paper: its backbone is fetched once, its learned weights come with `lpips`.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from torch import nn

from idnb.core.errors import InputError
from idnb.core.weights import read_tensors, weight_path

__all__ = ["load_lpips"]


def load_lpips(path: str | Path | None = None) -> nn.Module:
    """LPIPS v0.1 over AlexNet: the learned weights come with the package `lpips`, the backbone from `idnb fetch`.

    path: the AlexNet file of torchvision; None takes the fetched one. Nothing is downloaded here.
    Raises InputError where package or backbone is missing.
    """
    path = weight_path("lpips_alexnet") if path is None else Path(path)
    try:
        import lpips
    except ImportError as error:
        raise InputError("the package lpips is not installed: pip install lpips") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision in a way that is deprecated
        network = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    state = read_tensors(path)
    for name, parameter in network.net.named_parameters():  # sliceK.INDEX.weight, INDEX as in AlexNet's features
        key = f"features.{name.split('.', 1)[1]}"
        if key not in state or state[key].shape != parameter.shape:
            raise InputError(f"{path}: is not torchvision's AlexNet (no {key} of shape {list(parameter.shape)})")
        parameter.data.copy_(state[key])
    return network.requires_grad_(False).eval()
