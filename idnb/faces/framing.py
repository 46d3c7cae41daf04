"""Where a face sits in its square: the alignment rule of CelebA-HQ and FFHQ.

Rendered people and aligned photos go through the same function, so both have the same framing. Nothing here reads an
image; `idnb.faces.align` finds the points and cuts the square.
"""

from typing import Any

import numpy as np

from idnb.core.errors import InputError

__all__ = ["EYE_LEFT", "EYE_RIGHT", "crop_corners", "ffhq_crop"]

EYE_LEFT: tuple[float, float] = (0.375, 0.472)
"""Where the rule puts the eye on the left of an upright, frontal face: x and y as a fraction of the square's side."""

EYE_RIGHT: tuple[float, float] = (0.625, 0.472)


def ffhq_crop(eye_left: Any, eye_right: Any, mouth_left: Any, mouth_right: Any) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half-side of the square that CelebA-HQ and FFHQ cut around a face.

    With e the vector from the left to the right eye and m the vector from the middle of the eyes to the middle of the
    mouth: the square's x axis points along e + m', where m' is m with a quarter turn that takes down to right; its
    half-side is the longer of 2 |e| and 1.8 |m|; its centre lies a tenth of m below the middle of the eyes.

    Left and right are those of the picture (the person's right eye is on the left). The y axis points down.

    eye_left: [..., 2] centre of the eye on the left of an upright picture: x, y in any unit.
    eye_right: [..., 2] the other eye.
    mouth_left: [..., 2] corner of the mouth on the left of the picture.
    mouth_right: [..., 2] the other corner.
    Returns centre and half_x, [..., 2] float64 each in the coordinates of the points; half_x leads from the centre to
    the middle of the square's right side. The y axis of the square is half_x turned a quarter: (-half_x[1], half_x[0]);
    see `crop_corners`.
    Raises InputError: points that are not finite, that coincide, or that are swapped (left for right, or y pointing
    up).

    Source: Karras et al., "Progressive Growing of GANs", ICLR 2018, appendix C; FFHQ (CVPR 2019) keeps it.
    """
    named = {"eye_left": eye_left, "eye_right": eye_right, "mouth_left": mouth_left, "mouth_right": mouth_right}
    points = {name: np.asarray(value, dtype=np.float64) for name, value in named.items()}
    for name, value in points.items():
        if value.ndim == 0 or value.shape[-1] != 2:
            raise InputError(f"{name} has shape {list(value.shape)}; expected x, y pairs: [..., 2]")
        if not np.isfinite(value).all():
            raise InputError(f"{name} holds a value that is not finite; check the detector or the projection")
    e = points["eye_right"] - points["eye_left"]
    eyes = 0.5 * (points["eye_left"] + points["eye_right"])
    m = 0.5 * (points["mouth_left"] + points["mouth_right"]) - eyes
    m_turned = np.stack([m[..., 1], -m[..., 0]], axis=-1)  # [..., 2] a quarter turn that takes "down" to "right"
    axis = e + m_turned
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    if (length <= 0).any() or ((e * m_turned).sum(axis=-1) < 0).any():
        raise InputError(
            "the four points do not make a face: eye_left must be the eye on the left of the upright picture, "
            "y must point down, and the eyes must lie above the mouth"
        )
    half = np.maximum(2.0 * np.linalg.norm(e, axis=-1, keepdims=True), 1.8 * np.linalg.norm(m, axis=-1, keepdims=True))
    return eyes + 0.1 * m, axis / length * half


def crop_corners(centre: Any, half_x: Any) -> np.ndarray:
    """Corners of the square that `ffhq_crop` describes.

    centre: [..., 2] middle of the square: x, y.
    half_x: [..., 2] from the middle to the middle of the right side.
    Returns [..., 4, 2] float64: top left, top right, bottom right, bottom left, as seen in the aligned picture.
    """
    c, x = np.asarray(centre, dtype=np.float64), np.asarray(half_x, dtype=np.float64)
    y = np.stack([-x[..., 1], x[..., 0]], axis=-1)  # [..., 2] a quarter turn that takes "right" to "down"
    return np.stack([c - x - y, c + x - y, c + x + y, c - x + y], axis=-2)  # [..., 4, 2]
