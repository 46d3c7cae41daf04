"""Small folders laid out exactly as the public sets are; every pixel in them is drawn here."""

from pathlib import Path

import numpy as np
from PIL import Image

from idnb.faces.celeba_split import MAPPING_FILE
from idnb.faces.labels import LABEL_NAMES, PARSING_ORDER

# Number in CelebA-HQ -> number of its file in CelebA and the person, on both sides of both borders of the split.
MEMBERS = {0: (119_614, 7), 1: (162_770, 7), 2: (162_771, 8), 3: (182_637, 8), 4: (182_638, 9), 2001: (202_599, 9)}


def label_map(seed: int = 0, side: int = 512) -> np.ndarray:
    """A face of boxes: hair on top, skin, eyes, lips, below it the neck and clothes: (side, side) official numbers."""
    labels = np.zeros((side, side), np.uint8)
    unit, shift = side // 16, seed % 3
    for name, (top, bottom, left, right) in {
        "hair": (1, 9, 3, 13), "skin": (3, 12, 4, 12), "nose": (6, 8, 7, 9), "l_eye": (5, 6, 9, 10),
        "r_eye": (5, 6, 6, 7), "u_lip": (9, 10, 6, 10), "l_lip": (10, 11, 6, 10), "neck": (12, 14, 6, 10),
        "cloth": (14, 16, 2, 14),
    }.items():  # fmt: skip
        labels[top * unit : bottom * unit, left * unit + shift : right * unit + shift] = LABEL_NAMES.index(name)
    return labels


def other_order(labels: np.ndarray) -> np.ndarray:
    """The same map with the class numbers of the face-parsing networks."""
    return np.array([PARSING_ORDER.index(name) for name in LABEL_NAMES], dtype=np.uint8)[labels]


def photo(seed: int, side: int = 1024) -> Image.Image:
    """A square picture that differs with its seed."""
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    red, green = np.broadcast_to(ramp, (side, side)), np.broadcast_to(ramp[:, None], (side, side))
    return Image.fromarray(np.stack([red, green, np.full((side, side), (40 * seed) % 256, np.uint8)], axis=2))


def celebamask_tree(root: Path, maps: str | None = None, identities: bool = True, side: int = 1024) -> Path:
    """CelebAMask-HQ with six images. maps: None for parts, else "celebamask" or "face-parsing" for index maps."""
    (root / "CelebA-HQ-img").mkdir(parents=True)
    lines = ["idx         orig_idx    orig_file"]
    for number, (file_number, _) in MEMBERS.items():
        photo(number, side).save(root / "CelebA-HQ-img" / f"{number}.jpg", quality=90)
        lines.append(f"{number:<12d}{file_number - 1:<12d}{file_number:06d}.jpg")
        labels = label_map(number, min(side, 512))
        if maps is not None:
            (root / "CelebAMask-HQ-mask").mkdir(exist_ok=True)
            stored = labels if maps == "celebamask" else other_order(labels)
            Image.fromarray(stored).save(root / "CelebAMask-HQ-mask" / f"{number}.png")
            continue
        folder = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
        folder.mkdir(parents=True, exist_ok=True)
        for value in np.unique(labels[labels > 0]):
            mask = np.where(labels == value, 255, 0).astype(np.uint8)
            if LABEL_NAMES[value] == "skin":  # skin lies under the other parts of the face
                mask[np.isin(labels, [2, 4, 5, 11, 12])] = 255
            picture = Image.fromarray(mask)
            picture = picture.convert("RGB") if value % 2 else picture  # both kinds circulate
            picture.save(folder / f"{number:05d}_{LABEL_NAMES[value]}.png")
    (root / MAPPING_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if identities:
        people = [f"{file_number:06d}.jpg {person}" for file_number, person in MEMBERS.values()]
        (root / "identity_CelebA.txt").write_text("\n".join(people) + "\n", encoding="utf-8")
    return root
