"""Readers of pictures for `tools.fuzz`: single pictures, contours, photo folders, rendered sets."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from idnb.faces.set_files import set_checksum, set_files
from idnb.faces.synthetic import BUNDLED_SETS

__all__ = ["PICTURES", "Target"]


class Target(NamedTuple):
    """make: fills an empty folder with valid files. read: reads them all and says what is wrong with the answer, or
    nothing. weight: how often it is drawn; those that take long are drawn less."""

    make: Callable[[Path], object]
    read: Callable[[Path], str | None]
    weight: int = 4


def noise(side: int = 64, seed: int = 0) -> Image.Image:
    """A picture of smooth noise."""
    small = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def face_map(side: int = 64) -> np.ndarray:
    """Class numbers of a face of stripes: hair, skin, neck, clothes."""
    labels = np.zeros((side, side), np.uint8)
    for name, top, bottom in ((13, 4, 20), (1, 20, 48), (17, 48, 56), (16, 56, 64)):
        labels[top:bottom, 12:52] = name
    return labels


def pictures(suffix: str, **options: Any) -> Target:
    """One picture of a kind."""

    def read(folder: Path) -> str | None:
        from idnb.faces.photo import photo_to_tensor

        return out_of_range(photo_to_tensor(folder / f"a.{suffix}"))

    return Target(lambda folder: noise().save(folder / f"a.{suffix}", **options), read)


def out_of_range(images: torch.Tensor) -> str | None:
    """What is wrong with images in [-1, 1], or nothing."""
    return None if bool(((images >= -1) & (images <= 1)).all()) else "pixels outside [-1, 1]"


def make_contours(folder: Path) -> None:
    """A label map, a sketch and a low-resolution picture."""
    Image.fromarray(face_map()).save(folder / "label_map.png")
    paper = np.full((64, 64), 255, np.uint8)
    paper[20:22, 10:50] = paper[40:42, 10:50] = 0
    Image.fromarray(paper).save(folder / "sketch.png")
    noise().save(folder / "low_res.png")


def read_contours(folder: Path) -> str | None:
    """Every contour is read, whatever becomes of the others; then the first error is raised."""
    from idnb.contours.kinds import contour_from_file

    errors = []
    for kind in ("label_map", "sketch", "low_res"):
        try:
            found = contour_from_file(folder / f"{kind}.png", kind, 64)
        except ValueError as error:
            errors.append(error)
            continue
        if not bool(torch.isfinite(found.float()).all()) or (kind == "label_map" and int(found.max()) > 18):
            return f"{kind} holds {found.min()} to {found.max()}"
    if errors:
        raise errors[0]
    return None


def make_photos(folder: Path) -> None:
    """Four photos of two people with label maps, and a list of who is who."""
    for i in range(4):
        for path in (folder / f"p{i % 2}" / f"{i}.jpg", folder / "labels" / f"p{i % 2}" / f"{i}.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
        noise(seed=i).save(folder / f"p{i % 2}" / f"{i}.jpg")
        Image.fromarray(face_map()).save(folder / "labels" / f"p{i % 2}" / f"{i}.png")
    (folder / "identities.txt").write_text("".join(f"p{i % 2}/{i}.jpg {i % 2}\n" for i in range(4)))


def make_celeba(folder: Path) -> None:
    """CelebAMask-HQ with three images, its mapping, and CelebA's list of people."""
    (folder / "CelebA-HQ-img").mkdir()
    (folder / "CelebAMask-HQ-mask-anno" / "0").mkdir(parents=True)
    lines = ["idx orig_idx orig_file"]
    for i in range(3):
        noise(seed=i).save(folder / "CelebA-HQ-img" / f"{i}.jpg")
        lines.append(f"{i} {i} {i + 1:06d}.jpg")
        for name, value in (("hair", 13), ("skin", 1), ("neck", 17)):
            mask = np.where(face_map() == value, 255, 0).astype(np.uint8)
            Image.fromarray(mask).save(folder / "CelebAMask-HQ-mask-anno" / "0" / f"{i:05d}_{name}.png")
    (folder / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(lines))
    (folder / "identity_CelebA.txt").write_text("".join(f"{i + 1:06d}.jpg {i}\n" for i in range(3)))


def read_photos(folder: Path) -> str | None:
    """A folder of photographs: report, pictures, label maps."""
    from idnb.faces.sources import load_faces

    faces: Any = load_faces(folder)
    faces.check(decode=True).text()
    labels = faces.label_maps(range(len(faces))) if faces.has_label_maps else torch.zeros(1)
    return out_of_range(faces.images(range(len(faces)))) or (None if int(labels.max()) < 19 else "labels above 18")


def make_set(folder: Path) -> None:
    """Two rendered people."""
    source = BUNDLED_SETS / "test"
    for i in range(2):
        for path in set_files(source, i):
            (folder / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, folder / path.parent.name)
    rows = gzip.decompress((source / "people.csv.gz").read_bytes()).decode().splitlines()[:9]
    (folder / "people.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    card = json.loads((source / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({k: v for k, v in card.items() if k != "sha256"} | {"identities": 2}))


def make_finished_set(folder: Path) -> None:
    """Two rendered people, with the checksum of their files in the card."""
    make_set(folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"sha256": set_checksum(folder)}))


def read_set(folder: Path) -> str | None:
    """A rendered set: pictures and label maps."""
    from idnb.faces.sources import load_faces
    from idnb.faces.synthetic import finished

    faces = finished(load_faces(folder), lambda text: None)
    labels = faces.label_maps(range(len(faces)))
    return out_of_range(faces.images(range(len(faces)))) or (None if int(labels.max()) < 19 else "labels above 18")


PICTURES: dict[str, Target] = {
    "jpeg": pictures("jpg"),
    "png": pictures("png"),
    "webp": pictures("webp"),
    "gif": pictures("gif"),
    "bmp": pictures("bmp"),
    "tiff": pictures("tif", compression="tiff_lzw"),
    "contours": Target(make_contours, read_contours),
    "photos": Target(make_photos, read_photos),
    "celeba": Target(make_celeba, read_photos),
    "set": Target(make_set, read_set, 6),
    "finished_set": Target(make_finished_set, read_set, 4),
}
"""Name -> what is read."""
