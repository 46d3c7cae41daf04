"""LPIPS, the perceptual distance of the paper, with its real backbones and on every machine.

The code and the learned weights of the distance come from the package `lpips`; AlexNet's convolutions are bundled, and
VGG16's come from a package of their own (idnb/models/lpips_backbones.py). Nothing is downloaded here.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.tensor_files import read_tensors
from idnb.core.weights import weight_path
from idnb.models.lpips_backbones import read_backbone

__all__ = ["WINDOW", "LPIPS", "load_lpips", "lpips_over", "random_window", "untrained_lpips"]

WINDOW = 64  # px, side of the window in which trainings compare larger pictures


class LPIPS(nn.Module):
    """How different two images look: 0 for equal ones, larger for more different ones.

    network: `lpips.LPIPS`. At each of five layers the feature vectors of every position are brought to length one;
    their squared differences are weighed by channel, averaged over positions and added over layers.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def features(self, images: Tensor) -> list[Tensor]:
        """images: [B, 3, H, W] in [-1, 1]. Returns the maps of five layers, [B, C_l, H_l, W_l]."""
        return list(self.network.net(self.network.scaling_layer(images)))  # type: ignore[operator]

    @property
    def channel_weights(self) -> list[Tensor]:
        """How much each channel counts, learnt from what people call alike: [C_l] for each layer."""
        return [head.model[-1].weight.flatten() for head in self.network.lins]  # type: ignore[union-attr]

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """a, b: [B, 3, H, W] in [-1, 1]. Returns a distance for each pair, [B]. Raises InputError for other shapes."""
        if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3:
            raise InputError(f"a and b: expected [B, 3, H, W] of one shape, got {list(a.shape)} and {list(b.shape)}")
        return self.network(a, b).flatten()


def load_lpips(net: str = "alex") -> LPIPS:
    """LPIPS version 0.1: frozen, in eval mode; gradients reach the images.

    net: "alex", the backbone that tables report, or "vgg", the one that is better to learn from.
    Returns the distance: images [B, 3, H, W] in [-1, 1], twice -> [B].
    Raises InputError for another name, and where a package or a file is missing.
    """
    return lpips_over(net, read_tensors(weight_path("lpips_alexnet")) if net == "alex" else read_backbone(net))


def lpips_over(net: str, tensors: Mapping[str, Tensor]) -> LPIPS:
    """LPIPS over a backbone with given numbers. net: "alex" or "vgg". tensors: as from `read_backbone`.

    Returns a distance as `load_lpips` does. Raises InputError where the package `lpips` is missing.
    """
    distance = untrained_lpips(net)
    backbone = distance.network.net
    convolutions = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]  # type: ignore[union-attr]
    for i, convolution in enumerate(convolutions):
        convolution.weight.data.copy_(tensors[f"{i}.weight"])
        convolution.bias.data.copy_(tensors[f"{i}.bias"])  # type: ignore[union-attr]
    return distance.requires_grad_(False).eval()


def untrained_lpips(net: str) -> LPIPS:
    """LPIPS over a backbone of any numbers. Raises InputError where the package `lpips` is missing."""
    try:
        import lpips
    except ImportError as error:
        raise InputError("the package lpips is not installed: pip install lpips") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision in a way that is deprecated
        return LPIPS(lpips.LPIPS(net=net, version="0.1", pnet_rand=True, verbose=False))


def random_window(pictures: Sequence[Tensor], network: nn.Module, random: torch.Generator) -> list[Tensor]:
    """The same window of all pictures, as a perceptual network likes them: a quarter of the work at 128 px.

    pictures: [B, C, S, S] each. network: whose parameters say the type. random: of the place, rarely at the border.
    Returns [B, C, WINDOW, WINDOW] each, channels last; pictures of at most WINDOW come back whole.
    """
    top = left = 0
    if (room := pictures[0].shape[-1] - WINDOW) > 0:
        place = torch.randint(room // 8, room - room // 8 + 1, (2,), generator=random, device=random.device)
        top, left = place.tolist()
    type_ = next((p.dtype for p in network.parameters()), pictures[0].dtype)
    cut = (x[:, :, top : top + WINDOW, left : left + WINDOW].to(type_) for x in pictures)
    return [x.contiguous(memory_format=torch.channels_last) for x in cut]
