"""Strands of hair, and the thin ribbons that they are drawn as."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Strands", "ribbons"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Strands:
    """S strands of P points each.

    points: (S, P, 3) metres.
    width: (S, P) metres.
    shade: (S,) factor on the colour of each strand, about 1.
    root: (S,) vertex of the head nearest to the root; a strand moves with it.
    is_beard: (S,) True for strands of the beard.
    """

    points: Array
    width: Array
    shade: Array
    root: NDArray[np.int64]
    is_beard: NDArray[np.bool_]


def ribbons(strands: Strands) -> tuple[Array, Array, NDArray[np.int32]]:
    """Turn strands into triangles.

    strands: S strands of P points.
    Returns (S * P * 2, 3) vertices, (S * P, 3) unit tangents, (T, 3) triangles.
    """
    points = strands.points
    tangent = np.empty_like(points)
    tangent[:, 1:-1] = points[:, 2:] - points[:, :-2]
    tangent[:, 0], tangent[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=-1, keepdims=True), 1e-9)
    across = np.cross(tangent, points - points[:, 0].mean(0))  # flat towards the outside of the head
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    half = (across * strands.width[..., None] / 2).astype(np.float32)
    vertices = np.stack([points - half, points + half], axis=2)  # [S, P, 2, 3]
    count, along = points.shape[:2]
    base = (np.arange(count)[:, None] * along + np.arange(along - 1)[None]) * 2  # [S, P - 1]
    quad = np.stack([base, base + 1, base + 3, base, base + 3, base + 2], -1).astype(np.int32)  # [S, P - 1, 6]
    moved = np.linalg.norm(np.diff(points, axis=1), axis=-1) > 1e-6  # stopped strands have empty segments
    return vertices.reshape(-1, 3), tangent.reshape(-1, 3), quad[moved].reshape(-1, 3)  # [S*P*2, 3], [S*P, 3], [T, 3]
