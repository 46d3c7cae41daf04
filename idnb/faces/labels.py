"""The nineteen face-part classes, their colours, and the check that a label map is what it claims to be.

The order is that of CelebAMask-HQ (Lee et al., "MaskGAN", CVPR 2020, the data set's own ``g_mask.py``). A second order
is widespread among face-parsing networks, in which hair is 17 and not 13; `official_order` tells the two apart.
Left and right are the person's own, as in the data set: ``l_eye`` is on the right of the picture.
"""

from typing import Any

import numpy as np
import torch

from idnb.core.errors import InputError

__all__ = [
    "LABEL_NAMES",
    "LABEL_PALETTE",
    "LABEL_TITLES",
    "N_LABELS",
    "ORDERS",
    "PARSING_ORDER",
    "check_label_map",
    "colour_labels",
    "likely_order",
    "official_order",
]

LABEL_NAMES: tuple[str, ...] = (
    "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
    "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip

LABEL_TITLES: tuple[str, ...] = (
    "background", "skin", "nose", "glasses", "left eye", "right eye", "left brow", "right brow", "left ear",
    "right ear", "inside of mouth", "upper lip", "lower lip", "hair", "hat", "earring", "necklace", "neck", "clothes",
)  # fmt: skip

N_LABELS = len(LABEL_NAMES)

# Parts that touch differ in lightness first and in hue second, so the map also reads in grey and with colour-blind
# eyes: light skin, mid neck, dark hair, darkest background; eyes blue, lips red-purple, left and right a shade apart.
LABEL_PALETTE: np.ndarray = np.array(
    [
        (38, 42, 56), (250, 214, 176), (236, 164, 112), (64, 186, 178), (0, 94, 166), (60, 138, 204),
        (112, 66, 34), (140, 90, 50), (216, 152, 60), (240, 190, 92), (92, 18, 52), (196, 62, 110),
        (226, 112, 148), (122, 84, 138), (84, 120, 62), (250, 240, 120), (170, 226, 214), (206, 158, 128),
        (86, 146, 152),
    ],
    dtype=np.uint8,
)  # fmt: skip
LABEL_PALETTE.setflags(write=False)


def check_label_map(labels: Any, name: str = "label_map") -> torch.Tensor:
    """Make sure that an array holds class numbers, and return it as a tensor.

    labels: [H, W] or [B, H, W], any integer type, values 0 to 18 (tensor or array).
    name: what to call it in an error: the argument or the file.
    Returns the same shape, int64. An int64 tensor is returned as it is.
    Raises InputError: wrong shape or type, or values outside 0 to 18; the message holds the values that were found.
    """
    remedy = "expected class numbers 0 to 18 as an integer array [H, W] or [B, H, W]"
    tensor = torch.from_numpy(np.array(labels)) if isinstance(labels, np.ndarray) else torch.as_tensor(labels)
    shape = list(tensor.shape)
    flat_colour = len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) > 4  # [H, W, 3], not a batch of 4x4 maps
    if flat_colour or (len(shape) == 4 and {shape[1], shape[-1]} & {3, 4}):
        raise InputError(
            f"{name} has shape {shape}: that is a colour picture, not class numbers. {remedy}. "
            "Save the map as an index or grey PNG, or replace each colour by its class number first"
        )
    if len(shape) not in (2, 3) or 0 in shape:
        hint = " (a one-hot map becomes class numbers with .argmax(1))" if len(shape) == 4 else ""
        raise InputError(f"{name} has shape {shape}; {remedy}{hint}")
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise InputError(
            f"{name} has type {tensor.dtype}; {remedy}. Convert with .long() if the values are whole numbers"
        )
    tensor = tensor.long()
    if tensor.min() < 0 or tensor.max() >= N_LABELS:
        found = torch.unique(tensor)
        listed = ", ".join(str(int(v)) for v in found[:8]) + (", ..." if len(found) > 8 else "")
        grey = found.numel() <= N_LABELS and int(found.max()) <= 255
        hint = "; turn a grey or 0/255 mask into class numbers first (255 for 'ignore' becomes 0)" if grey else ""
        raise InputError(f"{name} holds the values {listed} (from {int(found[0])} to {int(found[-1])}); {remedy}{hint}")
    return tensor


PARSING_ORDER: tuple[str, ...] = (
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r",
    "nose", "mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat",
)  # fmt: skip
"""The order of many face-parsing networks, in which hair is 17."""


ORDERS: dict[str, tuple[str, ...]] = {"celebamask": LABEL_NAMES, "face-parsing": PARSING_ORDER}


def likely_order(labels: torch.Tensor) -> str | None:
    """Tell by areas in which of the two orders a map is: hair and hat lie above the middle of the skin, neck and
    clothes below it.

    labels: [H, W] class numbers 0 to 18 of an upright face.
    Returns "celebamask", "face-parsing", or None: the map has no skin, or one order leads by less than a hundredth of
    its pixels.
    """
    skin = labels == 1
    if not skin.any():
        return None
    rows = torch.arange(labels.shape[-2], device=labels.device)[:, None].expand(labels.shape[-2:])
    above = rows <= rows[skin].float().mean()

    def agreement(order: tuple[str, ...]) -> int:
        """Pixels where they should be, less those where they cannot be; long hair may hang down."""
        hair, hat, neck, cloth = (labels == order.index(part) for part in ("hair", "hat", "neck", "cloth"))
        right = ((hair | hat) & above) | ((neck | cloth) & ~above)
        return int(right.sum()) - int((((neck | cloth) & above) | (hat & ~above)).sum())

    lead = agreement(LABEL_NAMES) - agreement(PARSING_ORDER)
    if abs(lead) < 0.01 * labels.numel():
        return None
    return "celebamask" if lead > 0 else "face-parsing"


def official_order(labels: Any, order: str | None = None, name: str = "label_map") -> torch.Tensor:
    """Bring one label map into the official order, and refuse one that looks like the other order unless told so.

    labels: [H, W] class numbers 0 to 18 of an upright face.
    order: "celebamask" (official: hair is 13) or "face-parsing" (hair is 17), whatever the map looks like. None:
        official, and a map that looks like the other order is refused.
    name: what to call it in an error.
    Returns [H, W] int64 in the official order.
    Raises InputError: not a label map, an unknown order, or no order given and the map is not in the official one.
    """
    indices = check_label_map(labels, name)
    if order is None and likely_order(indices) == "face-parsing":
        raise InputError(
            f"{name} seems to be in the other of the two orders: class 17 lies where the hair should be, or 14 and 16 "
            "where neck and clothes should. Pass order='face-parsing' (--order face-parsing) if so, else "
            "order='celebamask'"
        )
    if order is not None and order not in ORDERS:
        raise InputError(f"order is {order!r}; choose 'celebamask' (hair is 13) or 'face-parsing' (hair is 17)")
    return torch.tensor([LABEL_NAMES.index(part) for part in ORDERS[order or "celebamask"]])[indices]


def colour_labels(labels: Any) -> torch.Tensor:
    """Paint a label map with the palette.

    labels: [H, W] or [B, H, W] class numbers 0 to 18.
    Returns [3, H, W] or [B, 3, H, W] float in [-1, 1].
    Raises InputError as `check_label_map`.
    """
    indices = check_label_map(labels)
    palette = torch.from_numpy(LABEL_PALETTE.astype(np.float32)).to(indices.device) / 127.5 - 1.0
    return palette[indices].movedim(-1, -3)  # [..., 3, H, W]
