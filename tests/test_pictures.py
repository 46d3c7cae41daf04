"""The one door for pictures: kinds, sizes, pipes, and files that are cut off or damaged at any byte."""

import ast
import io
import os
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from idnb.contours.kinds import contour_from_file
from idnb.core import pictures
from idnb.core.errors import InputError
from idnb.core.pictures import picture_header, read_picture
from idnb.faces.label_files import merge_parts, read_class_numbers
from idnb.faces.photo import open_photo, photo_to_tensor
from idnb.widgets.uploads import UploadBox

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n{} loop\n"


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def small_files() -> dict[str, bytes]:
    """A picture of 24 pixels a side in every kind that is read, some of them turned by EXIF."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(np.kron(blocks, np.ones((3, 3, 1), np.uint8)))
    turned = Image.Exif()
    turned[0x0112], turned[0x010E] = 6, "a remark"
    files = {
        "jpeg": encoded(image, "JPEG", exif=turned),
        "progressive": encoded(image, "JPEG", progressive=True, subsampling=0),
        "mpo": encoded(image, "MPO", save_all=True, append_images=[image]),
        "png": encoded(image, "PNG", exif=turned),
        "palette png": encoded(image.quantize(20), "PNG", transparency=1),
        "deep png": encoded(Image.fromarray(random.integers(0, 65535, (9, 9), dtype=np.uint16)), "PNG"),
        "webp": encoded(image, "WEBP", exif=turned),
        "lossless webp": encoded(image.convert("RGBA"), "WEBP", lossless=True),
        "moving gif": encoded(image, "GIF", save_all=True, append_images=[image.rotate(90)]),
        "bmp": encoded(image, "BMP"),
        "tiff": encoded(image, "TIFF", exif=turned),
        "lzw tiff": encoded(image, "TIFF", compression="tiff_lzw"),
        "fax tiff": encoded(image.convert("1"), "TIFF", compression="group4", exif=turned),
    }
    if "AVIF" in Image.registered_extensions().values():
        files["avif"] = encoded(image, "AVIF")
    return files


FILES = small_files()


@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_off_anywhere_is_refused_or_whole(kind: str) -> None:
    whole, seen = np.array(open_photo(read_picture(FILES[kind]))), Counter[str]()
    for length in range(len(FILES[kind])):
        try:
            picture = open_photo(read_picture(FILES[kind][:length], name="mine"))
        except InputError as error:
            assert str(error).startswith("mine"), error
            seen["refused"] += 1
        else:
            assert np.array_equal(np.array(picture), whole), f"{length} bytes of {len(FILES[kind])}"
            seen["whole"] += 1
    assert seen["refused"] > 0.4 * len(FILES[kind])  # of an MPO the second half is another picture


@pytest.mark.parametrize("kind", FILES)
def test_damage_anywhere_is_one_sentence(kind: str) -> None:
    random, content = np.random.default_rng(7), FILES[kind]
    for _ in range(120):
        broken = bytearray(content)
        for place in random.integers(0, min(len(content), int(random.choice([40, 400, 10**6]))), 3):
            broken[place] = random.choice([0, 1, 128, 255])
        if random.random() < 0.3:
            first, second = random.integers(0, len(content), 2)
            broken = broken[:first] + broken[second:]
        try:
            read_picture(bytes(broken), name="mine")
        except InputError as error:
            assert str(error).startswith("mine") and "\n" not in str(error)


def test_broken_headers_and_exif_are_named(tmp_path: Path) -> None:
    short = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 4) + b"IHDR" + b"\0\0\0\x08" + b"\0\0\0\0"
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0" + b"\x0f\x01\x02\0\x04"  # five tags are promised, not one is there
    for name, content in (
        ("short.png", short),
        ("exif.jpg", encoded(Image.new("RGB", (8, 8)), "JPEG", exif=exif)),
        ("exif.webp", encoded(Image.new("RGB", (8, 8)), "WEBP", exif=exif)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name} is damaged or cut off.*; copy or download it again"):
            open_photo(tmp_path / name)


def test_postscript_and_other_kinds_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.check_call", lambda *_: pytest.fail("another program was started"))
    for name, content in (
        ("a.png", POSTSCRIPT),
        ("a.eps", POSTSCRIPT),
        ("a.ppm", encoded(Image.new("RGB", (4, 4)), "PPM")),
        ("a.ico", encoded(Image.new("RGB", (16, 16)), "ICO")),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        readers = (open_photo, picture_header, read_class_numbers, lambda p: merge_parts([("skin", p)]))
        for read in (*readers, lambda p: contour_from_file(p, "sketch", 32)):
            with pytest.raises(InputError, match=rf"{name} is not an image .*save it as JPEG or PNG"):
                read(path)
        box = UploadBox("own", 64, lambda name, face: None)
        assert not box.take(name, content) and "not a picture of a kind that is read here" in box.message.value
    with Image.open(tmp_path / "a.eps") as lazy, pytest.raises(InputError, match=r"in the format EPS, which is not"):
        open_photo(lazy)


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        for read in (open_photo, read_class_numbers, picture_header):
            with pytest.raises(InputError, match=r"is not a file but a pipe, a socket or a device"):
                read(path)
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    with pytest.raises(InputError, match=r"circle\.png cannot be opened"):
        open_photo(tmp_path / "circle.png")
    with pytest.raises(InputError, match=r"cannot be opened \(.*null byte"):
        open_photo("a\0b.png")
    with pytest.raises(InputError, match=r"cannot be opened \(File name too long"):
        open_photo("x" * 300 + ".png")


def test_size_is_refused_from_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("pixels were read"))
    grey = struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + grey + struct.pack(">I", zlib.crc32(b"IHDR" + grey))
    screen = b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;"  # 65,535 pixels a side
    for name, content in (("wide.png", b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT\0\0\0\0"), ("wide.gif", screen)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name} .*too many pixels to open safely; scale it .* 32 megapixels"):
            picture_header(tmp_path / name)
        with pytest.raises(InputError, match="too many pixels"):
            open_photo(tmp_path / name)


def test_a_webp_takes_more_memory_and_may_be_less_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (4500, 4500)).save(tmp_path / "wide.webp", lossless=True, quality=0, method=0)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("pixels were read"))
    with pytest.raises(InputError, match=r"wide\.webp .*too many pixels to open safely; scale it .* 20 megapixels"):
        picture_header(tmp_path / "wide.webp")


def test_a_large_jpeg_is_decoded_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.linear_gradient("L").resize((300, 200)).save(tmp_path / "large.jpg")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 40_000)
    assert open_photo(tmp_path / "large.jpg").size == (150, 100)
    monkeypatch.setattr(pictures, "MAX_JPEG_PIXELS", 50_000)
    with pytest.raises(InputError, match=r"large\.jpg \(300 x 200\) has too many pixels"):
        open_photo(tmp_path / "large.jpg")
    monkeypatch.setattr(pictures, "MAX_BYTES", 100)
    with pytest.raises(InputError, match=r"large\.jpg has 0 MB; pictures up to"):
        open_photo(tmp_path / "large.jpg")
    monkeypatch.setattr("idnb.faces.photo.REDUCED_ABOVE", 1000)
    assert photo_to_tensor(Image.new("RGB", (60, 40))).shape == (3, 20, 30)


def test_a_turn_is_made_once(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    for suffix in ("jpg", "png", "webp", "tif"):
        Image.new("RGB", (20, 10)).save(tmp_path / f"a.{suffix}", exif=turned)
        picture = open_photo(tmp_path / f"a.{suffix}")
        assert picture.size == (10, 20) == open_photo(picture).size, suffix


def test_no_other_module_opens_pictures() -> None:
    root = Path(pictures.__file__).parent.parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            opens = isinstance(node, ast.Attribute) and ast.unparse(node) in ("Image.open", "PIL.Image.open")
            assert not opens or path.name == "pictures.py", f"{path.relative_to(root)}, line {node.lineno}"


def test_pictures_in_memory_keep_their_owner(tmp_path: Path) -> None:
    mine = Image.new("RGB", (4, 4))
    open_photo(mine).putpixel((0, 0), (255, 255, 255))
    assert mine.getpixel((0, 0)) == (0, 0, 0)
    with pytest.raises(InputError, match="has no pixels"):
        open_photo(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(InputError, match=r"\[3, 0, 4\]; expected float"):
        open_photo(torch.zeros(3, 0, 4))
