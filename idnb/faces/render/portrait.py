"""A person sits for a picture: geometry, hair and light come together and are drawn.

`Person` holds what is computed once for an identity (shape, hair, how open every point is to the sky);
`Person.picture` adds one shot.
"""

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from idnb.faces.framing import ffhq_crop
from idnb.faces.render import colours
from idnb.faces.render.glasses import make_glasses
from idnb.faces.render.hair import beard_regions, grow_beard, grow_hair, scalp_region
from idnb.faces.render.head import EYE_LEFT, EYE_RIGHT, SKIN, TEETH, TONGUE, Head
from idnb.faces.render.light import sphere_directions, through_hair, visible
from idnb.faces.render.paint import BEARD, HAIR, Paint
from idnb.faces.render.scene import Surface, draw_scene, unit, vertex_normals, warp_array, warp_vector
from idnb.faces.render.strands import Strands, ribbons

__all__ = ["Person"]

Array = NDArray[np.float32]
SKY = sphere_directions(32)
HAIR_SKY = sphere_directions(14)
CELL = 0.006  # of the grid that holds how dense the hair is, metres


def _sky(directions: Array, shot: dict[str, Any]) -> Array:
    """Ambient light from each direction: (D, 3); a bright sky, a duller floor, perhaps light from behind."""
    up = directions[:, 2:3]
    tint = colours.warm(shot["light.ambient_warmth"])
    light = shot["light.ambient"] * tint * (0.75 + 0.45 * up)
    behind = np.clip(directions[:, 1:2] + 0.35 * np.abs(directions[:, :1]), 0, 1)
    return (light + 1.6 * shot["light.rim"] * behind).astype(np.float32)


def _disc(axis: Array, radius: float, count: int) -> Array:
    """Directions that fill a round light around `axis`: (count, 3)."""
    side = unit(np.cross(axis, [0.1, 0.2, 1.0]))
    k = np.arange(count) + 0.5
    r, turn = np.sqrt(k / count) * np.tan(radius), k * 2.399963
    return unit(axis + side * (r * np.cos(turn))[:, None] + np.cross(axis, side) * (r * np.sin(turn))[:, None]).astype(
        np.float32
    )


