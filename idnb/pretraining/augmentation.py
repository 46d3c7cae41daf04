"""What an identity network must learn to look past: colour, light, hair, background, clothes, place, blur, noise.

On rendered people skin and hair colour nearly give the identity away. So colours are changed part by part with the help
of the label map, a quarter of the images lose their colour, and hair, background and clothes are hidden at times. What
then still tells people apart is the face. All of it works on the whole batch at once.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from idnb.core.images import grey_scale
from idnb.training.augmentation import placement

__all__ = ["AugmentConfig", "augment", "hide_surroundings"]

HAIR, SURROUNDINGS = (13, 14), (0, 13, 14, 15, 16, 18)
# Classes that change colour together: a person's skin is one colour from nose to neck.
# With each group, how much of the full change it takes: small parts that carry the identity take less.
COLOUR_GROUPS = (
    ((0, 18, 14), 1.5),
    ((13,), 1.5),
    ((1, 2, 3, 8, 9, 17), 1.0),
    ((11, 12, 10), 0.5),
    ((6, 7), 0.7),
    ((4, 5), 0.4),
)


@dataclass(frozen=True)
class AugmentConfig:
    """Chances (0 to 1) and strengths of each change.

    rotation in degrees, zoom and shift as shares of the image, the rest as chances a sample.
    """

    mirror: float = 0.5
    warp: float = 0.9
    rotation: float = 12.0
    zoom: float = 0.12
    shift: float = 0.05
    hide_each: float = 0.25
    hide_all: float = 0.15
    recolour: float = 0.6
    colour: float = 0.8
    grey: float = 0.25
    light: float = 0.5
    low_res: float = 0.2
    noise: float = 0.3
    occlude: float = 0.2

    def scaled(self, strength: float) -> AugmentConfig:
        """The same with every chance and strength save mirroring times `strength` (0 to 1): an easy beginning."""
        return AugmentConfig(**{k: v if k == "mirror" else v * strength for k, v in asdict(self).items()})


def hide_surroundings(images: Tensor, label_maps: Tensor) -> Tensor:
    """Paint hair, hats, background, clothes and jewellery over, in mid-grey.

    images: [B, 3, H, W] in [-1, 1]; label_maps: [B, H, W] class numbers. Returns images of the same shape.
    """
    hidden = in_classes(label_maps, SURROUNDINGS)[:, None]  # [B, 1, H, W]
    return torch.where(hidden, 0.0, images)


def augment(
    images: Tensor,
    label_maps: Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    crop: tuple[int, int, int, int] | None = None,
) -> Tensor:
    """One random version of each image.

    images: [B, 3, H, W] float in [-1, 1]; label_maps: [B, H, W] uint8 or long.
    generator: where all randomness comes from; same state, same result.
    crop: (top, bottom, left, right) of the part to return, as in `IdentitySize`; None is the whole image.
    Returns [B, 3, bottom - top, right - left] in [-1, 1].
    """
    images, label_maps = move(images, label_maps, config, generator, crop or (0, images.shape[2], 0, images.shape[3]))
    images = recolour_parts(images, label_maps, config, generator)
    images = hide_parts(images, label_maps, config, generator)
    images = change_light(images, config, generator)
    images = corrupt(images, config, generator)
    return images.clamp_(-1.0, 1.0)


def chance(p: float, count: int, generator: torch.Generator) -> Tensor:
    """A boolean vector [count], each True with probability p."""
    return torch.rand(count, generator=generator) < p


def between(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform values of the given shape in [low, high)."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def in_classes(label_maps: Tensor, classes: tuple[int, ...]) -> Tensor:
    """A boolean map, True where the class number is one of `classes`."""
    found = label_maps == classes[0]
    for number in classes[1:]:
        found |= label_maps == number
    return found


def move(
    images: Tensor,
    label_maps: Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    crop: tuple[int, int, int, int],
) -> tuple[Tensor, Tensor]:
    """Mirror, rotate, zoom and shift images and label maps alike (maps by nearest neighbour), then crop."""
    count = len(images)
    on = chance(config.warp, count, generator).float()
    angle = between(-1, 1, (count,), generator) * math.radians(config.rotation) * on
    zoom = torch.exp(between(-1, 1, (count,), generator) * config.zoom * on)
    shift = between(-1, 1, (count, 2), generator) * 2 * config.shift * on[:, None]
    mirror = 1.0 - 2.0 * chance(config.mirror, count, generator).float()
    matrix = placement(angle, zoom, mirror, shift)  # [B, 2, 3]
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)[
        :, crop[0] : crop[1], crop[2] : crop[3]
    ]  # [B, h, w, 2]
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    maps = label_maps[:, None].float()  # [B, 1, H, W]
    maps = F.grid_sample(maps, grid, mode="nearest", padding_mode="border", align_corners=False)
    return moved, maps[:, 0].to(torch.uint8)


def recolour_parts(images: Tensor, label_maps: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Give skin, hair, brows, eyes, lips, clothes and background each its own random tint and brightness."""
    count = len(images)
    on = chance(config.recolour, count, generator).float()[:, None, None]
    log_gain = torch.zeros(count, 3, 32)
    for group, share in COLOUR_GROUPS:
        tint = 0.15 * torch.randn(count, 3, 1, generator=generator)
        bright = 0.3 * torch.randn(count, 1, 1, generator=generator)
        log_gain[:, :, list(group)] = share * (tint + bright) * on
    gain = log_gain.clamp(-1.0, 1.0).exp()
    index = label_maps.long().flatten(1)[:, None].expand(-1, 3, -1)  # [B, 3, H * W]
    return (images + 1.0) * gain.gather(2, index).view(images.shape) - 1.0


