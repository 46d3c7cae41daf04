"""Reading a picture as a person sees it: upright, RGB, 8 bit, whatever the file holds."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from idnb.core.errors import InputError

__all__ = ["Photo", "open_index_picture", "open_photo", "photo_name", "photo_to_tensor"]

Photo = str | PathLike | Image.Image | np.ndarray | torch.Tensor
"""What counts as a picture: a path, a PIL image, a uint8 array [H, W, 3], or a float tensor [3, H, W] in [-1, 1]."""


def photo_name(photo: Photo) -> str:
    """What to call a picture in a message: its path where it has one, else its kind."""
    if isinstance(photo, str | PathLike):
        return str(photo)
    if isinstance(photo, Image.Image):
        return str(getattr(photo, "filename", "") or "the PIL image")
    return "the array" if isinstance(photo, np.ndarray) else "the tensor"


def open_photo(photo: Photo) -> Image.Image:
    """Read a picture, turn it upright by its EXIF tag, and make it 8-bit RGB.

    Grey and palette pictures become RGB, transparent ones are laid on white, CMYK is converted without a colour
    profile, 16-bit grey is scaled to 8 bit. The picture that is passed in is not changed.

    Args:
        photo: a path, a PIL image, a uint8 array [H, W, 3] (or grey [H, W]), or a float tensor [3, H, W] in [-1, 1].

    Returns:
        A PIL image of mode RGB, upright, all pixels in memory.

    Raises:
        InputError: the file is missing, is not an image, is cut off or too large, or the array has another layout.
    """
    name = photo_name(photo)
    if isinstance(photo, torch.Tensor):
        return _from_tensor(photo)
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim not in (2, 3) or (photo.ndim == 3 and photo.shape[2] not in (3, 4)):
            raise InputError(
                f"{name} is {photo.dtype} {list(photo.shape)}; expected uint8 [H, W, 3] with values 0 to 255"
            )
        return _to_rgb(Image.fromarray(photo), name)
    if isinstance(photo, Image.Image):
        return _load_rgb(photo, name)
    if not isinstance(photo, str | PathLike):
        raise InputError(f"a photo must be a path, a PIL image, an array or a tensor, not {type(photo).__name__}")
    return _open_file(photo, _load_rgb)


def open_index_picture(path: str | PathLike) -> np.ndarray:
    """Read a picture whose pixels are numbers, not colours: a label map saved as palette ("index") or grey PNG.

    Args:
        path: the file.

    Returns:
        [H, W] integers, the palette entry or the grey value of each pixel.

    Raises:
        InputError: the file is missing or broken, holds colours, or was saved with loss (JPEG).
    """
    return _open_file(path, _load_indices)


def _open_file(path: str | PathLike, load: Callable[[Image.Image, str], Any]) -> Any:
    name, path = str(path), Path(path)
    if not path.exists():
        raise InputError(f"{name} does not exist; check the path (the current folder is {Path.cwd()})")
    if path.is_dir():
        raise InputError(f"{name} is a folder; name one picture in it")
    try:
        with Image.open(path) as opened:
            return load(opened, name)
    except UnidentifiedImageError:
        raise InputError(
            f"{name} is not an image that Pillow can read ({path.stat().st_size:,} bytes); "
            "save it as JPEG or PNG (phones write HEIC: share or export it as JPEG)"
        ) from None
    except Image.DecompressionBombError:
        raise InputError(f"{name} has too many pixels to open safely; scale it down below 100 megapixels") from None


def _load_indices(image: Image.Image, name: str) -> np.ndarray:
    if image.mode not in ("P", "L", "I", "I;16", "1"):
        raise InputError(
            f"{name} is a colour picture (mode {image.mode}); a label map needs class numbers 0 to 18: "
            "save it as index or grey PNG, or replace each colour by its class number first"
        )
    if image.format in ("JPEG", "MPO"):
        raise InputError(f"{name} is a JPEG, which blurs class numbers; save the label map as PNG")
    try:
        return np.array(image).astype(np.int64)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{name} is damaged or cut off ({error}); copy or download it again") from None


def _load_rgb(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image), name)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError) as error:  # Pillow reports broken files by any of these
        raise InputError(f"{name} is damaged or cut off ({error}); copy or download it again") from None


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if min(image.size) < 1:
        raise InputError(f"{name} has no pixels ({image.width} x {image.height})")
    if image.mode.startswith("I"):  # 16-bit grey, in one of several byte orders, or 32-bit integers
        values = np.asarray(image, dtype=np.float64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{name} holds 32-bit values; save it with 8 or 16 bits per channel")
        scale = 257.0 if values.max() > 255 or image.mode != "I" else 1.0
        return Image.fromarray(np.round(values / scale).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise InputError(f"{name} holds floating-point values of unknown range; save it as 8-bit JPEG or PNG")
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _from_tensor(tensor: torch.Tensor) -> Image.Image:
    squeezed = tensor[0] if tensor.ndim == 4 and tensor.shape[0] == 1 else tensor  # [3, H, W]
    if squeezed.ndim != 3 or squeezed.shape[0] != 3 or not squeezed.is_floating_point():
        raise InputError(f"the tensor is {tensor.dtype} {list(tensor.shape)}; expected float [3, H, W] in [-1, 1]")
    low, high = float(squeezed.min()), float(squeezed.max())
    if not (low >= -1.01 and high <= 1.01):  # also false for NaN
        raise InputError(f"the tensor holds values from {low:.3g} to {high:.3g}; expected [-1, 1]: use x / 127.5 - 1")
    pixels = ((squeezed.detach().float().clamp(-1, 1) + 1.0) * 127.5).round().to(torch.uint8)
    return Image.fromarray(pixels.movedim(0, -1).cpu().numpy())  # [H, W, 3]


def photo_to_tensor(photo: Photo) -> torch.Tensor:
    """Read a picture as a tensor; see `open_photo`.

    Args:
        photo: a path, a PIL image, a uint8 array or a float tensor.

    Returns:
        [3, H, W] float32 in [-1, 1].

    Raises:
        InputError: see `open_photo`.
    """
    pixels = np.array(open_photo(photo))  # [H, W, 3]
    return torch.from_numpy(pixels).movedim(-1, 0).float() / 127.5 - 1.0  # [3, H, W]
