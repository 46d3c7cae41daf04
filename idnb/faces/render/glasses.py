"""Glasses: two superelliptic rims of thin tube with lenses, a bridge, and temples that reach the ears."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idnb.faces.render.paint import GLASSES, LENS

__all__ = ["make_glasses"]

Array = NDArray[np.float32]
SIDES = 8  # of a tube


def _tube(path: Array, radius: float, closed: bool) -> tuple[Array, NDArray[np.int32]]:
    """A tube of the given radius along a path (P, 3): vertices and triangles."""
    count = len(path)
    tangent = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    first = np.cross(tangent, np.array([0.13, 0.31, 0.94]))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(tangent, first)
    angle = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)[None, :, None]
    ring = path[:, None] + radius * (first[:, None] * np.cos(angle) + second[:, None] * np.sin(angle))
    i = np.arange(count if closed else count - 1)[:, None]
    j = np.arange(SIDES)[None]
    a, b = (i * SIDES + j), (i * SIDES + (j + 1) % SIDES)
    c, d = (((i + 1) % count) * SIDES + j), (((i + 1) % count) * SIDES + (j + 1) % SIDES)
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    return ring.reshape(-1, 3).astype(np.float32), triangles.astype(np.int32)  # [P * SIDES, 3]


def make_glasses(
    identity: dict[str, Any], eye_left: Array, eye_right: Array, radius: float, ear_left: Array, ear_right: Array
) -> tuple[Array, NDArray[np.int32], NDArray[np.int32]] | None:
    """Build the glasses of one person.

    identity: parameters of the person.
    eye_left, eye_right: (3,) centres of the eyeballs, metres.
    radius: of the eyeballs, metres.
    ear_left, ear_right: (3,) where a temple rests on the ear.
    Returns (V, 3) vertices, (T, 3) triangles, (T,) `GLASSES` or `LENS`; None when the person wears none.
    """
    if not identity["glasses.worn"]:
        return None
    width, height, power = identity["glasses.width"], identity["glasses.height"], identity["glasses.squareness"]
    vertices: list[Array] = []
    triangles: list[NDArray[np.int32]] = []
    kinds: list[NDArray[np.int32]] = []

    def add(points: Array, faces: NDArray[np.int32], kind: int) -> None:
        triangles.append(faces + sum(len(v) for v in vertices))
        vertices.append(points)
        kinds.append(np.full(len(faces), kind, np.int32))

    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    front = min(eye_left[1], eye_right[1]) - radius - 0.011
    middle = (eye_left + eye_right) / 2
    inner = []
    for eye, ear, sign in ((eye_left, ear_left, 1.0), (eye_right, ear_right, -1.0)):
        x = np.sign(cos) * np.abs(cos) ** (2 / power) * width
        z = np.sign(sin) * np.abs(sin) ** (2 / power) * height
        centre = np.array([middle[0] + sign * max(abs(eye[0] - middle[0]), width + 0.007), front, eye[2] - 0.003])
        bend = 0.12 * sign * x  # the frame curves around the face
        rim = (centre + np.stack([x, np.maximum(bend, -0.002) + 0.002, z + 0 * x], 1)).astype(np.float32)
        add(*_tube(rim, identity["glasses.frame"], True), GLASSES)
        fan = np.arange(len(rim))
        hub = rim.mean(0, keepdims=True)
        lens = np.stack([fan, (fan + 1) % len(rim), np.full(len(rim), len(rim))], 1).astype(np.int32)
        add(np.concatenate([rim, hub]).astype(np.float32), lens, LENS)
        inner.append(rim[np.argmin(sign * rim[:, 0] - 0.3 * rim[:, 2])])
        start = rim[np.argmax(sign * rim[:, 0] + 0.8 * rim[:, 2])]
        t = np.linspace(0, 1, 12)[:, None]
        knee = np.array([ear[0] + sign * 0.004, start[1] + 0.02, start[2]])
        temple = (1 - t) ** 2 * start + 2 * t * (1 - t) * knee + t * t * (ear + np.array([sign * 0.002, 0.0, 0.0]))
        add(*_tube(temple.astype(np.float32), identity["glasses.frame"] * 0.9, False), GLASSES)
    t = np.linspace(0, 1, 10)[:, None]
    bridge = inner[0] * t + inner[1] * (1 - t) + np.array([0, -0.003, 0.004]) * (4 * t * (1 - t))
    add(*_tube(bridge.astype(np.float32), identity["glasses.frame"], False), GLASSES)
    return np.concatenate(vertices), np.concatenate(triangles), np.concatenate(kinds)
