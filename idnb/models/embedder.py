"""What every identity network does: aligned face images in, vectors of length one out."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.images import OVERSHOOT, check_range
from idnb.core.resize import resize

__all__ = ["FaceEmbedder", "frame_to_input", "refuse_held_out"]


def frame_to_input(images: Tensor, frame_size: int, crop: tuple[int, int, int, int], input_size: int) -> Tensor:
    """Bring aligned face images to the input of an identity network: resize, cut the face out, average down.

    images: [B, 3, H, H] float in [-1, 1], framed as in FFHQ. Larger ones are averaged down, smaller ones enlarged.
    frame_size, crop, input_size: see `IdentitySize`.
    Returns [B, 3, input_size, input_size]. Differentiable.
    Raises InputError when the images are not square RGB.
    """
    images = resize(images, frame_size)  # [B, 3, frame, frame]
    top, bottom, left, right = crop
    face = images[:, :, top:bottom, left:right]  # [B, 3, bottom - top, right - left]
    if face.shape[-2:] == (input_size, input_size):
        return face
    return F.adaptive_avg_pool2d(face, input_size)  # [B, 3, input, input]


class FaceEmbedder(nn.Module):
    """What every identity network does: aligned face images in, vectors of length one out.

    The cosine of two vectors says how alike two people are. Subclasses set `size` and write `embed`.
    held_out: the network judges what others made, so nothing may learn from it (`refuse_held_out`).
    """

    held_out: ClassVar[bool] = False

    size: Any  # IdentitySize, or another class with frame_size, crop, input_size and embedding

    def prepare(self, images: Tensor) -> Tensor:
        """Aligned images [B, 3, H, H] in [-1, 1], any side, to the network input [B, 3, input_size, input_size]."""
        return frame_to_input(images, self.size.frame_size, self.size.crop, self.size.input_size)

    def embed(self, x: Tensor) -> Tensor:
        """Network input [B, 3, input_size, input_size] to embeddings [B, embedding] of length one."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Identity embeddings of aligned face images.

        images: [B, 3, H, H] float in [-1, 1], framed as in FFHQ (what `idnb.load_faces` and `idnb.faces.align` give).
        Returns [B, embedding], each row of length one. Paper: z_id and z_gen of the identity loss, section 2.4.
        Raises InputError for images of another shape, in [0, 255] or with NaN; those with a gradient are not looked at.
        """
        if not (images.requires_grad or torch.compiler.is_compiling() or torch.compiler.is_exporting()):
            check_range(images, "images", OVERSHOOT)
        return self.embed(self.prepare(images))


def refuse_held_out(name: str, *given: Any) -> None:
    """Make sure that nothing learns from the judge: whoever takes an identity network for a loss calls this.

    name: of the argument, for the message. given: networks, or anything else; None and plain functions pass.
    Raises InputError where one is held out, or holds one that is.
    """
    for network in given:
        parts = network.modules() if isinstance(network, nn.Module) else [network]
        if any(getattr(part, "held_out", False) for part in parts):
            raise InputError(f"{name}: the held-out judge may enter no loss and no objective; it would judge no longer")
