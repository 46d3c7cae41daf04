"""One door to all faces: rendered sets by name or folder, CelebA-HQ, plain folders of photos."""

from __future__ import annotations

from pathlib import Path

from idnb.core.errors import InputError
from idnb.faces import synthetic
from idnb.faces.celeba_split import SPLITS
from idnb.faces.celebahq import CelebAMaskHQ, celebahq_root
from idnb.faces.photo_faces import PhotoFaces
from idnb.faces.photo_folder import PhotoFolder
from idnb.faces.synthetic import Faces

__all__ = ["load_faces", "open_photos"]


def load_faces(name: str | Path, split: str | None = None, otherwise: str | None = None) -> Faces | PhotoFaces:
    """Open a set of people.

    name: "test" or "starter" (bundled), the folder of a set made by `idnb render`, the folder of CelebAMask-HQ, or
        any folder of aligned photos. `FOLDER@train` stands for `split="train"`.
    split: "train", "val" or "test", for CelebAMask-HQ only; None takes all images.
    otherwise: the split of CelebAMask-HQ where none is asked for; of other sets all images are taken.
    Returns the set: `len`, `identity`, `images(rows, size)`, `label_maps(rows, size)` and `select` are the same for
    all.
    Raises InputError: no such set; the message lists the bundled ones. Or a folder from which files are missing.
    """
    text, at, suffix = str(name).rpartition("@")
    if at and suffix in SPLITS and not Path(name).exists():
        name, split = text, split or suffix
    folder = Path(name)
    bundled = (synthetic.BUNDLED_SETS / str(name) / "card.json").is_file()
    if bundled or (folder / "card.json").is_file() or not folder.is_dir():
        if split is not None:
            raise InputError(f"{name}: only CelebAMask-HQ has a split; leave split={split!r} out")
        return synthetic.load_rendered(name)
    return open_photos(folder, split or (otherwise if celebahq_root(folder) else None))


def open_photos(
    folder: str | Path, split: str | None = None, order: str | None = None, allow_missing: bool = False
) -> PhotoFaces:
    """Open a folder of photographs.

    folder: of CelebAMask-HQ, or any other folder of aligned photos.
    split: see `load_faces`.
    order: of index maps: "celebamask", "face-parsing", or None to look at them.
    allow_missing: take CelebAMask-HQ as far as it is there.
    Returns the set.
    Raises InputError as `load_faces`.
    """
    if celebahq_root(folder) is not None:
        return CelebAMaskHQ(folder, split, order, allow_missing)
    if split is not None:
        raise InputError(f"{folder}: only CelebAMask-HQ has a split; leave split={split!r} out")
    return PhotoFolder(folder, order)
