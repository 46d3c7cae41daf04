"""The networks as other programs call them: tensors in, tensors out, each with a batch of real inputs to try it on.

A dual encoder becomes two networks. `identity_KIND` is run once for each person, `refine_KIND` once for each step:

    x_id --identity_KIND--> identity_0 ... identity_n        gamma and beta of every bottleneck (equation 1)
    contour, y_hat, w_plus, input_latent, identity_0 ... --refine_KIND--> next_w_plus, next_input_latent
    w_plus, input_latent --synthesis--> image --averaged down--> y_hat
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from idnb.contours.kinds import contour_kind
from idnb.core.resize import resize
from idnb.models.contour_encoder import ContourEncoder, Identity, Latents, identity_tensors, map_identity
from idnb.models.embedder import FaceEmbedder
from idnb.models.encoder_files import bundled_encoders
from idnb.models.face_parser import FaceParser, load_face_parser
from idnb.models.identity_files import load_identity_network
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import load_generator

__all__ = ["Networks", "Portable", "bundled_networks", "portable"]


@dataclass(frozen=True)
class Networks:
    """What is exported: generator, encoders by kind of contour, ArcFace, judge, parser."""

    generator: Generator
    encoders: dict[str, ContourEncoder]
    arcface: FaceEmbedder
    judge: FaceEmbedder
    parser: FaceParser


@dataclass(frozen=True)
class Portable:
    """One network to be exported.

    name: of its file. about: one line. module: called with the inputs in order. inputs: by name, each [B, ...], real
    ones; an input in `unbatched` has no batch axis. outputs: names.
    """

    name: str
    about: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    unbatched: tuple[str, ...] = ()

    def expected(self, rows: int) -> list[Tensor]:
        """What PyTorch answers to the first rows of the inputs."""
        with torch.inference_mode():
            answer = self.module(*self.first(rows).values())
        return list(answer) if isinstance(answer, tuple | list) else [answer]

    def first(self, rows: int) -> dict[str, Tensor]:
        """The first rows of the inputs."""
        return {name: x if name in self.unbatched else x[:rows] for name, x in self.inputs.items()}


def bundled_networks() -> Networks:
    """All bundled networks of preset `tiny`. Raises InputError when no encoder is bundled."""
    return Networks(
        load_generator("tiny"),
        bundled_encoders(),
        load_identity_network("tiny"),
        load_identity_network("tiny", judge=True),
        load_face_parser(),
    )


class _Mapping(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, truncation_psi: Tensor) -> Tensor:
        w_avg = self.generator.w_avg
        return w_avg + truncation_psi * (self.generator.mapping(z) - w_avg)


class _Synthesis(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, w_plus: Tensor, input_latent: Tensor) -> Tensor:
        return self.generator.synthesis(w_plus, input_latent)


class _Identity(nn.Module):
    def __init__(self, encoder: ContourEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x_id: Tensor) -> list[Tensor]:
        return identity_tensors(self.encoder.encode_identity(x_id))


class _Refine(nn.Module):
    """One step, with the identity as tensors in a row; `like` is an `Identity` that shows how they are nested."""

    def __init__(self, encoder: ContourEncoder, like: Identity) -> None:
        super().__init__()
        self.encoder, self.like = encoder, like

    def forward(
        self, contour: Tensor, y_hat: Tensor, w_plus: Tensor, input_latent: Tensor, *identity: Tensor
    ) -> tuple[Tensor, Tensor]:
        row = iter(identity)
        nested = map_identity(lambda _: next(row), self.like)
        latents = self.encoder.refine(contour, nested, y_hat, Latents(w_plus, input_latent))
        return latents.w_plus, input_latent if latents.input_latent is None else latents.input_latent


class _Parser(nn.Module):
    def __init__(self, parser: FaceParser) -> None:
        super().__init__()
        self.parser = parser

    def forward(self, image: Tensor) -> Tensor:
        return self.parser(image).argmax(1)


@torch.inference_mode()
def portable(networks: Networks, faces: Any, rows: Sequence[int]) -> list[Portable]:
    """All networks, ready to be exported.

    faces: a set of people. rows: pictures of it that become the inputs, two or more; each meets the next one.
    """
    generator = networks.generator
    images = faces.images(rows, generator.size)  # [B, 3, H, H]
    batch = len(images)
    random = torch.Generator().manual_seed(0)
    z = torch.randn(batch, generator.style_dim, generator=random)
    w_plus = generator.to_w_plus(generator.mapping(z)).contiguous()
    constant = generator.input.input.expand(batch, -1, -1, -1).contiguous()
    image = {"image": images}
    found = [
        Portable("mapping", "z to w, pulled to the mean by truncation_psi", _Mapping(generator),
                 {"z": z, "truncation_psi": torch.tensor([0.7])}, ("w",), ("truncation_psi",)),
        Portable("synthesis", "W+ code and 4 x 4 input to a picture around [-1, 1]", _Synthesis(generator),
                 {"w_plus": w_plus, "input_latent": constant}, ("image",)),
        Portable("arcface", "the identity network of the losses", networks.arcface, image, ("embedding",)),
        Portable("judge", "the held-out judge of identity", networks.judge, image, ("embedding",)),
        Portable("parser", "the label map of a face", _Parser(networks.parser), image, ("label_map",)),
    ]  # fmt: skip
    for kind, encoder in networks.encoders.items():
        size = encoder.preset.encoder_size
        made = contour_kind(kind).make(images, contour_kind(kind).labels_of(faces, rows))
        contour = contour_kind(kind).network_input(made, size)
        x_id = resize(images.roll(1, 0), size)
        identity = encoder.encode_identity(x_id)
        latents, y_hat = encoder.start(generator, batch)
        input_latent = constant if latents.input_latent is None else latents.input_latent
        parts = {f"identity_{i}": part for i, part in enumerate(identity_tensors(identity))}
        found += [
            Portable(f"identity_{kind}", f"what the {kind} encoder keeps of a person, once for all steps",
                     _Identity(encoder), {"x_id": x_id}, tuple(parts)),
            Portable(f"refine_{kind}", f"one step of the {kind} encoder", _Refine(encoder, identity),
                     {"contour": contour, "y_hat": y_hat.contiguous(), "w_plus": latents.w_plus.contiguous(),
                      "input_latent": input_latent.contiguous(), **parts}, ("next_w_plus", "next_input_latent")),
        ]  # fmt: skip
    return found