def hide_parts(images: Tensor, label_maps: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Hide hair, background or clothes, each at times, under a flat colour or under another picture of the batch."""
    count = len(images)
    every = chance(config.hide_all, count, generator)
    hidden = torch.zeros(label_maps.shape, dtype=torch.bool)
    for classes in (HAIR, (0,), (18, 15, 16)):
        on = chance(config.hide_each, count, generator) | every
        hidden |= in_classes(label_maps, classes) & on[:, None, None]
    flat = between(-1, 1, (count, 3, 1, 1), generator)
    flat[chance(0.4, count, generator)] = 0.0  # the mid-grey that the evaluation paints
    other = images.roll(1, 0)
    cover = torch.where(chance(0.25, count, generator)[:, None, None, None], other, flat)
    return torch.where(hidden[:, None], cover, images)


def change_light(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Change exposure, contrast, tint and saturation, lay a ramp of light over the image, drop colour at times."""
    count = len(images)
    on = chance(config.colour, count, generator).float().view(-1, 1, 1, 1)
    gain = torch.exp(on * (0.25 * torch.randn(count, 1, 1, 1, generator=generator)))
    gain = gain * torch.exp(on * 0.12 * torch.randn(count, 3, 1, 1, generator=generator))
    offset = on * 0.1 * torch.randn(count, 1, 1, 1, generator=generator)
    height, width = images.shape[-2:]
    ys = torch.linspace(-1, 1, height).view(1, 1, height, 1)
    xs = torch.linspace(-1, 1, width).view(1, 1, 1, width)
    slope = between(-0.6, 0.6, (count, 2, 1, 1, 1), generator)
    slope = slope * chance(config.light, count, generator).view(-1, 1, 1, 1, 1)
    gain = gain * torch.exp(slope[:, 0] * xs + slope[:, 1] * ys)  # [B, 3, H, W]
    images = (images + 1.0) * gain - 1.0 + offset
    grey = grey_scale(images)
    saturation = torch.exp(on * 0.4 * torch.randn(count, 1, 1, 1, generator=generator))
    saturation[chance(config.grey, count, generator)] = 0.0
    return torch.lerp(grey, images, saturation)


def corrupt(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Lose resolution, add noise, cover a rectangle; each on some of the images."""
    count, _, height, width = images.shape
    small = int(torch.randint(height // 4, height * 3 // 4, (1,), generator=generator))
    chosen = chance(config.low_res, count, generator)
    if chosen.any():
        low = F.interpolate(images[chosen], size=(small, small), mode="area")
        images[chosen] = F.interpolate(low, size=(height, width), mode="bilinear", align_corners=False)
    noisy = chance(config.noise, count, generator)
    strength = between(0, 0.12, (int(noisy.sum()), 1, 1, 1), generator)
    images[noisy] += strength * torch.randn(images[noisy].shape, generator=generator)
    centre = between(-0.8, 0.8, (count, 2, 1, 1), generator)
    half = between(0.08, 0.35, (count, 2, 1, 1), generator)
    ys = torch.linspace(-1, 1, height).view(1, height, 1)
    xs = torch.linspace(-1, 1, width).view(1, 1, width)
    inside = ((ys - centre[:, 0]).abs() < half[:, 0]) & ((xs - centre[:, 1]).abs() < half[:, 1])  # [B, H, W]
    inside = inside & chance(config.occlude, count, generator)[:, None, None]
    patch = between(-1, 1, (count, 3, 1, 1), generator)
    return torch.where(inside[:, None], patch, images)
