"""Label maps from files: grey, index and painted ones, exactly or not at all; the order by areas."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from idnb.contours.kinds import contour_from_file
from idnb.core.errors import InputError
from idnb.faces.folder_report import picture_fault
from idnb.faces.label_files import read_class_numbers, set_order
from idnb.faces.labels import LABEL_PALETTE, colour_labels, likely_order, official_order
from tests.photo_trees import label_map, other_order

LABELS = label_map(0, 64)


def painted(palette: np.ndarray = LABEL_PALETTE) -> Image.Image:
    return Image.fromarray(palette[LABELS])


@pytest.mark.parametrize("form", ["grey", "index", "index, grey palette", "index, other numbers", "colours", "alpha"])
def test_our_maps_are_read_exactly(form: str, tmp_path: Path) -> None:
    index = Image.fromarray(LABELS)
    if form == "index":
        index.putpalette(LABEL_PALETTE.flatten().tolist())
    elif form == "index, grey palette":
        index = index.convert("P")
    elif form == "index, other numbers":  # as Pillow and other programs save our coloured map
        index = painted().quantize(19, dither=Image.Dither.NONE)
        assert not np.array_equal(np.asarray(index), LABELS)
    elif form == "colours":
        index = painted()
    elif form == "alpha":
        index = painted().convert("RGBA")
    index.save(tmp_path / "map.png")
    assert np.array_equal(read_class_numbers(tmp_path / "map.png").numpy(), LABELS)
    assert np.array_equal(contour_from_file(tmp_path / "map.png", "label_map", 64)[0].numpy(), LABELS)


def test_what_the_package_paints_it_reads(tmp_path: Path) -> None:
    everything = torch.arange(19).repeat_interleave(19).reshape(19, 19)
    pixels = ((colour_labels(everything) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    for name in ("map.png", "map.webp", "map.bmp", "map.gif", "map.tif"):
        Image.fromarray(pixels).save(tmp_path / name, lossless=True)
        assert torch.equal(read_class_numbers(tmp_path / name), everything), name


def test_a_mask_of_one_bit_holds_no_class_numbers(tmp_path: Path) -> None:
    Image.fromarray(LABELS > 0).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=r"mask\.png holds the values 0, 255 .*0/255 mask into class numbers"):
        read_class_numbers(tmp_path / "mask.png")


def test_foreign_palettes_and_colours_are_refused_with_the_remedy(tmp_path: Path) -> None:
    other = LABEL_PALETTE[:, ::-1]  # blue for red
    colours = painted(other)
    colours.save(tmp_path / "colours.png")
    colours.quantize(19, dither=Image.Dither.NONE).save(tmp_path / "palette.png")
    painted().convert("P").save(tmp_path / "web.png")  # 216 fixed colours, dithered
    shuffled = painted().convert("L").quantize(19, dither=Image.Dither.NONE)  # greys, but not the class numbers
    shuffled.save(tmp_path / "greys.png")
    clear = painted().convert("RGBA")
    clear.putpixel((0, 0), (38, 42, 56, 10))
    clear.save(tmp_path / "clear.png")
    for name in ("palette.png", "web.png", "greys.png"):
        with pytest.raises(InputError, match=rf"{name} is an index picture with another palette than ours: index \d+ "):
            read_class_numbers(tmp_path / name)
    with pytest.raises(InputError, match=r"colours\.png is a colour picture .*\(56, 42, 38\).*index or grey PNG"):
        read_class_numbers(tmp_path / "colours.png")
    with pytest.raises(InputError, match=r"clear\.png is a colour picture .*transparent pixels"):
        read_class_numbers(tmp_path / "clear.png")
    picture = Image.fromarray(LABELS)
    picture.putpalette(other.flatten().tolist())
    picture.save(
        tmp_path / "tool.png"
    )  # the indices are class numbers, the colours another program's: the remedy works
    with pytest.raises(InputError, match=r"save them as grey PNG: Image\.fromarray") as caught:
        read_class_numbers(tmp_path / "tool.png")
    command = str(caught.value).split("grey PNG: ")[1].replace("'grey.png'", "tmp_path / 'grey.png'")
    exec(command, {"Image": Image, "numpy": np, "tmp_path": tmp_path})
    assert np.array_equal(read_class_numbers(tmp_path / "grey.png").numpy(), LABELS)


def test_an_index_without_a_colour_is_named(tmp_path: Path) -> None:
    index = Image.fromarray(LABELS)
    index.putpalette(LABEL_PALETTE.flatten().tolist())
    index.save(tmp_path / "short.png")
    content = (tmp_path / "short.png").read_bytes()
    place, size = content.index(b"PLTE"), 3 * len(LABEL_PALETTE)
    body = b"PLTE" + content[place + 4 : place + 4 + 12]  # four colours where nineteen were
    chunk = struct.pack(">I", 12) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "short.png").write_bytes(content[: place - 4] + chunk + content[place + 4 + size + 4 :])
    with pytest.raises(InputError, match=r"short\.png uses index 18 of a palette of 4"):
        read_class_numbers(tmp_path / "short.png")


def test_empty_maps_and_blank_sheets_say_so(tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "empty.png")
    with pytest.raises(InputError, match=r"empty\.png is an empty label map"):
        contour_from_file(tmp_path / "empty.png", "label_map", 64)
    assert (
        picture_fault(tmp_path / "empty.png", decode=True, indices=True) == "holds background only, no part of a face"
    )
    sheet = np.random.default_rng(0).normal(235, 2, (64, 64)).clip(0, 255).astype(np.uint8)  # paper as scanned
    for name, pixels in (("blank.png", sheet), ("white.png", np.full((64, 64), 255, np.uint8))):
        Image.fromarray(pixels).save(tmp_path / name)
        for drawing in (True, False):
            with pytest.raises(InputError, match=rf"{name} is a blank sheet"):
                contour_from_file(tmp_path / name, "sketch", 64, drawing=drawing)
    sheet[30, 10:50] = 150  # a pencil line
    Image.fromarray(sheet).save(tmp_path / "pencil.png")
    assert contour_from_file(tmp_path / "pencil.png", "sketch", 64).min() < 0.8


def test_the_order_is_decided_by_areas(tmp_path: Path) -> None:
    official, other = (torch.from_numpy(made.astype(np.int64)) for made in (LABELS, other_order(LABELS)))
    for labels, order in ((official, "celebamask"), (other, "face-parsing")):
        assert likely_order(labels) == order
        stray = labels.clone()
        stray[0, 0] = stray[1, 60] = stray[40, 1] = 17
        assert likely_order(stray) == order
        long = labels.clone()  # hair down to the lower edge
        long[16:, :12] = long[16:, 52:] = 13 if order == "celebamask" else 17
        assert likely_order(long) == order
    stray = official.clone()
    stray[0, 0] = 17
    assert torch.equal(official_order(stray), stray)
    Image.fromarray(stray.numpy().astype(np.uint8)).save(tmp_path / "stray.png")
    assert torch.equal(contour_from_file(tmp_path / "stray.png", "label_map", 64)[0], stray)
    assert set_order([tmp_path / "stray.png"]) == "celebamask"
    assert likely_order(torch.ones(8, 8, dtype=torch.long)) is None
    lips = torch.ones(64, 64, dtype=torch.long)
    lips[0, 0] = 17
    assert likely_order(lips) is None  # one pixel decides nothing
    hat = official.clone()
    hat[:10] = 14
    assert likely_order(hat) == "celebamask"


def test_an_order_that_is_given_wins(tmp_path: Path) -> None:
    Image.fromarray(LABELS).save(tmp_path / "map.png")
    Image.fromarray(other_order(LABELS)).save(tmp_path / "other.png")
    with pytest.raises(InputError, match=r"other\.png seems to be in the other .*--order face-parsing"):
        contour_from_file(tmp_path / "other.png", "label_map", 64)
    for name, order, expected in (
        ("other.png", "face-parsing", LABELS),
        ("other.png", "celebamask", other_order(LABELS)),
        ("map.png", "celebamask", LABELS),
    ):
        found = contour_from_file(tmp_path / name, "label_map", 64, order=order)[0].numpy()
        assert np.array_equal(found, expected), (name, order)
