"""Reading pictures: every mode Pillow knows becomes upright RGB, or an error that names the file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from idnb.core.errors import InputError
from idnb.faces.photo import open_photo, photo_to_tensor


@pytest.fixture
def picture() -> Image.Image:
    """40 x 30: red left half, blue right half, a white top left corner."""
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:, :20, 0] = 255
    pixels[:, 20:, 2] = 255
    pixels[:8, :8] = 255
    return Image.fromarray(pixels)


def test_exif_orientation_is_obeyed(picture: Image.Image, tmp_path: Path) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored so that a turn by 270 degrees makes it upright
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for tag, stored in turns.items():
        exif = Image.Exif()
        exif[0x0112] = tag
        path = tmp_path / f"turned{tag}.png"
        picture.transpose(stored).save(path, exif=exif)
        np.testing.assert_array_equal(np.array(open_photo(path)), np.array(picture), err_msg=f"orientation {tag}")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "YCbCr", "HSV", "LA"])
def test_modes_become_rgb(mode: str, picture: Image.Image) -> None:
    out = open_photo(picture.convert(mode))
    assert out.mode == "RGB" and out.size == (40, 30)
    if mode in ("P", "RGBA", "CMYK", "YCbCr", "HSV"):
        assert np.abs(np.array(out).astype(int) - np.array(picture)).max() <= 6


def test_cmyk_jpeg_is_not_inverted(picture: Image.Image, tmp_path: Path) -> None:
    picture.convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    out = np.array(open_photo(tmp_path / "print.jpg")).astype(int)
    assert out[15, 14, 0] > 200 and out[15, 14, 2] < 60 and out[2, 2].min() > 200


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert np.array(open_photo(clear)).min() == 255
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "clear.png", transparency=0)
    assert np.array(open_photo(tmp_path / "clear.png")).min() == 255


def test_sixteen_bit_grey_is_scaled(tmp_path: Path) -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(np.array(open_photo(tmp_path / "deep.png"))[0, :, 0], [0, 1, 128, 255])


def test_float_and_wide_integers_are_refused() -> None:
    with pytest.raises(InputError, match=r"PIL image.*floating-point.*8-bit"):
        open_photo(Image.new("F", (4, 4), 0.5))
    with pytest.raises(InputError, match=r"32-bit values"):
        open_photo(Image.new("I", (4, 4), 100_000))


def test_broken_files_are_named(picture: Image.Image, tmp_path: Path) -> None:
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    for suffix in ("jpg", "png"):
        whole = tmp_path / f"whole.{suffix}"
        Image.fromarray(noise).save(whole)
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        with pytest.raises(InputError, match=rf"cut\.{suffix} is damaged or cut off.*again"):
            open_photo(cut)
    page = tmp_path / "page.jpg"
    page.write_text("<html>quota exceeded</html>")
    with pytest.raises(InputError, match=r"page\.jpg is not an image.*27 bytes.*HEIC"):
        open_photo(page)
    (tmp_path / "empty.png").touch()
    with pytest.raises(InputError, match=r"empty\.png is not an image.*0 bytes"):
        open_photo(tmp_path / "empty.png")
    with pytest.raises(InputError, match=r"nowhere\.jpg does not exist"):
        open_photo(tmp_path / "nowhere.jpg")
    with pytest.raises(InputError, match=r"is a folder"):
        open_photo(tmp_path)


def test_arrays_and_tensors(picture: Image.Image) -> None:
    pixels = np.array(picture)
    np.testing.assert_array_equal(np.array(open_photo(pixels)), pixels)
    tensor = photo_to_tensor(pixels)
    assert tensor.shape == (3, 30, 40) and tensor.min() == -1 and tensor.max() == 1
    np.testing.assert_array_equal(np.array(open_photo(tensor)), pixels)
    np.testing.assert_array_equal(np.array(open_photo(tensor[None])), pixels)
    for wrong in (pixels.astype(np.float32), pixels[..., :2], pixels[None]):
        with pytest.raises(InputError, match=r"expected uint8 \[H, W, 3\]"):
            open_photo(wrong)
    with pytest.raises(InputError, match=r"from 0 to 255.*x / 127\.5 - 1"):
        open_photo((tensor + 1) * 127.5)
    with pytest.raises(InputError, match=r"\[-1, 1\]"):
        open_photo(tensor * float("nan"))
    with pytest.raises(InputError, match=r"expected float \[3, H, W\]"):
        open_photo(torch.zeros(2, 3, 4, 4))
    with pytest.raises(InputError, match=r"not int"):
        open_photo(5)  # type: ignore[arg-type]
