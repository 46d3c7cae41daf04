"""Reading a picture as a person sees it: upright, RGB, 8 bit, whatever the file holds."""

from os import PathLike

import numpy as np
import torch
from PIL import Image

from idnb.core.errors import InputError
from idnb.core.images import to_image
from idnb.core.pictures import decode_picture, read_picture

__all__ = ["Photo", "open_photo", "photo_name", "photo_to_tensor"]

Photo = str | PathLike | Image.Image | np.ndarray | torch.Tensor
"""What counts as a picture: a path, a PIL image, a uint8 array [H, W, 3], or a float tensor [3, H, W] in [-1, 1]."""

REDUCED_ABOVE = 24_000_000  # pixels; as numbers they take 300 MB


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

    photo: a path, a PIL image, a uint8 array [H, W, 3] (or grey [H, W]), or a float tensor [3, H, W] in [-1, 1].
    Returns a PIL image of mode RGB, upright, all pixels in memory.
    Raises InputError: the file is missing, is not an image, is cut off or too large, or the array has another layout.
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
        return _to_rgb(decode_picture(photo, name), name).copy()
    if not isinstance(photo, str | PathLike):
        raise InputError(f"a photo must be a path, a PIL image, an array or a tensor, not {type(photo).__name__}")
    return _to_rgb(read_picture(photo), name)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if min(image.size) < 1:
        raise InputError(f"{name} has no pixels ({image.width} x {image.height})")
    if image.mode.startswith("I"):  # 16-bit grey, in one of several byte orders, or 32-bit integers
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise InputError(f"{name} holds 32-bit values; save it with 8 or 16 bits per channel")
        scaled = values.astype(np.float32)  # exact up to 2 ** 24
        scaled /= 257.0 if high > 255 or image.mode != "I" else 1.0
        return Image.fromarray(np.rint(scaled, out=scaled).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise InputError(f"{name} holds floating-point values of unknown range; save it as 8-bit JPEG or PNG")
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        clear = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", clear.size, "white")
        white.paste(clear, mask=clear)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_tensor(tensor: torch.Tensor) -> Image.Image:
    squeezed = tensor[0] if tensor.ndim == 4 and tensor.shape[0] == 1 else tensor  # [3, H, W]
    if squeezed.ndim != 3 or squeezed.shape[0] != 3 or 0 in squeezed.shape or not squeezed.is_floating_point():
        raise InputError(f"the tensor is {tensor.dtype} {list(tensor.shape)}; expected float [3, H, W] in [-1, 1]")
    low, high = float(squeezed.min()), float(squeezed.max())
    if not (low >= -1.01 and high <= 1.01):  # also false for NaN
        raise InputError(f"the tensor holds values from {low:.3g} to {high:.3g}; expected [-1, 1]: use x / 127.5 - 1")
    return to_image(squeezed)


def photo_to_tensor(photo: Photo) -> torch.Tensor:
    """Read a picture as a tensor; see `open_photo`. More than 24 megapixels are averaged down to half the sides.

    photo: a path, a PIL image, a uint8 array or a float tensor.
    Returns [3, H, W] float32 in [-1, 1].
    Raises InputError as `open_photo`.
    """
    picture = open_photo(photo)
    if picture.width * picture.height > REDUCED_ABOVE:
        picture = picture.reduce(2)
    pixels = torch.from_numpy(np.array(picture)).movedim(-1, 0)  # [3, H, W]
    return pixels.float().div_(127.5).sub_(1.0)
