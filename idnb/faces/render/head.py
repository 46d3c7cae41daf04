"""The head: anny's mesh cut to what a portrait shows, and the regions that skin, hair and labels are painted by.

Every vertex has a *canonical* position: where it lies on anny's average head. Shape controls and expressions move
vertices but not their canonical position, so a region given in canonical metres (a brow, a hairline, the nose)
follows the face. Axes: x to the person's left, y to the back, z up. The average eyes lie at (+-0.0307, -0.113, 0.701).
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.pictures import read_picture

__all__ = ["EYE_LEFT", "EYE_RIGHT", "LASH", "SKIN", "TEETH", "TONGUE", "Head", "load_head"]

SKIN, EYE_LEFT, EYE_RIGHT, TEETH, TONGUE, LASH = range(6)
GROUPS = {
    "body": SKIN,
    "helper-l-eye": EYE_LEFT,
    "helper-r-eye": EYE_RIGHT,
    "helper-upper-teeth": TEETH,
    "helper-lower-teeth": TEETH,
    "helper-tongue": TONGUE,
    "helper-l-eyelashes-2": LASH,
    "helper-r-eyelashes-2": LASH,
}
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """anny's head with its triangles, regions and neighbourhoods; N vertices, F triangles.

    canonical: (N, 3) metres, the average head.
    triangles: (F, 3) vertex numbers.
    parts: (F,) `SKIN`, `EYE_LEFT`, ... of each triangle.
    vertex_parts: (N,) the same of each vertex.
    lips, ears, mouth: (N,) shares in [0, 1], from anny's texture masks.
    upper_lip: (N,) 1 above the line between the lips.
    blur: (N, N) sparse matrix that averages each skin vertex with its neighbours.
    """

    canonical: Array
    triangles: NDArray[np.int32]
    parts: NDArray[np.int32]
    vertex_parts: NDArray[np.int32]
    lips: Array
    ears: Array
    mouth: Array
    upper_lip: Array
    blur: scipy.sparse.csr_matrix
    kept: NDArray[np.int64]
    model: Any

    def vertices(self, identity: dict[str, Any], shots: list[dict[str, Any]]) -> Array:
        """Shape the head for one person.

        identity: parameters from `people.sample_identity`.
        shots: parameters from `people.sample_shot`, K of them.
        Returns (1 + K, N, 3) metres: the neutral face, then one face a shot.
        """
        phenotype = {k.removeprefix("phenotype."): v for k, v in identity.items() if k.startswith("phenotype.")}
        local: dict[str, float] = {}
        for key, value in identity.items():
            if key.startswith("shape.") and not key.startswith("shape.asymmetry."):
                control = key.removeprefix("shape.")
                offset = identity.get(f"shape.asymmetry.{control}", 0.0)
                if control in self.model.local_change_labels:
                    local[control] = value
                else:
                    local[f"l-{control}"], local[f"r-{control}"] = value + offset, value - offset
        neutral: dict[str, Any] = {}
        return np.concatenate([self._face(phenotype, local, shot) for shot in (neutral, *shots)])

    @torch.no_grad()
    def _face(self, phenotype: dict[str, float], local: dict[str, float], shot: dict[str, Any]) -> Array:
        """One face, (1, N, 3) metres, by itself: beside others, sums are taken in another order on some processors."""

        def column(value: float) -> torch.Tensor:
            return torch.tensor([value], dtype=torch.float32)

        expression = {k.removeprefix("expression."): v for k, v in shot.items() if k.startswith("expression.")}
        out = self.model(
            pose_parameters=torch.eye(4)[None, None].repeat(1, self.model.bone_count, 1, 1),
            phenotype_kwargs={k: column(v) for k, v in phenotype.items()},
            local_changes_kwargs={k: column(v) for k, v in local.items()},
            facial_actions={n: column(v) for n, v in sorted(expression.items())},
        )
        return out["rest_vertices"].numpy()[:, self.kept].astype(np.float32)


def _read_obj(path: Path) -> tuple[dict[str, list[list[tuple[int, int]]]], Array]:
    """Read faces (vertex and texture numbers from 0) by group, and texture coordinates."""
    groups: dict[str, list[list[tuple[int, int]]]] = {}
    texture, group = [], ""
    for line in path.read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "g":
            group = words[1]
        elif words[0] == "vt":
            texture.append([float(words[1]), float(words[2])])
        elif words[0] == "f":
            corners = [[*w.split("/"), "1"][:2] for w in words[1:]]
            groups.setdefault(group, []).append([(int(v) - 1, int(t or 1) - 1) for v, t in corners])
    return groups, np.array(texture, dtype=np.float32)


@functools.lru_cache(maxsize=1)
def load_head() -> Head:
    """Load the head; the first time on a machine anny builds its cache, which takes a few minutes.

    Returns the head, the same object at every call.
    Raises InputError when the packages of the extra `render` are missing.
    """
    try:
        import warp

        warp.config.quiet = True  # before anny imports it
        import anny
    except ImportError as error:
        raise InputError("Rendering people needs anny and warp-lang: pip install 'idnb[render]'") from error
    warp.set_device("cpu")
    model = (
        anny.Anny(topology="makehuman-full", local_changes="all", facial_actions="all", phenotypes="all").eval().float()
    )
    data = Path(anny.__file__).parent / "data" / "mpfb2"
    groups, texture = _read_obj(data / "3dobjs" / "base.obj")
    with torch.no_grad():
        neutral = model(
            pose_parameters=torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1),
            phenotype_kwargs={"age": torch.tensor([0.7])},
        )
    everything = neutral["rest_vertices"][0].numpy().astype(np.float32)
    eyes = np.unique([v for name in ("helper-l-eye", "helper-r-eye") for f in groups[name] for v, _ in f])
    centre = everything[eyes].mean(0)
    everything = everything + (np.array([0, -0.113, 0.701], np.float32) - centre * [0, 1, 1]).astype(np.float32)

    triangles, parts = [], []
    uv = np.zeros((len(everything), 2), np.float32)
    for name, part in GROUPS.items():
        for face in groups[name]:
            corners = [v for v, _ in face]
            for v, t in face:
                uv[v] = texture[t]
            if part == SKIN and (everything[corners, 2].min() < 0.43 or abs(everything[corners, 0]).max() > 0.21):
                continue
            for a, b, c in [(0, 1, 2), (0, 2, 3)][: len(corners) - 2]:
                triangles.append([corners[a], corners[b], corners[c]])
                parts.append(part)
    used = np.array(triangles)
    kept, flat = np.unique(used, return_inverse=True)
    local = flat.reshape(used.shape).astype(np.int32)
    part_of = np.array(parts, dtype=np.int32)
    vertex_parts = np.zeros(len(kept), np.int32)
    vertex_parts[local[:, 0]] = vertex_parts[local[:, 1]] = vertex_parts[local[:, 2]] = part_of
    canonical = everything[kept]

    def mask(name: str) -> Array:
        image = np.asarray(read_picture(data / "textures" / f"mpfb_{name}.jpg").convert("L"), np.float32) / 255
        size = len(image)
        column = np.clip(uv[kept, 0] * size, 0, size - 1).astype(int)
        row = np.clip((1 - uv[kept, 1]) * size, 0, size - 1).astype(int)
        return np.where(vertex_parts == SKIN, image[row, column], 0).astype(np.float32)

    edges = np.concatenate([local[:, [0, 1]], local[:, [1, 2]], local[:, [2, 0]]])
    edges = edges[vertex_parts[edges[:, 0]] == SKIN]
    edges = np.concatenate([edges, edges[:, ::-1], np.repeat(np.arange(len(kept))[:, None], 2, 1)])
    links = scipy.sparse.csr_matrix(
        (np.ones(len(edges), np.float32), (edges[:, 0], edges[:, 1])), shape=[len(kept)] * 2
    )
    links.data[:] = 1
    blur = scipy.sparse.diags(1 / np.asarray(links.sum(1)).ravel()) @ links
    jaw_open = model.blendshapes[model.blendshape_labels.index("facial_action:jawOpen")].numpy()[kept]
    lower = (-jaw_open[:, 2] > 0.35 * -jaw_open[:, 2].min()).astype(np.float32)
    return Head(
        canonical,
        local,
        part_of,
        vertex_parts,
        mask("lips"),
        mask("ears"),
        mask("inside-mouth"),
        1 - lower,
        blur.tocsr(),
        kept,
        model,
    )
