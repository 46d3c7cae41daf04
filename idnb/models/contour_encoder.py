"""What every learned encoder of this package has in common: its latents, its result, its refinement loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.images import check_range
from idnb.core.presets import Preset
from idnb.core.resize import resize
from idnb.core.shapes import check_shape
from idnb.models.fusion import Modulation
from idnb.models.stylegan2 import Generator

__all__ = ["SMALLEST_FACE", "ContourEncoder", "Identity", "Latents", "Result", "identity_tensors", "map_identity"]

SMALLEST_FACE = 16  # pixels a side; in less nobody can be told


class Latents(NamedTuple):
    """What the generator reads: w_plus [B, n_styles, style_dim], input_latent [B, C, 4, 4] or None."""

    w_plus: Tensor
    input_latent: Tensor | None

    def detach(self) -> Latents:
        """The same numbers without their graph."""
        return Latents(self.w_plus.detach(), None if self.input_latent is None else self.input_latent.detach())


Identity: TypeAlias = Tensor | list[list[Modulation]]
"""What an encoder keeps of an identity image, equal in all refinement steps.

For the dual encoder `identity[i][j]` is gamma and beta of bottleneck j in block i, as in equation 1. Encoders that
stack the identity image on their input keep the image, [B, 3, S, S].
"""


def map_identity(function: Callable[..., Tensor], *identities: Any) -> Any:
    """Apply a function to each tensor of an `Identity`, or to the tensors at the same place of several.

    `map_identity(lambda a, b: (a + b) / 2, identity_a, identity_b)` is the person in the middle.
    function: takes as many tensors as there are identities. Returns an `Identity`.
    """
    first = identities[0]
    if isinstance(first, Tensor):
        return function(*identities)
    parts = [map_identity(function, *together) for together in zip(*identities, strict=True)]
    return Modulation(*parts) if isinstance(first, Modulation) else parts


def identity_tensors(identity: Identity) -> list[Tensor]:
    """The tensors of an `Identity` in a row: gamma, beta, gamma, beta, ..., or the image alone."""
    if isinstance(identity, Tensor):
        return [identity]
    return [tensor for block in identity for modulation in block for tensor in modulation]


class Result(NamedTuple):
    """All refinement steps of a batch, the last step is the answer.

    images: [B, steps, 3, H, W] around [-1, 1]. w_plus: [B, steps, n_styles, style_dim].
    input_latent: [B, steps, C, 4, 4], or None for an encoder without.
    """

    images: Tensor
    w_plus: Tensor
    input_latent: Tensor | None


class ContourEncoder(nn.Module, ABC):
    """An encoder that turns a contour and an identity image into latents, by one or several residual steps.

    kind: "low_res", "sketch" or "label_map". preset: all sizes. has_input_latent: predict the generator's input too.
    Subclasses write `refine`, and `encode_identity` where something can be computed once for all steps.
    """

    steps: int = 3  # refinement steps it is meant for

    def __init__(self, kind: str, preset: Preset, has_input_latent: bool = False) -> None:
        super().__init__()
        self.kind, self.preset, self.has_input_latent = kind, preset, has_input_latent
        self.contour_channels = contour_kind(kind).channels

    @abstractmethod
    def refine(self, contour_input: Tensor, identity: Any, y_hat: Tensor, latents: Latents) -> Latents:
        """One step: see `forward`, with the `Identity` that `encode_identity` gave in place of the identity image."""

    def encode_identity(self, x_id: Tensor) -> Identity:
        """All that depends on the identity image alone; here the image itself.

        x_id: [B, 3, S, S] in [-1, 1].
        """
        return x_id

    def forward(self, contour_input: Tensor, x_id: Tensor, y_hat: Tensor, latents: Latents) -> Latents:
        """One refinement step: a change of the latents.

        contour_input: [B, C_k, S, S], from `contour_kind(kind).network_input`. x_id: [B, 3, S, S] in [-1, 1].
        y_hat: [B, 3, S, S], the generator's picture of `latents`, averaged down to S.
        Returns the next latents.
        """
        size = self.preset.encoder_size
        check_shape("contour_input", contour_input, ["B", self.contour_channels, size, size])
        check_shape("x_id", x_id, [len(contour_input), 3, size, size])
        check_shape("y_hat", y_hat, [len(contour_input), 3, size, size])
        return self.refine(contour_input, self.encode_identity(x_id), y_hat, latents)

    def start(self, generator: Generator, batch: int) -> tuple[Latents, Tensor]:
        """Where refinement begins: the mean of w, the generator's constant, and the average face they make.

        Returns the latents, and the picture [B, 3, S, S] averaged down to the encoder's size; neither has a gradient.
        Raises InputError when the generator has other sizes than this encoder's preset.
        """
        preset = self.preset
        found = (generator.n_styles, generator.style_dim, generator.channels[0])
        wanted = (preset.n_styles, preset.style_dim, preset.generator_channels[0])
        if found != wanted:
            raise InputError(
                f"generator: its styles, style length and input channels are {found}, the encoder is made for {wanted} "
                f"(preset {preset.name!r}); load the generator of the same preset"
            )
        with torch.no_grad():
            w_plus = generator.to_w_plus(generator.w_avg[None]).contiguous()  # [1, n_styles, style_dim]
            picture = resize(generator.synthesis(w_plus), preset.encoder_size)  # [1, 3, S, S]
            input_latent = generator.input(batch) if self.has_input_latent else None
            return Latents(w_plus.expand(batch, -1, -1), input_latent), picture.expand(batch, -1, -1, -1)

    @torch.no_grad()
    def generate(self, generator: Generator, x_c: Tensor, x_id: Tensor, steps: int | None = None) -> Result:
        """Faces with the contour of one picture and the identity of another.

        x_c: contours as made by `contour_kind(kind).make`. x_id: [B, 3, H, H] in [-1, 1], any size, aligned faces.
            A batch of one is repeated to match the other.
        steps: refinement steps; None is what this encoder is meant for.
        Returns a `Result` with every step. Raises InputError for other shapes, ranges or numbers of steps.
        """
        steps = self.steps if steps is None else steps
        if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= 20:
            raise InputError(f"steps is {steps!r}; expected a whole number from 1 to 20")
        device, size = generator.w_avg.device, self.preset.encoder_size
        contour = contour_kind(self.kind).network_input(x_c.to(device), size)  # [B, C_k, S, S]
        check_range(x_id, "x_id")
        x_id = x_id.to(device)
        if x_id.ndim == 4 and min(x_id.shape[2:]) < SMALLEST_FACE:
            raise InputError(f"x_id has {x_id.shape[-1]} pixels a side; a face has {SMALLEST_FACE} or more")
        x_id = resize(x_id, size)
        if len(contour) != len(x_id) and 1 not in (len(contour), len(x_id)):
            raise InputError(
                f"x_c has {len(contour)} entries and x_id {len(x_id)}; give as many of both, or one of one"
            )
        batch = max(len(contour), len(x_id))
        identity = map_identity(lambda part: part.expand(batch, *part.shape[1:]), self.encode_identity(x_id))
        contour = contour.expand(batch, -1, -1, -1)
        latents, y_hat = self.start(generator, batch)
        images, seen = [], []
        for _ in range(steps):
            latents = self.refine(contour, identity, y_hat, latents)
            picture = generator.synthesis(*latents)  # [B, 3, H, W]
            y_hat = resize(picture, size)  # [B, 3, S, S]
            images.append(picture)
            seen.append(latents)
        input_latents = [each.input_latent for each in seen if each.input_latent is not None]
        return Result(
            torch.stack(images, dim=1),
            torch.stack([each.w_plus for each in seen], dim=1),
            torch.stack(input_latents, dim=1) if input_latents else None,
        )
