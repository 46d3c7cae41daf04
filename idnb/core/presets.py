"""The two presets: every size of the system in one place.

A class of this package is written once and sized by a preset. `tiny` is bundled, trained here and runs on two CPU
cores; `paper` has the sizes of the paper and of the public checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

from idnb.core.errors import InputError

__all__ = ["PAPER", "PRESETS", "TINY", "Preset", "get_preset"]


@dataclass(frozen=True)
class Preset:
    """All sizes of one scale of the system.

    name: "tiny" or "paper".
    image_size: side of a generated image in pixels, a power of two.
    style_dim: length of z, of w, and of each row of a W+ code.
    mapping_depth: number of linear layers between z and w.
    generator_channels: feature channels of the generator at 4, 8, 16, ... image_size pixels.
    discriminator_channels: the same for the discriminator.
    encoder_size: side of the encoder's input images.
    loss_size: side at which the encoder's losses compare its pictures with photos.
    low_res_size: side of the low-resolution contour.
    """

    name: str
    image_size: int
    style_dim: int
    mapping_depth: int
    generator_channels: tuple[int, ...]
    discriminator_channels: tuple[int, ...]
    encoder_size: int
    loss_size: int
    low_res_size: int

    @property
    def n_styles(self) -> int:
        """Rows of a W+ code: one per convolution, one for the last to-RGB layer (12 at 128 px, 18 at 1024 px)."""
        return 2 * self.image_size.bit_length() - 4

    @property
    def input_latent_shape(self) -> tuple[int, int, int]:
        """Shape (C, 4, 4) of the code that may replace the generator's constant input."""
        return (self.generator_channels[0], 4, 4)


TINY = Preset(
    name="tiny",
    image_size=128,
    style_dim=256,
    mapping_depth=6,
    # From 32 px on the work per image falls slowly: twice the side, half the channels or a little more. The
    # discriminator runs more often in training than the generator, so it is the narrower one.
    generator_channels=(256, 256, 192, 128, 64, 32),
    discriminator_channels=(128, 128, 96, 48, 24, 16),
    encoder_size=64,
    loss_size=128,
    low_res_size=8,
)

PAPER = Preset(
    name="paper",
    image_size=1024,
    style_dim=512,
    mapping_depth=8,
    generator_channels=(512, 512, 512, 512, 512, 256, 128, 64, 32),
    discriminator_channels=(512, 512, 512, 512, 512, 256, 128, 64, 32),
    encoder_size=256,
    loss_size=256,
    low_res_size=32,
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (TINY, PAPER)}


def get_preset(name: str) -> Preset:
    """Look a preset up by name.

    name: "tiny" or "paper".
    Returns the preset. Raises InputError that lists the known names.
    """
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is unknown; known presets: {', '.join(PRESETS)}")
    return PRESETS[name]
