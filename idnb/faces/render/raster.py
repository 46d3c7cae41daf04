"""Which triangle is in front: the warp kernel that fills a buffer of depths."""

import warp as wp

__all__ = ["rasterise"]

wp.set_module_options({"enable_backward": False, "fast_math": True})


@wp.kernel
def rasterise(
    corners: wp.array(dtype=wp.int32),
    first: int,
    pixel: wp.array(dtype=wp.vec3),
    buffer: wp.array2d(dtype=wp.uint64),
):
    """Which triangle is in front at each sample: the buffer keeps depth (upper bits) and triangle (lower bits)."""
    f = wp.tid()
    a, b, c = pixel[corners[3 * f]], pixel[corners[3 * f + 1]], pixel[corners[3 * f + 2]]
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if wp.abs(area) < 1.0e-9:
        return
    size = buffer.shape[0]
    left = wp.max(0, int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])) - 0.5)))
    right = wp.min(size - 1, int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])) - 0.5)))
    top = wp.max(0, int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])) - 0.5)))
    bottom = wp.min(size - 1, int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])) - 0.5)))
    for i in range(top, bottom + 1):
        for j in range(left, right + 1):
            x, y = float(j) + 0.5, float(i) + 0.5
            u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
            v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
            w = 1.0 - u - v
            if u >= 0.0 and v >= 0.0 and w >= 0.0:
                z = 1.0 / (u * a[2] + v * b[2] + w * c[2])  # pixel[...][2] is 1 / depth
                wp.atomic_min(buffer, i, j, (wp.uint64(z * 1.0e8) << wp.uint64(24)) | wp.uint64(first + f))
