"""Where light arrives: the warp kernels that ask, for points on the head and in the hair, which directions are open.

Directions are fixed, not random, so that light has no noise.
"""

import numpy as np
import warp as wp
from numpy.typing import NDArray

__all__ = ["sphere_directions", "through_hair", "visible"]

wp.set_module_options({"enable_backward": False, "fast_math": True})


def sphere_directions(count: int) -> NDArray[np.float32]:
    """Spread `count` unit vectors evenly over the sphere (Fibonacci lattice): (count, 3)."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    turn = np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], 1).astype(np.float32)


@wp.kernel
def visible(
    head: wp.uint64,
    position: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    reach: float,
    out: wp.array2d(dtype=float),
):
    """Whether light from each direction reaches each vertex of the head: 0 in shadow, 1 in the open."""
    i, j = wp.tid()
    d = directions[j]
    n = normal[i]
    light = float(0.0)
    if wp.dot(n, d) > 0.0 and not wp.mesh_query_ray_anyhit(head, position[i] + n * 0.0012, d, reach):
        light = 1.0
    out[i, j] = light


@wp.kernel
def through_hair(
    density: wp.array3d(dtype=float),
    corner: wp.vec3,
    cell: float,
    position: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    start: float,
    thickness: float,
    out: wp.array2d(dtype=float),
):
    """Share of light from each direction that passes the hair on its way to each point (Beer and Lambert)."""
    i, j = wp.tid()
    step = cell * 1.1
    p = position[i] + directions[j] * start
    depth = float(0.0)
    for _k in range(14):
        q = (p - corner) / cell
        a, b, c = int(wp.floor(q[0])), int(wp.floor(q[1])), int(wp.floor(q[2]))
        if a >= 0 and b >= 0 and c >= 0 and a < density.shape[0] and b < density.shape[1] and c < density.shape[2]:
            depth += density[a, b, c] * step
        p += directions[j] * step
    out[i, j] = wp.exp(-thickness * depth)
