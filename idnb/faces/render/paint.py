"""Colour: the warp kernel that turns triangles with light at their vertices into pixels and class numbers.

Colours are painted in canonical coordinates (see `head`), so that they follow every face shape and expression.
"""

import warp as wp

__all__ = ["BEARD", "GLASSES", "HAIR", "LENS", "Paint", "draw"]

# Materials beside those of `head`: 0 skin, 1 and 2 eyes, 3 teeth, 4 tongue, 5 lashes, 6 cloth.
GLASSES, LENS, HAIR, BEARD = 7, 8, 9, 10
wp.set_module_options({"enable_backward": False, "fast_math": True})

# Class numbers of idnb.faces.labels, as warp constants.
_SKIN, _NOSE, _GLASSES, _LEYE, _REYE = wp.constant(1), wp.constant(2), wp.constant(3), wp.constant(4), wp.constant(5)
_LBROW, _RBROW, _LEAR, _REAR = wp.constant(6), wp.constant(7), wp.constant(8), wp.constant(9)
_MOUTH, _ULIP, _LLIP, _HAIR = wp.constant(10), wp.constant(11), wp.constant(12), wp.constant(13)
_NECK, _CLOTH = wp.constant(17), wp.constant(18)


@wp.struct
class Paint:
    """Everything that is one number or colour in a picture; lengths in canonical metres, colours linear RGB."""

    camera: wp.vec3
    right: wp.vec3  # of the crop, half its side, on the image plane at distance 1
    down: wp.vec3
    ahead: wp.vec3  # to the middle of the crop
    key: wp.vec3
    key_colour: wp.vec3
    eye_left: wp.vec3
    eye_right: wp.vec3
    gaze_left: wp.vec3
    gaze_right: wp.vec3
    skin: wp.vec3
    lip: wp.vec3
    scalp: wp.vec3
    brow: wp.vec3
    iris: wp.vec3
    cloth: wp.vec3
    frame: wp.vec3
    redness: float
    shine: float
    freckles: float
    pattern: float
    stubble: float
    brow_height: float
    brow_arch: float
    brow_thickness: float
    brow_length: float
    brow_density: float
    stripes: float
    neckline: float
    vee: float


