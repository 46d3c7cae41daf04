"""A third opinion on identity: FaceNet's InceptionResnetV1, trained by others on photographs (VGGFace2).

The network comes from the package facenet-pytorch; its weights are fetched once by `idnb fetch facenet_vggface2`.
It knows photographs of real faces, not rendered ones, so it speaks for the preset `paper` first of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.tensor_files import load_strictly, read_tensors
from idnb.core.weights import weight_path
from idnb.env import pick_device
from idnb.models.embedder import FaceEmbedder

__all__ = ["FaceNet", "FaceNetSize", "load_facenet"]


@dataclass(frozen=True)
class FaceNetSize:
    """Frame, crop and input as in `IdentitySize`: the face of an aligned image, enlarged to 160 pixels."""

    frame_size: int = 218
    crop: tuple[int, int, int, int] = (30, 190, 29, 189)  # the crop of IR-SE50, as a share of the image
    input_size: int = 160
    embedding: int = 512


class FaceNet(FaceEmbedder):
    """InceptionResnetV1 behind the same calls as our own identity networks.

    Raises InputError where facenet-pytorch is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size = FaceNetSize()
        try:
            from facenet_pytorch import InceptionResnetV1
        except ImportError as error:
            raise InputError("facenet-pytorch is not installed: pip install facenet-pytorch==2.5.3") from error
        self.network: nn.Module = InceptionResnetV1(pretrained=None, classify=False)

    def embed(self, x: Tensor) -> Tensor:
        """Network input [B, 3, 160, 160] in [-1, 1] to embeddings [B, 512] of length one."""
        return self.network(x * (127.5 / 128.0))  # it was trained on (pixel - 127.5) / 128


def load_facenet(path: str | Path | None = None, device: torch.device | str | None = None) -> FaceNet:
    """FaceNet with its VGGFace2 weights: frozen, in eval mode.

    path: the weight file; None takes the fetched one. device: where to put it; None is the CPU.
    Raises InputError when the weights are missing or are not FaceNet's.
    """
    network = FaceNet()
    path = weight_path("facenet_vggface2") if path is None else Path(path)
    state = {key: value for key, value in read_tensors(path).items() if not key.startswith("logits.")}
    load_strictly(network.network, state, path)
    network.requires_grad_(False)
    return network.eval().to(pick_device(device or "cpu"))
