"""The one door through which pictures come in: what is read, how large it may be, and what a broken file is told.

Nothing else in this package opens a picture file. Pillow knows fifty formats, and starts another program for some of
them (Ghostscript for PostScript); here only pixel formats are read, and the size is looked at before any pixel is.
"""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image

from idnb.core.errors import InputError

__all__ = ["MAX_PIXELS", "PICTURE_SUFFIXES", "PictureHeader", "decode_picture", "picture_header", "read_picture"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")  # the last two where Pillow has them
KNOWN_AS = {*FORMATS, "MPO"}  # a JPEG with a second picture, as some phones write
PICTURE_SUFFIXES: tuple[str, ...] = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif",
)  # fmt: skip
"""Names that end so are taken for pictures when a folder is read."""

MAX_PIXELS = 32_000_000
"""What is decoded at most; a larger JPEG is decoded at half its sides."""
MAX_JPEG_PIXELS = 100_000_000
MAX_WEBP_PIXELS = 20_000_000  # and of its like: these decoders take 15 bytes a pixel, three times those of others
MAX_BYTES = 250_000_000  # 32 megapixels with 4 bytes each are 128 MB; some decoders read the whole file at once

BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")
TURNS = {  # EXIF's orientation -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 0x0112


class PictureHeader(NamedTuple):
    """What the beginning of a file says: its size in pixels as stored, and its format, such as "PNG"."""

    width: int
    height: int
    format: str


def read_picture(
    source: str | PathLike[str] | bytes,
    name: str = "",
    remedy: str = "copy or download it again",
    limit: int | None = None,
) -> Image.Image:
    """Read a picture file: the first picture in it, upright by its EXIF tag, in the mode in which it is stored.

    source: a path, or the content of a file.
    name: what to call it in a message; of a path, the path itself.
    remedy: what to do about a damaged file, for the message.
    limit: most pixels; None is `MAX_PIXELS`, less for WebP and AVIF; a JPEG of up to 100 megapixels is reduced to it
        while decoded.
    Returns a PIL image with all pixels in memory. `format` is that of the file, unless the picture had to be turned.
    Raises InputError: no such file, or no file at all (a folder, a pipe); no picture of a known kind; too large;
    damaged or cut off, wherever. Every fault a decoder can report ends here.
    """
    with _opened(source, name, remedy) as (image, called, heard):
        _check_pixels(image, called, limit)
        picture = decode_picture(image, called, remedy)
        with _decoding(called, remedy):
            _check_tags(image, [str(warning.message) for warning in heard])
        return picture


def picture_header(path: str | PathLike[str]) -> PictureHeader:
    """Size and format of a picture file, without decoding it. Raises InputError as `read_picture`."""
    with _opened(path, "", "copy or download it again") as (image, called, _):
        _check_pixels(image, called, None)
        return PictureHeader(image.width, image.height, str(image.format))


def decode_picture(image: Image.Image, name: str, remedy: str = "copy or download it again") -> Image.Image:
    """Decode a picture that is open and turn it upright; see `read_picture`. The picture passed in is not turned."""
    if image.format is not None and image.format not in KNOWN_AS:
        raise InputError(f"{name} is a picture in the format {image.format}, which is not read here; {_kinds()}")
    if min(image.size) < 1:
        raise InputError(f"{name} has no pixels ({image.width} x {image.height})")
    with _decoding(name, remedy):
        image.load()
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
        if turn is None:
            return image
        upright = image.transpose(turn)
        upright.info = {key: value for key, value in image.info.items() if key == "transparency"}  # EXIF is used up
        return upright


@contextmanager
def _opened(
    source: str | PathLike[str] | bytes, name: str, remedy: str
) -> Iterator[tuple[Image.Image, str, list[warnings.WarningMessage]]]:
    """Open a file or bytes as a picture of an allowed kind.

    Gives the picture, the name it has in messages, and what Pillow warns of while it is open.
    """
    if isinstance(source, bytes):
        file: IO[bytes] = io.BytesIO(source)
        called, size = name or "the picture", len(source)
    else:
        called = name or str(source)
        file, size = _open_file(Path(source), called)
    with file, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        Image.init()
        formats = [kind for kind in FORMATS if kind in Image.OPEN]
        try:
            image = Image.open(file, formats=formats)
        except Image.DecompressionBombError:
            raise _too_large(called, MAX_PIXELS) from None
        except Exception as error:  # as many kinds as there are formats
            file.seek(0)
            head = file.read(16)
            if not isinstance(error, Image.UnidentifiedImageError) or _is_known(head):
                raise InputError(f"{called} is damaged or cut off, in its header ({size:,} bytes); {remedy}") from None
            raise InputError(
                f"{called} is not an image ({size:,} bytes), or not a picture of a kind that is read here; {_kinds()}"
            ) from None
        with image:
            if image.format == "TIFF":
                with _decoding(called, remedy):
                    _check_strips(image, size)
            yield image, called, heard


def _open_file(path: Path, name: str) -> tuple[IO[bytes], int]:
    """Open a regular file of a size that may be read; opening a pipe would wait for ever."""
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise InputError(f"{name} is a folder; name one picture in it")
        if not stat.S_ISREG(state.st_mode):
            raise InputError(f"{name} is not a file but a pipe, a socket or a device; name a picture file")
        if state.st_size > MAX_BYTES:
            raise InputError(
                f"{name} has {state.st_size / 1e6:,.0f} MB; pictures up to {MAX_BYTES / 1e6:.0f} MB are read: "
                "save it as JPEG or PNG"
            )
        return path.open("rb"), state.st_size
    except FileNotFoundError:
        raise InputError(f"{name} does not exist; check the path (the current folder is {Path.cwd()})") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:  # no permission, a circle of links, a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name} cannot be opened ({reason}); check the path and who may read it") from None


def _check_pixels(image: Image.Image, name: str, limit: int | None) -> None:
    """Refuse by the header what is too large, and let a large JPEG be decoded reduced."""
    pixels = image.width * image.height
    reducible = image.format in ("JPEG", "MPO") and "progressive" not in image.info  # those are kept whole meanwhile
    greedy = image.format in ("WEBP", "AVIF", "HEIF")
    most = limit or (MAX_JPEG_PIXELS if reducible else MAX_WEBP_PIXELS if greedy else MAX_PIXELS)
    if pixels > most:
        raise _too_large(f"{name} ({image.width:,} x {image.height:,})", most)
    if pixels > MAX_PIXELS:
        image.draft(None, (image.width // 2, image.height // 2))


@contextmanager
def _decoding(name: str, remedy: str) -> Iterator[None]:
    """Turn every fault of a decoder into one sentence. Only calls of Pillow belong inside."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name} does not fit into memory; scale it down first") from None
    except Exception as error:  # OSError, SyntaxError, ValueError, EOFError, struct.error, RuntimeError, and more
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{name} is damaged or cut off ({reason}); {remedy}") from None


def _check_strips(image: Image.Image, size: int) -> None:
    """See that all pixel data of a TIFF lie inside the file; some of its decoders make white of what is cut off."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    for offsets, counts in ((273, 279), (324, 325)):  # of strips, of tiles
        ends = [offset + count for offset, count in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)]
        if max(ends, default=0) > size:
            raise OSError(f"pixels up to byte {max(ends):,} of {size:,}")


def _check_tags(image: Image.Image, heard: list[str]) -> None:
    """See that the tags were read to their end: with them goes the turn of a picture, of a TIFF even its colours."""
    cut = [text for text in heard if text.startswith(("Truncated File Read", "Corrupt EXIF data"))]
    if cut and (image.format == "TIFF" or ORIENTATION not in image.getexif()):
        raise OSError(cut[0])


def _too_large(name: str, most: int) -> InputError:
    return InputError(f"{name} has too many pixels to open safely; scale it down below {most / 1e6:.0f} megapixels")


def _is_known(head: bytes) -> bool:
    """Whether a file begins as one of the kinds does, so that it is rather broken than something else."""
    return head.startswith(BEGINNINGS) or (head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"))


def _kinds() -> str:
    known = ", ".join(kind for kind in FORMATS if kind in Image.OPEN)
    return f"save it as JPEG or PNG ({known} are read; phones write HEIC: share or export it as JPEG)"