@wp.func
def _ramp(a: float, b: float, x: float) -> float:
    t = wp.clamp((x - a) / (b - a), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def _bump(c: wp.vec3, x: float, y: float, z: float, r: float) -> float:
    """A soft spot of radius r around canonical (|x|, y, z)."""
    dx = wp.abs(c[0]) - x
    return wp.exp(-(dx * dx + (c[1] - y) * (c[1] - y) + (c[2] - z) * (c[2] - z)) / (r * r))


@wp.func
def _brow(c: wp.vec3, s: Paint, seed: wp.uint32) -> float:
    """Share of brow hair at a canonical position."""
    t = (wp.abs(c[0]) - 0.0100) / (s.brow_length + 0.012)
    if t < -0.05 or t > 1.05 or c[1] > -0.06:
        return 0.0
    rise = wp.where(t < 0.62, t / 0.62, 1.0 - 0.9 * (t - 0.62) / 0.38)
    middle = 0.7222 + s.brow_height + s.brow_arch * rise + 0.0008 * wp.noise(seed, c * 350.0)
    thick = s.brow_thickness * (1.0 - 0.72 * wp.max(t - 0.25, 0.0)) * (0.75 + 0.25 * _ramp(-0.05, 0.2, t))
    across = 1.0 - _ramp(thick * 0.55, thick * 1.35, wp.abs(c[2] - middle))
    hairs = 0.8 + 0.35 * wp.noise(seed, wp.vec3(c[0] * 900.0 + c[2] * 500.0 * wp.sign(c[0]), 0.0, c[2] * 260.0))
    return wp.clamp(across * _ramp(-0.05, 0.14, t) * (1.0 - _ramp(0.88, 1.04, t)) * hairs, 0.0, 1.0) * s.brow_density


@wp.func
def _is_cloth(c: wp.vec3, s: Paint) -> bool:
    """Canonical region below the neckline."""
    line = s.neckline + 0.20 * wp.max(c[1] + 0.06, 0.0)
    if c[1] < -0.02:
        line -= 0.8 * s.vee * wp.max(0.05 - wp.abs(c[0]), 0.0)
    return c[2] < line


@wp.func
def _is_neck(c: wp.vec3) -> bool:
    """Canonical region below the jaw."""
    jaw = 0.584 + 0.62 * wp.max(c[1] + 0.135, 0.0)
    if c[1] > -0.05:
        jaw = 0.6367 + 0.1 * (c[1] + 0.05)
    return c[2] < jaw


@wp.func
def _is_nose(c: wp.vec3) -> bool:
    """Canonical region that face parsing calls the nose."""
    down = (0.700 - c[2]) / 0.046
    return down > 0.0 and c[2] > 0.6515 and wp.abs(c[0]) < 0.0065 + 0.0125 * _ramp(0.15, 0.85, down) and c[1] < -0.118


@wp.struct
class Material:
    """What a point is made of: colour under white light, gloss and its sharpness, normal, and its class number."""

    albedo: wp.vec3
    gloss: float
    sharp: float
    normal: wp.vec3
    kind: int


@wp.func
def _skin(c: wp.vec3, region: wp.vec4, mouth: wp.vec2, s: Paint, seed: wp.uint32, m: Material) -> Material:
    """Skin at a canonical position; region: lips, scalp, beard, ears; mouth: inside of the mouth, upper lip."""
    m.kind = _SKIN
    # Blood near the surface: cheeks, nose, ears, chin; darker and cooler under the eyes.
    red = 0.75 * _bump(c, 0.042, -0.115, 0.665, 0.022) + 0.8 * _bump(c, 0.0, -0.155, 0.662, 0.016)
    red = red + 0.5 * region[3] + 0.35 * _bump(c, 0.0, -0.135, 0.595, 0.018) + 0.2 * wp.noise(seed, c * 60.0)
    red = red * s.redness
    albedo = wp.cw_mul(s.skin, wp.vec3(1.0 + 0.10 * red, 1.0 - 0.17 * red, 1.0 - 0.17 * red))
    shadow = 0.16 * _bump(c, 0.030, -0.125, 0.689, 0.011) + 0.10 * _bump(c, 0.024, -0.12, 0.708, 0.010)
    albedo = wp.cw_mul(albedo, wp.vec3(1.0 - shadow, 1.0 - 1.15 * shadow, 1.0 - 0.9 * shadow))
    albedo = albedo * (1.0 + 0.045 * wp.noise(seed, c * 140.0) + 0.03 * wp.noise(seed, c * 420.0))
    spot = _ramp(0.30, 0.55, wp.noise(seed, c * 520.0)) * (_bump(c, 0.028, -0.13, 0.676, 0.026) + 0.4)
    albedo = albedo * (1.0 - 0.35 * spot * s.freckles)
    if _is_nose(c):
        m.kind = _NOSE
    if region[3] > 0.45:
        m.kind = wp.where(c[0] > 0.0, _LEAR, _REAR)
    elif _is_neck(c):
        m.kind = _NECK
    # Stubble and the roots of the beard, the scalp under the hair, brows.
    dark = wp.clamp(region[2] * s.stubble * (0.75 + 0.35 * wp.noise(seed, c * 700.0)), 0.0, 0.85)
    albedo = albedo * (1.0 - dark) + s.scalp * dark
    dark = wp.clamp(region[1] * (0.85 + 0.25 * wp.noise(seed, c * 500.0)), 0.0, 0.96)
    albedo = albedo * (1.0 - dark) + s.scalp * dark
    brow = _brow(c, s, seed)
    albedo = albedo * (1.0 - brow) + s.brow * brow
    if region[1] > 0.6:
        m.kind = _HAIR
    if brow > 0.42:
        m.kind = wp.where(c[0] > 0.0, _LBROW, _RBROW)
    lips = _ramp(0.30, 0.62, region[0])
    crease = 1.0 + 0.10 * wp.noise(seed, wp.vec3(c[0] * 900.0, 0.0, c[2] * 120.0))
    m.albedo = albedo * (1.0 - lips) + s.lip * lips * crease
    m.gloss = (0.05 + 0.06 * s.shine) * (1.0 - 0.8 * wp.max(brow, region[1])) + 0.09 * lips
    if region[0] > 0.46:
        m.kind = wp.where(mouth[1] > 0.5, _ULIP, _LLIP)
    if mouth[0] > 0.5 and region[0] < 0.5:
        m.kind = _MOUTH
        m.albedo = wp.vec3(0.25, 0.07, 0.06)
    return m


@wp.func
def _eye(p: wp.vec3, centre: wp.vec3, gaze: wp.vec3, s: Paint, seed: wp.uint32, m: Material) -> Material:
    """An eyeball: white, iris with a dark rim, pupil, and a bulging cornea."""
    n = wp.normalize(p - centre)
    angle = wp.acos(wp.clamp(wp.dot(n, gaze), -1.0, 1.0))
    sideways = wp.acos(wp.clamp(-n[1], -1.0, 1.0))
    white = wp.vec3(0.50, 0.46, 0.43) * (1.0 - 0.45 * _ramp(0.25, 0.85, sideways))
    streak = 1.0 + 0.25 * wp.noise(seed, wp.cross(n, gaze) * 14.0)
    iris = s.iris * (0.75 + 0.75 * _ramp(0.14, 0.36, angle)) * streak * (1.0 - 0.65 * _ramp(0.36, 0.43, angle))
    outside, open = _ramp(0.41, 0.46, angle), _ramp(0.13, 0.17, angle)
    m.albedo = (iris * (1.0 - outside) + white * outside) * open + wp.vec3(0.008, 0.008, 0.008) * (1.0 - open)
    m.normal = wp.normalize(n + gaze * 0.35 * (1.0 - _ramp(0.35, 0.5, angle)))
    m.gloss = 0.6
    m.sharp = 160.0
    return m


@wp.func
def _material(
    part: int, p: wp.vec3, n: wp.vec3, c: wp.vec3, region: wp.vec4, mouth: wp.vec2, s: Paint, seed: wp.uint32
) -> Material:
    """The material of a point p with normal n and canonical position c."""
    m = Material()
    m.normal = n
    m.sharp = 22.0
    if part == 0 and not _is_cloth(c, s):
        m = _skin(c, region, mouth, s, seed, m)
    elif part == 1:
        m.kind = _LEYE
        m = _eye(p, s.eye_left, s.gaze_left, s, seed, m)
    elif part == 2:
        m.kind = _REYE
        m = _eye(p, s.eye_right, s.gaze_right, s, seed, m)
    elif part == 3:
        m.kind = _MOUTH
        m.albedo = wp.vec3(0.72, 0.68, 0.60)
        m.gloss = 0.15
    elif part == 4:
        m.kind = _MOUTH
        m.albedo = wp.vec3(0.42, 0.14, 0.13)
        m.gloss = 0.05 + 0.06 * s.shine
    elif part == 5:
        m.kind = wp.where(c[0] > 0.0, _LEYE, _REYE)
        m.albedo = s.skin * 0.22
    elif part == 7:
        m.kind = _GLASSES
        m.albedo = s.frame
        m.gloss = 0.35
        m.sharp = 40.0
    else:
        m.kind = _CLOTH
        stripe = s.stripes * _ramp(-0.2, 0.2, wp.sin(c[2] * 700.0))
        m.albedo = s.cloth * (1.0 - stripe) * (1.0 + 0.12 * wp.noise(seed, c * 300.0))
    return m


@wp.kernel
def draw(
    front: wp.array2d(dtype=wp.uint64),
    lens: wp.array2d(dtype=wp.uint64),
    corners: wp.array(dtype=wp.int32),
    part: wp.array(dtype=wp.int32),
    vertex: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    canonical: wp.array(dtype=wp.vec3),
    light: wp.array(dtype=wp.vec3),
    lit: wp.array(dtype=float),
    regions: wp.array(dtype=wp.vec4),
    inside: wp.array(dtype=wp.vec2),
    background: wp.array2d(dtype=wp.vec3),
    s: Paint,
    samples: int,
    image: wp.array2d(dtype=wp.vec3),
    label: wp.array2d(dtype=wp.int32),
):
    """Colour one picture: the mean of samples x samples points a pixel; the label is that of one next to its middle."""
    i, j = wp.tid()
    seed = wp.rand_init(int(s.pattern))
    total = wp.vec3(0.0, 0.0, 0.0)
    empty = wp.uint64(0) - wp.uint64(1)
    for k in range(samples * samples):
        y, x = i * samples + k / samples, j * samples + k % samples
        size = float(front.shape[0])
        d = wp.normalize(
            s.ahead + s.right * ((float(x) + 0.5) / size * 2.0 - 1.0) + s.down * ((float(y) + 0.5) / size * 2.0 - 1.0)
        )
        colour = background[i, j]
        kind = int(0)
        found = front[y, x]
        behind_lens = (lens[y, x] != empty) and ((lens[y, x] >> wp.uint64(24)) < (found >> wp.uint64(24)))
        if found != empty:
            f = int(found & wp.uint64(16777215))
            a = corners[3 * f]
            b = corners[3 * f + 1]
            c3 = corners[3 * f + 2]
            # Where the ray meets the triangle, in shares of its corners.
            e1, e2, o = vertex[b] - vertex[a], vertex[c3] - vertex[a], s.camera - vertex[a]
            h = wp.cross(d, e2)
            g = wp.cross(o, e1)
            scale = 1.0 / wp.dot(e1, h)
            v = wp.clamp(wp.dot(o, h) * scale, 0.0, 1.0)
            w = wp.clamp(wp.dot(d, g) * scale, 0.0, 1.0 - v)
            u = 1.0 - v - w
            p = vertex[a] * u + vertex[b] * v + vertex[c3] * w
            n = wp.normalize(normal[a] * u + normal[b] * v + normal[c3] * w)
            c = canonical[a] * u + canonical[b] * v + canonical[c3] * w
            e = light[a] * u + light[b] * v + light[c3] * w
            open = lit[a] * u + lit[b] * v + lit[c3] * w
            region = regions[a] * u + regions[b] * v + regions[c3] * w  # lips, scalp, beard, ears
            mouth = inside[a] * u + inside[b] * v + inside[c3] * w  # inside of the mouth, upper lip
            kind = wp.where(part[f] == 9, _HAIR, _SKIN)
            colour = e  # strands carry their finished colour
            if part[f] < 9:
                m = _material(part[f], p, n, c, region, mouth, s, seed)
                kind = m.kind
                if part[f] == 0 and kind == _MOUTH:
                    e = e * 0.5
                half = wp.normalize(s.key - d)
                glint = m.gloss * wp.pow(wp.max(0.0, wp.dot(m.normal, half)), m.sharp) * open
                rim = 0.25 * m.gloss * wp.pow(1.0 - wp.max(0.0, -wp.dot(m.normal, d)), 4.0)
                colour = wp.cw_mul(m.albedo, e) + s.key_colour * glint + e * rim
        if behind_lens:
            colour = colour * 0.93 + wp.vec3(0.012, 0.013, 0.015)
            if kind != _LEYE and kind != _REYE and kind != _LBROW and kind != _RBROW and kind != _HAIR:
                kind = _GLASSES
        if k == samples * samples / 2:
            label[i, j] = kind
        total += colour
    image[i, j] = total / float(samples * samples)
