"""Hair and beards: strands that grow out of the scalp and fall.

A strand starts at a root on the skin, is combed along the scalp (away from the part, to the back or to the face), gives
way to gravity, never enters the head, and ends at its length or at the cut. Strands near each other are pulled
together into locks.
"""

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from idnb.faces.render.head import SKIN, Head
from idnb.faces.render.strands import Strands

__all__ = ["beard_regions", "grow_beard", "grow_hair", "scalp_region"]

wp.set_module_options({"enable_backward": False})
Array = NDArray[np.float32]


def _ramp(low: float, high: float, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def scalp_region(head: Head, identity: dict[str, Any]) -> Array:
    """Where hair grows: (N,) share in [0, 1] for each vertex, from the hairline of this person."""
    x, y, z = head.canonical.T
    azimuth = np.abs(np.arctan2(x, -(y + 0.03)))  # 0 in front, pi behind
    receding = identity["hair.receding"]
    turns = np.array([0, 0.35, 0.62, 0.85, 1.15, 1.42, 1.6, 1.85, 2.15, 2.5, 3.15])
    height = np.array([0.778, 0.778, 0.776, 0.762, 0.738, 0.705, 0.706, 0.712, 0.672, 0.640, 0.622])
    corner = np.interp(azimuth, [0, 0.3, 0.65, 1.1, 1.3], [0.25, 0.6, 1.0, 0.3, 0])
    line = np.interp(azimuth, turns, height) - identity["hair.hairline"] + 0.03 * receding * corner
    soft = np.interp(azimuth, [0, 1.0, 1.5, 3.15], [0.006, 0.008, 0.012, 0.02])
    share = _ramp(-0.35, 0.65, (z - line) / soft)
    return np.where(head.vertex_parts == SKIN, share * (1 - head.ears), 0).astype(np.float32)


def beard_regions(head: Head, identity: dict[str, Any]) -> Array:
    """Where a beard grows: (N,) share in [0, 1] for each vertex."""
    x, y, z = head.canonical.T
    side = np.abs(x)
    off_lips = 1 - _ramp(0.25, 0.6, head.lips)
    moustache = (
        _ramp(0.640, 0.6415, z) * _ramp(0.6535, 0.6495, z) * _ramp(0.031, 0.024, side) * _ramp(-0.115, -0.122, y)
    )
    cheek_line = np.interp(side, [0.02, 0.035, 0.05, 0.065, 0.08], [0.634, 0.638, 0.650, 0.672, 0.70])
    cheek_line = cheek_line - 0.012 * (1 - identity["beard.cheeks"])
    jaw_line = np.interp(y, [-0.14, -0.10, -0.05, 0.0], [0.572, 0.583, 0.610, 0.640])
    chin = _ramp(0, -0.008, z - cheek_line) * _ramp(-0.008, 0.004, z - jaw_line) * _ramp(-0.02, -0.035, y)
    chin = chin * np.where(side < 0.026, 1, 0.25 + 0.75 * identity["beard.cheeks"])
    share = np.maximum(moustache * identity["beard.moustache"], chin * identity["beard.chin"]) * off_lips
    return np.where(head.vertex_parts == SKIN, share * (1 - head.mouth), 0).astype(np.float32)


def _roots(
    rng: np.random.Generator, head: Head, vertices: Array, normals: Array, density: Array, count: int
) -> tuple[Array, Array, Array, NDArray[np.int64]]:
    """Draw `count` roots on the skin, in proportion to area and density: positions, normals, canonical, vertex."""
    faces = head.triangles[head.parts == SKIN]
    corner = vertices[faces]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    weight = area * density[faces].mean(1)
    chosen = faces[rng.choice(len(faces), size=count, p=weight / weight.sum())]
    u, v = rng.random(count), rng.random(count)
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    share = np.stack([1 - u - v, u, v], 1).astype(np.float32)[..., None]
    keep = rng.random(count) < np.clip((density[chosen] * share[..., 0]).sum(1) * 1.4, 0, 1)

    def mix(values: Array) -> Array:
        return (values[chosen] * share).sum(1)[keep]

    normal = mix(normals)
    nearest = chosen[np.arange(count), share[..., 0].argmax(1)][keep]
    return mix(vertices), normal / np.linalg.norm(normal, axis=1, keepdims=True), mix(head.canonical), nearest


@wp.struct
class Comb:
    """What steers a strand."""

    part: float
    sweep: float
    lift: float
    curl: float
    cut: float
    fringe: float
    gather: float
    knot: wp.vec3
    eye_height: float
    face_front: float
    volume: float


@wp.kernel
def _grow(
    mesh: wp.uint64,
    root: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    canonical: wp.array(dtype=wp.vec3),
    length: wp.array(dtype=float),
    layer: wp.array(dtype=float),
    phase: wp.array(dtype=wp.vec3),
    comb: Comb,
    points: wp.array2d(dtype=wp.vec3),
):
    i = wp.tid()
    c = canonical[i]
    side = wp.clamp((c[0] - comb.part) / 0.012, -1.0, 1.0)
    top = wp.clamp((c[2] - 0.745) / 0.05, 0.0, 1.0)
    front = wp.clamp((-0.02 - c[1]) / 0.05, 0.0, 1.0)
    fringe = comb.fringe > 0.5 and front > 0.35 and top > 0.25 and wp.abs(c[0]) < 0.055
    # Combing: sideways from the part, to the face or to the back, and down the scalp.
    swept = wp.min(1.0, wp.abs(comb.sweep))
    comb_to = wp.vec3(
        side * (1.0 - 0.8 * swept), comb.sweep * (0.4 + 0.6 * top), -0.15 - 0.85 * (1.0 - top) * (1.0 - 0.5 * swept)
    )
    if fringe:
        comb_to = wp.vec3(0.25 * c[0] / 0.05, -1.0, -0.35)
    stiff = wp.clamp((comb.curl - 0.8) / 0.8, 0.0, 1.0)
    end = comb.eye_height - comb.cut + 0.016 * (phase[i][2] - 0.5)
    full = length[i]
    for _run in range(2):  # first to learn where the strand ends, then to place its points
        count = points.shape[1] - 1
        substeps = int(wp.max(2.0, wp.ceil(full / float(count) / 0.008)))
        ds = full / float(count * substeps)
        rate = wp.min(1.0, ds * 70.0)
        p = root[i]
        out = normal[i]
        d = wp.normalize(comb_to - out * wp.dot(comb_to, out) + out * (0.05 + 1.6 * comb.lift))
        points[i, 0] = p
        near = p
        hit = bool(True)
        stopped = int(0)
        along = float(0.0)
        for k in range(count):
            for m in range(substeps):
                if stopped == 0:
                    if m % 2 == 0:  # where the nearest skin is; good for two steps
                        touching = wp.mesh_query_point_no_sign(mesh, p, 0.06)
                        hit = touching.result
                        near = p - out
                        if hit:
                            near = wp.mesh_eval_position(mesh, touching.face, touching.u, touching.v)
                            out = wp.normalize(0.5 * out + 0.5 * wp.mesh_eval_face_normal(mesh, touching.face))
                    wish = comb_to
                    if comb.gather > 0.5:
                        wish = wp.normalize(comb.knot - p)
                    wish = wish - out * wp.dot(wish, out)
                    hang = wp.clamp(along / 0.08, 0.0, 1.0) * (1.0 - stiff) * (1.0 - comb.gather)
                    target = wp.normalize(wish + out * 0.001) * (1.0 - hang) * (1.0 - 0.8 * stiff) + wp.vec3(
                        0.0, 0.0, -1.0
                    ) * (hang + 0.15 * stiff)
                    target = target + out * (comb.lift * wp.exp(-along / (0.012 + 0.05 * stiff)) * 1.3 + 0.5 * stiff)
                    d = wp.normalize(d * (1.0 - rate * 0.55) + wp.normalize(target) * rate * 0.55)
                    across = wp.normalize(wp.cross(d, out) + wp.vec3(0.001, 0.0, 0.0))
                    turn = along * (170.0 + 160.0 * stiff) + phase[i][0] * 6.2832
                    wave = (across * wp.cos(turn) + wp.cross(d, across) * wp.sin(turn)) * comb.curl * 0.5
                    q = p + wp.normalize(d + wave) * ds
                    # Hair lies outside the head, the outer layers farther out; on the way down it leaves the face free.
                    hold = 0.001 + layer[i] * comb.volume * wp.min(1.0, along / 0.05 + 0.1) * (1.0 - 0.6 * comb.gather)
                    away = wp.dot(q - near, out)
                    if hit and away < hold:
                        q = q + out * wp.min(hold - away, ds * 1.2 + wp.max(0.0, 0.0006 - away))
                    if not fringe and q[2] < comb.eye_height + 0.055 and q[1] < comb.face_front + 0.07:
                        open = 0.072 - 0.2 * wp.max(0.0, q[1] - comb.face_front - 0.03)
                        if wp.abs(q[0]) < open and length[i] > 0.09:
                            q = wp.vec3(
                                q[0] + wp.sign(q[0]) * wp.min(1.3 * ds, open - wp.abs(q[0])), q[1] + 0.6 * ds, q[2]
                            )
                    along += ds
                    if q[2] < end or (fringe and q[2] < comb.eye_height + 0.020 + 0.006 * phase[i][1]):
                        stopped = 1
                    if comb.gather > 0.5 and wp.length(comb.knot - q) < 0.02:
                        stopped = 1
                    p = q
            points[i, k + 1] = p
        if stopped == 1:
            full = wp.max(along, 0.004)


def _clump(rng: np.random.Generator, points: Array, strength: float, locks: int) -> Array:
    """Pull strands towards the middle of their lock, the more the nearer the tip."""
    centre = points[rng.choice(len(points), size=min(locks, len(points)), replace=False)]
    distance = ((points[:, None, 0] - centre[None, :, 0]) ** 2).sum(-1)
    own = centre[distance.argmin(1)]
    t = np.linspace(0, 1, points.shape[1], dtype=np.float32)[None, :, None] ** 1.3
    moved = points + (own - points) * t * strength
    apart = np.linalg.norm(own - points, axis=-1, keepdims=True)
    return np.where(apart < 0.03, moved, points).astype(np.float32)  # a lock never pulls across the head


def strand_points(identity: dict[str, Any]) -> int:
    """Points along each strand of this person: few for short hair."""
    longest = max(identity["hair.top"], identity["hair.side"])
    return 4 if longest < 0.012 else (7 if longest < 0.1 and identity["hair.curl"] < 0.6 else 12)


def grow_hair(
    rng: np.random.Generator,
    head: Head,
    identity: dict[str, Any],
    vertices: Array,
    normals: Array,
    scalp: Array,
    mesh: wp.Mesh,
) -> Strands | None:
    """Grow the hair of one person; None for a bald head.

    rng: of this person. vertices, normals: (N, 3), the neutral face. scalp: (N,) from `scalp_region`.
    mesh: the neutral face, for collisions.
    """
    style = identity["hair.style"]
    if style == "bald":
        return None
    short = identity["hair.top"] < 0.012
    wanted = 5200 if short else (4200 if style in ("afro", "curls") else 3600)
    root, normal, canonical, vertex = _roots(rng, head, vertices, normals, scalp, wanted)
    count = len(root)
    top = _ramp(0.735, 0.775, canonical[:, 2])
    length = identity["hair.side"] + (identity["hair.top"] - identity["hair.side"]) * top
    length = length * rng.uniform(0.75, 1.1, count)
    layer = rng.random(count).astype(np.float32) ** 1.3 * 0.013
    eyes = (vertices[head.vertex_parts == 1].mean(0) + vertices[head.vertex_parts == 2].mean(0)) / 2
    comb = Comb()
    for name in ("part", "sweep", "lift", "curl", "fringe", "volume", "cut"):
        setattr(comb, name, float(identity[f"hair.{name}"]))
    comb.gather = float(style == "tied")
    comb.knot = wp.vec3(
        0.0,
        float(eyes[1] + (0.15 if identity["hair.bun"] else 0.2)),
        float(eyes[2] + (0.115 if identity["hair.bun"] else 0.01)),
    )
    comb.eye_height, comb.face_front = float(eyes[2]), float(eyes[1])
    strands = wp.zeros((count, strand_points(identity)), dtype=wp.vec3)
    vectors = [wp.array(np.ascontiguousarray(a, np.float32), dtype=wp.vec3) for a in (root, normal, canonical)]
    lengths = [wp.array(np.ascontiguousarray(a, np.float32), dtype=float) for a in (length, layer)]
    phase = wp.array(rng.random((count, 3)).astype(np.float32), dtype=wp.vec3)
    wp.launch(_grow, dim=count, inputs=[mesh.id, *vectors, *lengths, phase, comb, strands])
    points = strands.numpy()
    if not short:
        points = _clump(rng, points, identity["hair.clump"] * (0.5 if style == "afro" else 1), 260)
    if not identity["hair.fringe"] and identity["hair.top"] > 0.12:  # single strands never cross the face
        near = points - eyes
        across = (np.abs(near[..., 0]) < 0.067) & (near[..., 1] < 0.03) & (near[..., 2] < 0.066)
        points, vertex = points[~across.any(1)], vertex[~across.any(1)]
    shade = rng.normal(1, 0.12, len(points))
    if identity["hair.bun"]:
        bun, bun_shade = _bun(rng, np.array(comb.knot, np.float32), points.shape[1])
        points = np.concatenate([points, bun])
        shade, vertex = np.concatenate([shade, bun_shade]), np.concatenate([vertex, np.full(len(bun), vertex[0])])
    base = 0.0011 if short else (0.0030 if identity["hair.top"] > 0.12 else 0.0021)
    taper = np.linspace(1, 0.25, points.shape[1], dtype=np.float32) ** 0.7
    width = base * taper[None] * rng.uniform(0.7, 1.3, len(points))[:, None]
    beard = np.zeros(len(points), bool)
    return Strands(points.astype(np.float32), width.astype(np.float32), shade.astype(np.float32), vertex, beard)


def _bun(rng: np.random.Generator, centre: Array, along: int) -> tuple[Array, Array]:
    """A knot of hair: strands wound around a ball."""
    count = 500
    axis = rng.normal(size=(count, 3)) * [1, 1, 0.6]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    start = np.cross(axis, rng.normal(size=(count, 3)))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    turn = np.linspace(0, 2.2, along)[None, :, None]
    radius = 0.03 * rng.uniform(0.75, 1, (count, 1, 1))
    ring = start[:, None] * np.cos(turn) + np.cross(axis, start)[:, None] * np.sin(turn)
    return (centre + ring * radius * [1.1, 1.0, 0.9]).astype(np.float32), rng.normal(1, 0.15, count).astype(np.float32)


def grow_beard(
    rng: np.random.Generator, head: Head, identity: dict[str, Any], vertices: Array, normals: Array, region: Array
) -> Strands | None:
    """Grow the beard of one person; arguments as for `grow_hair`, `region` from `beard_regions`."""
    if identity["beard.length"] <= 0 or region.max() < 0.1:
        return None
    root, normal, canonical, vertex = _roots(rng, head, vertices, normals, region**1.5, 2600)
    count = len(root)
    over_lip = (canonical[:, 2] > 0.6395) & (np.abs(canonical[:, 0]) < 0.032)
    length = identity["beard.length"] * rng.uniform(0.6, 1.2, count) * np.where(over_lip, 0.4, 1)
    t = np.linspace(0, 1, strand_points(identity))[None, :, None]
    away = normal + rng.normal(0, 0.2, (count, 3))
    aside = np.stack([np.sign(canonical[:, 0]) * over_lip, np.zeros(count), -1.0 + 0.7 * over_lip], 1)
    direction = away[:, None] * (0.55 - 0.35 * t) + aside[:, None] * (0.35 + 0.7 * t)
    points = root[:, None] + direction * t * length[:, None, None]
    width = 0.0011 * np.linspace(1, 0.3, strand_points(identity))[None] * rng.uniform(0.7, 1.3, (count, 1))
    return Strands(
        points.astype(np.float32),
        width.astype(np.float32),
        rng.normal(0.9, 0.12, count).astype(np.float32),
        vertex,
        np.ones(count, bool),
    )
