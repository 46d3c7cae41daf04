"""Surfaces with the values at their vertices, and the picture that a camera sees of them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from idnb.faces.render import colours
from idnb.faces.render.paint import LENS, Paint, draw
from idnb.faces.render.raster import rasterise

__all__ = ["Surface", "draw_scene", "unit", "vertex_normals", "warp_array", "warp_vector"]

Array = NDArray[np.float32]
SAMPLES = 2  # along each side of a pixel
EMPTY = np.uint64(2**64 - 1)


def warp_vector(values: Any) -> wp.vec3:
    """A warp vector from three numbers."""
    return wp.vec3(*(float(x) for x in values))


def warp_array(values: Any, kind: Any) -> wp.array:
    """A warp array of integers, floats or vectors from anything numpy takes."""
    return wp.array(np.ascontiguousarray(values, dtype=np.int32 if kind == wp.int32 else np.float32), dtype=kind)


def unit(v: Array) -> Array:
    """Vectors scaled to length 1 along the last axis."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def vertex_normals(vertices: Array, triangles: NDArray[np.int32]) -> Array:
    """Area-weighted normals: (V, 3) from (V, 3) vertices and (T, 3) triangles."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.stack(
        [
            sum(np.bincount(triangles[:, k], face[:, axis], len(vertices)) for k in range(3))  # at each corner
            for axis in range(3)
        ],
        axis=1,
    )
    return unit(total).astype(np.float32)


@dataclass
class Surface:
    """A mesh to draw; what is not given is zero (and fully lit).

    vertices: (V, 3) metres.
    triangles: (T, 3) vertex numbers.
    parts: (T,) material of each triangle, as in `head` and `paint`.
    normals: (V, 3).
    light: (V, 3) light on the vertex; for strands the finished colour.
    lit: (V,) share of the key light that arrives.
    regions: (V, 4) shares of lips, scalp, beard, ears.
    inside: (V, 2) inside of the mouth, upper lip.
    canonical: (V, 3) metres.
    """

    vertices: Array
    triangles: NDArray[np.int32]
    parts: NDArray[np.int32]
    normals: Array
    light: Array
    lit: Array = field(default_factory=lambda: np.ones(0, np.float32))
    regions: Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    inside: Array = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    canonical: Array = field(default_factory=lambda: np.zeros((0, 3), np.float32))

    def __post_init__(self) -> None:
        count = len(self.vertices)
        if len(self.lit) != count:
            self.lit = np.ones(count, np.float32)
        for name in ("regions", "inside", "canonical"):
            if len(getattr(self, name)) != count:
                setattr(self, name, np.zeros((count, getattr(self, name).shape[1]), np.float32))


def draw_scene(
    surfaces: list[Surface], paint: Paint, background: Array, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw all surfaces.

    surfaces: what is in front of the camera.
    paint: camera, light and colours.
    background: (size, size, 3) linear RGB.
    size: of the picture, pixels.
    Returns (size, size, 3) sRGB 0..255, and (size, size) class numbers of `idnb.faces.labels`.
    """
    starts = np.cumsum([0] + [len(s.vertices) for s in surfaces])
    corners = np.concatenate([s.triangles + start for s, start in zip(surfaces, starts, strict=False)])
    part = np.concatenate([s.parts for s in surfaces])
    order = np.argsort(part == LENS, kind="stable")  # lenses last: they get a buffer of their own
    corners, part = corners[order], part[order]
    solid = int((part != LENS).sum())

    def all_of(name: str) -> Array:
        return np.concatenate([getattr(s, name) for s in surfaces])

    # Project to samples: x to the right, y down, and one over depth.
    vertices = all_of("vertices")
    frame = np.stack([np.array(paint.right), np.array(paint.down), np.array(paint.ahead)], 1)
    right, down, depth = ((vertices - np.array(paint.camera)) @ np.linalg.inv(frame).T).T
    many = size * SAMPLES
    pixel = warp_array(np.stack([(right / depth + 1) * many / 2, (down / depth + 1) * many / 2, 1 / depth], 1), wp.vec3)
    front, lens = (wp.full((many, many), EMPTY, dtype=wp.uint64) for _ in range(2))
    for buffer, first, last in ((front, 0, solid), (lens, solid, len(part))):
        if last > first:
            some = warp_array(corners[first:last].ravel(), wp.int32)
            wp.launch(rasterise, dim=last - first, inputs=[some, first, pixel, buffer])
    image, label = wp.zeros((size, size), dtype=wp.vec3), wp.zeros((size, size), dtype=wp.int32)
    values: list[tuple[Any, Any]] = [(corners.ravel(), wp.int32), (part, wp.int32), (vertices, wp.vec3)]
    values += [(all_of(name), wp.vec3) for name in ("normals", "canonical", "light")]
    values += [(all_of("lit"), float), (all_of("regions"), wp.vec4), (all_of("inside"), wp.vec2), (background, wp.vec3)]
    inputs = [front, lens, *(warp_array(*pair) for pair in values), paint, SAMPLES, image, label]
    wp.launch(draw, dim=(size, size), inputs=inputs)
    return colours.to_srgb(image.numpy()), label.numpy().astype(np.uint8)
