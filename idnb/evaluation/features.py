"""Networks whose features stand for images in Frechet and kernel distances: identity, EfficientNet-Lite0, Inception.

`feature_network("identity")` is bundled. `feature_network("efficientnet")` has seen ImageNet, as Inception has, and
comes with the packages of the extra `imagenet`; its distance is no FID and bears its own name.
`feature_network("inception")` is the network of the FID and needs `idnb fetch inception_fid`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.resize import resize
from idnb.core.tensor_files import load_strictly, read_tensors
from idnb.core.weights import weight_path
from idnb.env import pick_device
from idnb.models.identity import IdentityNetwork
from idnb.models.identity_files import load_identity_network

__all__ = [
    "FEATURE_NETWORKS",
    "EfficientNetFeatures",
    "FeatureNetwork",
    "IdentityFeatures",
    "InceptionFeatures",
    "feature_network",
]


class FeatureNetwork(nn.Module):
    """Images [B, 3, H, H] in [-1, 1] to features [B, D].

    name: in tables of results. frechet_name, kernel_name: what the two distances over these features are called.
    """

    name: str
    frechet_name: str
    kernel_name: str


class IdentityFeatures(FeatureNetwork):
    """The maps at the end of each stage of an identity network, averaged over places and put one after the other.

    Early stages see texture and sharpness, late ones shape; embeddings alone would forgive much that an eye does not.
    network: a trained `IdentityNetwork`; images are averaged or enlarged to its frame first.
    """

    name = "identity"
    frechet_name = "Frechet distance over identity features"
    kernel_name = "kernel distance over identity features"

    def __init__(self, network: IdentityNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """images: [B, 3, H, H] in [-1, 1]. Returns [B, sum of the stages' channels], 400 for `tiny`."""
        maps = self.network.forward_features(resize(images, self.network.size.frame_size))
        return torch.cat([m.mean((2, 3)) for m in maps], dim=1)  # [B, D]


class EfficientNetFeatures(FeatureNetwork):
    """Maps of EfficientNet-Lite0 at 1/4 to 1/32 of the side, averaged over places and put one after the other.

    It was trained on ImageNet at 224 px, the size to which images are brought. No training looked through it, so this
    distance is a stranger's.
    Raises InputError where the packages of the extra `imagenet` are missing.
    """

    name = "efficientnet"
    frechet_name = "Frechet distance over EfficientNet-Lite0 features"
    kernel_name = "kernel distance over EfficientNet-Lite0 features"

    def __init__(self) -> None:
        super().__init__()
        from idnb.models.efficientnet import EfficientNetLite0

        self.network = EfficientNetLite0()

    def forward(self, images: Tensor) -> Tensor:
        """images: [B, 3, H, H] in [-1, 1]. Returns [B, 496]."""
        maps = self.network(resize(images, 224).clamp(-1.0, 1.0))
        return torch.cat([m.mean((2, 3)) for m in maps], dim=1)  # [B, 24 + 40 + 112 + 320]


class InceptionFeatures(FeatureNetwork):
    """The 2,048 pooled features of the Inception network that the FID was defined with.

    Its weights (1,008 classes, from the TensorFlow graph of 2015) have the names of torchvision's Inception v3, but two
    things differ from it: average poolings leave the border out of their count, and the last block pools by maximum.
    Input: images enlarged to 299 px bilinearly without antialiasing, values in [-1, 1], as pytorch-fid does.
    """

    name = "inception"
    frechet_name = "FID"
    kernel_name = "KID"

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import Inception3

        self.network = Inception3(num_classes=1008, aux_logits=False, transform_input=False, init_weights=False)
        self.network.dropout = nn.Identity()
        for name, block in self.network.named_children():
            if name == "Mixed_7c":
                block.register_forward_pre_hook(remember_input)
                block.branch_pool.register_forward_pre_hook(lambda _, args, block=block: pool_by_maximum(block))
            elif hasattr(block, "branch_pool"):
                block.branch_pool.register_forward_pre_hook(lambda _, args: without_border(args[0]))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """images: [B, 3, H, H] in [-1, 1]. Returns [B, 2048]."""
        x = F.interpolate(images, size=(299, 299), mode="bilinear", align_corners=False)
        head, self.network.fc = self.network.fc, nn.Identity()
        try:
            return self.network(x)  # [B, 2048]
        finally:
            self.network.fc = head


def remember_input(block: nn.Module, args: tuple[Tensor]) -> None:
    """Keep the input of a block for its pooling branch, which torchvision computes in another way."""
    block.kept_input = args[0]


def pool_by_maximum(block: nn.Module) -> tuple[Tensor]:
    """What the pooling branch of the last block is to read: the maximum of each 3 x 3 neighbourhood."""
    pooled = F.max_pool2d(block.kept_input, 3, 1, 1)  # type: ignore[arg-type]
    del block.kept_input
    return (pooled,)


def without_border(pooled: Tensor) -> tuple[Tensor]:
    """Turn a 3 x 3 average that counted the zero border into one that did not.

    pooled: [B, C, H, W] from avg_pool2d(x, 3, 1, 1). Returns the same with each mean over the pixels that exist.
    """
    ones = pooled.new_ones(1, 1, *pooled.shape[-2:])
    return (pooled / F.avg_pool2d(ones, 3, 1, 1),)


FEATURE_NETWORKS = ("identity", "efficientnet", "inception")


def feature_network(
    name: str = "identity", preset: str = "tiny", device: torch.device | str | None = None
) -> FeatureNetwork:
    """A feature network with its weights: frozen, in eval mode.

    name: one of `FEATURE_NETWORKS`. preset: which identity network. device: where to put it; None is the CPU.
    Raises InputError for an unknown name and for weights that are not there, with the command that gets them.
    """
    network: FeatureNetwork
    if name == "identity":
        arcface = load_identity_network(preset)
        assert isinstance(arcface, IdentityNetwork)
        network = IdentityFeatures(arcface)
    elif name == "efficientnet":
        network = EfficientNetFeatures()
    elif name == "inception":
        file = weight_path("inception_fid")
        network = InceptionFeatures()
        load_strictly(network.network, read_tensors(file), file)
    else:
        raise InputError(f"features {name!r} are unknown; choose one of: {', '.join(FEATURE_NETWORKS)}")
    return network.requires_grad_(False).eval().to(pick_device(device or "cpu"))