class Person:
    """One identity, ready for pictures.

    head: from `load_head`.
    identity: parameters from `people.sample_identity`.
    shots: parameters of the K pictures, from `people.sample_shot`; colours of an identity (`skin.melanin`) in one
        of them take the place of the person's own in this picture.
    rng: random numbers of the identity, for the strands of hair.
    """

    def __init__(
        self, head: Head, identity: dict[str, Any], shots: list[dict[str, Any]], rng: np.random.Generator
    ) -> None:
        self.head, self.identity, self.shots = head, identity, shots
        shapes = head.vertices(identity, shots)
        self.neutral, self.faces = shapes[0], shapes[1:]
        normals = vertex_normals(self.neutral, head.triangles)
        self.scalp = scalp_region(head, identity)
        self.beard = beard_regions(head, identity)
        skin = head.triangles[head.parts == SKIN]
        collide = wp.Mesh(points=warp_array(self.neutral, wp.vec3), indices=warp_array(skin.ravel(), wp.int32))
        grown = [
            grow_hair(rng, head, identity, self.neutral, normals, self.scalp, collide),
            grow_beard(rng, head, identity, self.neutral, normals, self.beard),
        ]
        parts = [strands for strands in grown if strands is not None]
        self.strands = (
            Strands(*(np.concatenate([getattr(p, f) for p in parts]) for f in Strands.__dataclass_fields__))
            if parts
            else None
        )
        self._place_eyes()
        ears = [self.neutral[(head.ears > 0.5) & (head.canonical[:, 0] * s > 0)] for s in (1, -1)]
        rest = [e[e[:, 2].argmax()] + np.array([0, -0.006, -0.004], np.float32) for e in ears]
        self.glasses = make_glasses(identity, self.eyes[0], self.eyes[1], self.eye_radius, rest[0], rest[1])
        self._hair_grid()
        # How much of each direction of the sky every vertex and every strand point sees.
        self.sky = self._visible(self.neutral, normals, SKY, 0.16)
        if self.strands is not None:
            self.ribbons = ribbons(self.strands)
            self.hair_sky = 0.2 + 0.8 * self._past_hair(self.strands.points.reshape(-1, 3), HAIR_SKY, 0.003)

    def _place_eyes(self) -> None:
        balls = [self.neutral[self.head.vertex_parts == part] for part in (EYE_LEFT, EYE_RIGHT)]
        self.eyes = np.stack([b.mean(0) for b in balls])
        self.eye_radius = float(np.mean([(np.ptp(b, axis=0) / 2).mean() for b in balls]))
        lips = np.flatnonzero((self.head.lips > 0.5) & (self.head.vertex_parts == SKIN))
        x = self.head.canonical[lips, 0]
        self.mouth_corners = lips[[x.argmax(), x.argmin()]]

    def _hair_grid(self) -> None:
        """How dense the hair is around the head: strand length times width in every cell of a grid."""
        if self.strands is None:
            return
        points, width = self.strands.points, self.strands.width
        step = np.linalg.norm(np.diff(points, axis=1), axis=-1)
        middle = ((points[:, 1:] + points[:, :-1]) / 2).reshape(-1, 3)  # [S * (P - 1), 3]
        self.grid_corner = middle.min(0) - CELL
        shape = np.ceil((middle.max(0) - self.grid_corner) / CELL).astype(int) + 1
        cell = np.ravel_multi_index(tuple(((middle - self.grid_corner) / CELL).astype(int).T), tuple(shape))
        area = (step * width[:, 1:]).ravel()
        self.grid = (np.bincount(cell, area, int(shape.prod())).reshape(shape) / CELL**3).astype(np.float32)

    def _past_hair(self, at: Array, to: Array, start: float) -> Array:
        """Share of light from each direction (D, 3) that the hair lets through to each point (M, 3): (M, D)."""
        if self.strands is None:
            return np.ones((len(at), len(to)), np.float32)
        out = wp.zeros((len(at), len(to)), dtype=float)
        inputs = [
            wp.array(self.grid, dtype=float),
            warp_vector(self.grid_corner),
            CELL,
            warp_array(at, wp.vec3),
            warp_array(to, wp.vec3),
            start,
            0.5,
            out,
        ]
        wp.launch(through_hair, dim=out.shape, inputs=inputs)
        return out.numpy()

    def _visible(self, vertices: Array, normals: Array, to: Array, reach: float) -> Array:
        """Share of light from each direction that reaches each vertex of the head, past head and hair: (N, D)."""
        mesh = wp.Mesh(points=warp_array(vertices, wp.vec3), indices=warp_array(self.head.triangles.ravel(), wp.int32))
        out = wp.zeros((len(vertices), len(to)), dtype=float)
        wp.launch(
            visible,
            dim=out.shape,
            inputs=[
                mesh.id,
                warp_array(vertices, wp.vec3),
                warp_array(normals, wp.vec3),
                warp_array(to, wp.vec3),
                reach,
                out,
            ],
        )
        return out.numpy() * self._past_hair(vertices + normals * 0.004, to, 0.004)

    def _camera(self, shot: dict[str, Any], face: Array, paint: Paint) -> Array:
        """Look at the face so that eyes and mouth lie where FFHQ's alignment puts them; returns the camera's place."""
        yaw, pitch = shot["pose.yaw"], shot["pose.pitch"]
        ahead = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
        right = unit(np.cross(ahead, [0.0, 0.0, 1.0]))
        up = np.cross(right, ahead)
        target = self.eyes.mean(0) + np.array([0, 0.05, -0.03])
        camera = target - ahead * shot["camera.distance"]
        pupils = self.eyes + np.array([0, -self.eye_radius, 0])
        rel = np.concatenate([pupils, face[self.mouth_corners]]) - camera
        image = np.stack([rel @ right, -(rel @ up)], 1) / (rel @ ahead)[:, None]  # x right, y down, at distance 1
        # The person's right eye and mouth corner are on the left of the image.
        centre, half = ffhq_crop(image[1], image[0], image[3], image[2])
        paint.camera = warp_vector(camera)
        paint.ahead = warp_vector(ahead + right * centre[0] - up * centre[1])
        paint.right = warp_vector(right * half[0] - up * half[1])
        paint.down = warp_vector(right * -half[1] - up * half[0])
        return camera

    def _paint(self, shot: dict[str, Any], face: Array) -> tuple[Paint, Array]:
        person, s = self.identity | shot, Paint()
        camera = self._camera(shot, face, s)
        azimuth, elevation = shot["light.azimuth"], shot["light.elevation"]
        key = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
        s.key = warp_vector(key)
        s.key_colour = warp_vector(shot["light.strength"] * colours.warm(shot["light.warmth"]))
        s.eye_left, s.eye_right = warp_vector(self.eyes[0]), warp_vector(self.eyes[1])
        # Eyes look near the camera, as far as they can turn.
        for name, eye in (("gaze_left", self.eyes[0]), ("gaze_right", self.eyes[1])):
            to = unit(camera - eye)
            yaw = np.clip(np.arctan2(to[0], -to[1]) + shot["gaze.yaw"], -0.45, 0.45)
            pitch = np.clip(np.arcsin(to[2]) + shot["gaze.pitch"], -0.25, 0.25)
            setattr(s, name, warp_vector([np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)]))
        hair = colours.hair_colour(person)
        s.skin, s.lip = warp_vector(colours.skin_colour(person)), warp_vector(colours.lip_colour(person))
        s.iris, s.cloth = warp_vector(colours.iris_colour(person)), warp_vector(colours.cloth_colour(shot))
        s.scalp = s.brow = warp_vector(hair * 0.6)
        s.frame = warp_vector([person[f"glasses.{channel}"] for channel in "rgb"])
        for field in ("redness", "shine", "freckles", "pattern"):
            setattr(s, field, float(person[f"skin.{field}"]))
        for field in ("height", "arch", "thickness", "length", "density"):
            setattr(s, f"brow_{field}", float(person[f"brow.{field}"]))
        s.stubble, s.stripes, s.vee = (
            float(person["beard.stubble"]),
            float(shot["cloth.stripes"]),
            float(shot["cloth.vee"]),
        )
        s.neckline = 0.551 + float(shot["cloth.neckline"])
        return s, key.astype(np.float32)

    def _hair_light(self, shot: dict[str, Any], s: Paint, key: Array, lamps: Array, points: Array) -> Array:
        """Light that strands send to the camera: (S * P, 3), after Kajiya and Kay 1989."""
        assert self.strands is not None
        tangents = self.ribbons[1]
        along = np.linspace(0.75, 1.12, self.strands.points.shape[1], dtype=np.float32)
        albedo = colours.hair_colour(self.identity | shot) * (self.strands.shade[:, None] * along).reshape(
            -1, 1
        )  # [S * P, 3]
        to_camera = unit(np.array(s.camera, np.float32) - points)
        cos_light, cos_view = tangents @ key, (tangents * to_camera).sum(1)
        sin_light = np.sqrt(np.maximum(1 - cos_light**2, 0))
        glint = np.maximum(sin_light * np.sqrt(np.maximum(1 - cos_view**2, 0)) - cos_light * cos_view, 0)[:, None]
        open_to_key = 0.1 + 0.9 * self._past_hair(points, lamps[[1, 4]], 0.004).mean(1, keepdims=True)
        key_light = np.array(s.key_colour, np.float32) * open_to_key
        ambient = self.hair_sky @ (_sky(HAIR_SKY, shot) * (1.5 / len(HAIR_SKY)))
        shine = 0.035 * glint**60 + 0.22 * albedo * glint**12
        return albedo * (key_light * (0.15 + 0.75 * sin_light[:, None]) + ambient) + key_light * shine

    def picture(self, index: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw one shot.

        index: of the shot, 0 <= index < K.
        size: of the image, pixels.
        Returns (size, size, 3) sRGB 0..255, and (size, size) class numbers of `idnb.faces.labels`.
        """
        shot, face = self.shots[index], self.faces[index]
        paint, key = self._paint(shot, face)
        lamps = _disc(key, shot["light.softness"], 5)
        surfaces = [self._skin(shot, face, paint, key, lamps)]
        if self.glasses is not None:
            vertices, triangles, kinds = self.glasses
            normals = vertex_normals(vertices, triangles)
            light = _sky(normals, shot) + np.array(paint.key_colour) * np.maximum(normals @ key, 0)[:, None]
            surfaces.append(Surface(vertices, triangles, kinds, normals, light))
        if self.strands is not None:
            surfaces.append(self._hair(shot, face, paint, key, lamps))
        return draw_scene(surfaces, paint, colours.background_image(shot, size), size)

    def _skin(self, shot: dict[str, Any], face: Array, paint: Paint, key: Array, lamps: Array) -> Surface:
        """Head, eyes and clothes under the light of this shot."""
        head = self.head
        normals = vertex_normals(face, head.triangles)
        # Clothes: the skin below the neckline, moved out by a few millimetres.
        line = paint.neckline + 0.2 * np.maximum(head.canonical[:, 1] + 0.06, 0)
        below = (head.canonical[:, 2] < line) & (head.vertex_parts == SKIN)
        vertices = np.where(below[:, None], face + normals * 0.003, face)
        to_key = self._visible(vertices, normals, lamps, 0.3).mean(1)
        lit = head.blur @ to_key
        # Diffuse light: the key wraps a little around the skin, red the farthest; then the sky.
        facing = normals @ key
        key_colour = np.array(paint.key_colour)
        wrap = np.array([0.26, 0.13, 0.09])
        spread = np.maximum((facing[:, None] + wrap) / (1 + wrap), 0) * lit[:, None]
        cosine = np.maximum(normals @ SKY.T, 0) * self.sky
        light = key_colour * spread + cosine @ _sky(SKY, shot) * (4 / len(SKY))
        red = light[:, :1]
        for _ in range(2):  # light travels under the skin, red the farthest
            red = head.blur @ red
        light = np.concatenate([red, head.blur @ light[:, 1:2], light[:, 2:]], 1)
        smile = shot["expression.mouthSmileLeft"]
        gape = min(1.0, 4 * shot["expression.jawOpen"] + shot["expression.mouthUpperUpLeft"] + 0.4 * smile)
        in_mouth = (head.vertex_parts == TEETH) | (head.vertex_parts == TONGUE)
        glow = (0.05 + 0.6 * gape) * (0.5 * shot["light.ambient"] + 0.2 * key_colour)
        light = np.where(in_mouth[:, None], glow, light)
        roots = self.scalp * (0.4 if self.identity["hair.style"] == "bald" else 1)
        regions = np.stack([head.lips, roots, self.beard, head.ears], 1)
        inside = np.stack([head.mouth, head.upper_lip], 1)
        return Surface(vertices, head.triangles, head.parts, normals, light, lit, regions, inside, head.canonical)

    def _hair(self, shot: dict[str, Any], face: Array, paint: Paint, key: Array, lamps: Array) -> Surface:
        """Strands with their colours; those of the beard move with the face."""
        strands = self.strands
        assert strands is not None
        along = strands.points.shape[1]
        moved = ((face - self.neutral)[strands.root] * strands.is_beard[:, None]).repeat(along, 0)  # [S * P, 3]
        vertices, _, triangles = self.ribbons
        vertices = vertices + moved.repeat(2, 0)
        colour = self._hair_light(shot, paint, key, lamps, vertices[::2]).repeat(2, 0)
        beard = strands.is_beard.repeat(2 * along)[triangles[:, 0]]
        return Surface(vertices, triangles, np.where(beard, BEARD, HAIR), np.zeros_like(vertices), colour)
