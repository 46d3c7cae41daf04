"""Colours of people and places in linear RGB, from the named parameters of `people`."""

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "background_image",
    "cloth_colour",
    "hair_colour",
    "iris_colour",
    "lip_colour",
    "skin_colour",
    "to_srgb",
    "warm",
]

Array = NDArray[np.float32]


def to_srgb(linear: Array) -> NDArray[np.uint8]:
    """Turn linear light into display values: a soft shoulder for highlights, then the sRGB curve, 0..255."""
    x = np.maximum(linear, 0)
    x = np.where(x > 0.7, 0.7 + 0.3 * (1 - np.exp(-(x - 0.7) / 0.3)), x)
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
    return np.round(np.clip(srgb, 0, 1) * 255).astype(np.uint8)


def warm(amount: float) -> Array:
    """Tint of a light: amount > 0 is warmer (more red), < 0 cooler; mean about 1."""
    return np.array([1 + 0.14 * amount, 1.0, 1 - 0.18 * amount], np.float32)


def skin_colour(identity: dict[str, Any]) -> Array:
    """Skin from the share of melanin, between very fair and very dark, with a warm or a cool undertone."""
    fair, dark = np.log([0.80, 0.545, 0.415]), np.log([0.095, 0.046, 0.029])
    share = identity["skin.melanin"]
    tone = np.array([0.0, 0.012, -0.07]) * identity["skin.warmth"]
    tone = tone + 4 * share * (1 - share) * np.array([0.05, 0.0, -0.07])  # the middle of the range is golden
    return np.exp(fair * (1 - share) + dark * share + tone).astype(np.float32)


def lip_colour(identity: dict[str, Any]) -> Array:
    """Lips: the skin with more blood; `lips.colour` 1 is strongly red."""
    blood = identity["lips.colour"]
    return (skin_colour(identity) * np.array([0.92 - 0.1 * blood, 0.72 - 0.3 * blood, 0.76 - 0.28 * blood])).astype(
        np.float32
    )


def hair_colour(identity: dict[str, Any]) -> Array:
    """Hair from its two pigments (absorption as in d'Eon et al. 2011), mixed with white hairs."""
    absorption = identity["hair.eumelanin"] * np.array([0.419, 0.697, 1.37])
    absorption = absorption + identity["hair.pheomelanin"] * np.array([0.187, 0.4, 1.05])
    colour = 0.60 * np.exp(-2.1 * absorption**0.8) + 0.007
    return (colour * (1 - identity["hair.grey"]) + 0.50 * identity["hair.grey"]).astype(np.float32)


def iris_colour(identity: dict[str, Any]) -> Array:
    """Iris between brown and a light hue (blue, grey, green)."""
    light = [
        np.interp(identity["iris.hue"], [0, 0.5, 1], row)
        for row in ([0.07, 0.12, 0.09], [0.13, 0.14, 0.12], [0.22, 0.15, 0.06])
    ]
    brown = np.array([0.085, 0.038, 0.016])
    share = identity["iris.brown"]
    return (identity["iris.lightness"] * np.exp(np.log(brown) * share + np.log(light) * (1 - share))).astype(np.float32)


def cloth_colour(shot: dict[str, Any]) -> Array:
    """Cloth from hue, saturation and value."""
    return np.array(colorsys.hsv_to_rgb(shot["cloth.hue"], shot["cloth.saturation"], shot["cloth.value"]), np.float32)


def background_image(shot: dict[str, Any], size: int) -> Array:
    """An out-of-focus background: a gradient with large soft lights and edges, (size, size, 3) linear."""
    rng = np.random.Generator(np.random.PCG64(int(shot["background.pattern"])))
    hue, value, saturation = shot["background.hue"], shot["background.value"], shot["background.saturation"]
    y, x = np.meshgrid(*[(np.arange(size) + 0.5) / size * 2 - 1] * 2, indexing="ij")
    base = np.array(colorsys.hsv_to_rgb(hue, saturation, value))
    turn = rng.uniform(0, 2 * np.pi)
    ramp = 1 + shot["background.gradient"] * (x * np.cos(turn) + y * np.sin(turn))
    image = base * ramp[..., None]
    if shot["background.blobs"] > 0.15:
        for _ in range(int(rng.integers(2, 8))):
            other = (hue + rng.normal(0, 0.12)) % 1
            colour = np.array(
                colorsys.hsv_to_rgb(other, saturation * rng.uniform(0.3, 1), min(1, value * rng.uniform(0.4, 1.9)))
            )
            centre, radius = rng.uniform(-1.1, 1.1, 2), rng.uniform(0.15, 0.8, 2)
            if rng.random() < 0.4:  # a vertical edge far away: a door, a tree, a window
                radius[1] = 4
            distance = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2
            share = shot["background.blobs"] / (1 + np.exp(np.minimum((distance - 1) * 5, 50)))
            image = image * (1 - share[..., None]) + colour * share[..., None]
    return np.clip(image, 0, 1.2).astype(np.float32)
