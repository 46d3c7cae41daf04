"""The three contours: hand-computed values, round trips, agreement with Pillow, and what bad input says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from idnb.contours.kinds import CONTOURS, contour_from_file, contour_kind
from idnb.contours.low_res import LowRes
from idnb.core.errors import InputError
from idnb.faces.labels import LABEL_PALETTE

# class number, centre, radii: hair, neck, skin, eyes, lower lip
ELLIPSES = [
    (13, 32, 28, 24, 26), (17, 32, 58, 8, 10), (1, 32, 34, 17, 23),
    (5, 25, 30, 4, 2), (4, 39, 30, 4, 2), (12, 32, 46, 7, 3),
]  # fmt: skip


@pytest.fixture(scope="module")
def face() -> tuple[torch.Tensor, torch.Tensor]:
    """Two drawn faces [2, 3, 64, 64] and their label maps [2, 64, 64]: ellipses of hair, skin, eyes and a mouth."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    images, labels = [], []
    for shift in (0.0, 3.0):
        label = torch.zeros(64, 64, dtype=torch.long)
        for number, cx, cy, rx, ry in ELLIPSES:
            label[((x - cx - shift) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1] = number
        colours = torch.tensor([[0.8] * 3] * 19)
        colours[13], colours[1], colours[17] = torch.tensor([-0.8] * 3), torch.tensor([0.4, 0, -0.2]), torch.tensor(0.0)
        colours[4] = colours[5] = torch.tensor([-0.9, -0.9, -0.7])
        colours[12] = torch.tensor([0.1, -0.5, -0.5])
        images.append(colours[label].movedim(-1, 0))  # [3, 64, 64]
        labels.append(label)
    return torch.stack(images), torch.stack(labels)


@pytest.mark.parametrize("kind", CONTOURS)
def test_every_kind_keeps_the_promises_of_the_interface(kind: str, face: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, labels = face
    contour = CONTOURS[kind]
    assert contour.name == kind and contour.title
    made = contour.make(images, labels)
    assert made.shape[0] == 2 and torch.equal(made, contour.make(images, labels))  # the same every time
    torch.testing.assert_close(made[1:], contour.make(images[1:], labels[1:]))  # whatever the batch
    for size in (64, 96):
        shown, read = contour.display(made, size), contour.network_input(made, size)
        assert shown.shape == (2, 3, size, size) and shown.min() >= -1 and shown.max() <= 1
        assert read.shape == (2, contour.channels, size, size) and read.dtype == torch.float32
        assert read.min() >= -1 and read.max() <= 1


@pytest.mark.parametrize("size", [4, 5, 8, 31, 64])
def test_low_res_equals_pillow(size: int) -> None:
    pixels = np.random.Generator(np.random.PCG64(3)).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    tensor = torch.from_numpy(pixels).movedim(-1, 0)[None].float() / 127.5 - 1  # [1, 3, 64, 64]
    ours = ((LowRes(size).make(tensor)[0] + 1) * 127.5).movedim(0, -1).numpy()  # [s, s, 3]
    theirs = np.array(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(ours - theirs).max() < 1.3  # Pillow rounds to 8 bits after each of its two passes


def test_low_res_by_hand() -> None:
    flat = torch.full((1, 3, 16, 16), 0.25)
    torch.testing.assert_close(LowRes(4).make(flat), torch.full((1, 3, 4, 4), 0.25))
    stripes = torch.ones(1, 3, 64, 64)
    stripes[..., ::2] = -1  # without antialiasing this would stay black or white
    assert LowRes(8).make(stripes)[..., 1:-1].abs().max() < 0.02
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    same = LowRes(16).make(image)
    assert torch.equal(same, image) and same.data_ptr() != image.data_ptr()


def test_low_res_round_trip(face: tuple[torch.Tensor, torch.Tensor]) -> None:
    small = LowRes(8).make(face[0])
    back = LowRes(8).make(LowRes(8).network_input(small, 64))
    assert (back - small).abs().mean() < 0.08
    blocks = LowRes(8).display(small, 64)
    assert torch.equal(blocks[..., ::8, ::8], small) and torch.equal(blocks[..., 7::8, 7::8], small)


def test_label_map_round_trip_and_nearest(face: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, labels = face
    kind = CONTOURS["label_map"]
    made = kind.make(images, labels)
    assert torch.equal(made, labels)
    onehot = kind.network_input(made, 64)
    assert torch.equal(onehot.argmax(1), labels) and torch.equal(onehot.sum(1), torch.ones(2, 64, 64))
    for size in (16, 40, 128):
        assert set(kind.network_input(made, size).argmax(1).unique().tolist()) <= set(labels.unique().tolist())
    for size in (16, 32, 128):
        pillow = Image.fromarray(labels[0].numpy().astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(kind.network_input(made, size)[0].argmax(0).numpy(), np.array(pillow))
    assert torch.equal(kind.make(torch.zeros(2, 3, 128, 128), labels)[:, ::2, ::2], labels)  # smaller maps are enlarged
    shown = ((kind.display(made, 64) + 1) * 127.5).round().movedim(1, -1).numpy()
    np.testing.assert_array_equal(shown, LABEL_PALETTE[labels.numpy()])


def test_sketch_is_dark_lines_on_white(face: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, labels = face
    for made in (CONTOURS["sketch"].make(images), CONTOURS["sketch"].make(images, labels)):
        assert made.shape == (2, 1, 64, 64) and made.min() >= 0 and made.max() <= 1
        assert made.flatten(1).median(1).values.min() == 1.0  # most of it is paper
        assert 0.03 < (made < 0.5).float().mean() < 0.3
    assert CONTOURS["sketch"].make(torch.full((1, 3, 32, 32), -0.3)).min() == 1.0  # nothing to see, nothing drawn
    outline = CONTOURS["sketch"].make(images, labels)[0, 0]
    assert outline[34, 13:18].min() < 0.5 and outline[34, 2:5].min() > 0.95  # ink at the edge of the face


def test_sketch_does_not_depend_on_brightness(face: tuple[torch.Tensor, torch.Tensor]) -> None:
    bright = face[0].clamp(-0.6, 0.8)
    dark = ((bright + 1) / 2 * 0.6) * 2 - 1  # as in weaker light
    difference = (CONTOURS["sketch"].make(bright) - CONTOURS["sketch"].make(dark)).abs().mean()
    assert difference < 0.03


def test_sketch_round_trip(face: tuple[torch.Tensor, torch.Tensor]) -> None:
    made = CONTOURS["sketch"].make(face[0])
    torch.testing.assert_close(0.5 * CONTOURS["sketch"].network_input(made, 64) + 0.5, made)


def test_bad_images() -> None:
    for kind in CONTOURS.values():
        maps = torch.zeros(1, 32, 32, dtype=torch.long)
        with pytest.raises(InputError, match=r"\[B, 3, H, W\], got \[3, 32, 32\].*x\[None\]"):
            kind.make(torch.zeros(3, 32, 32), maps)
        with pytest.raises(InputError, match=r"got \[1, 1, 32, 32\]"):
            kind.make(torch.zeros(1, 1, 32, 32), maps)
        with pytest.raises(InputError, match=r"40 x 32, not square.*align_face"):
            kind.make(torch.zeros(1, 3, 32, 40), maps)
        with pytest.raises(InputError, match=r"from 0 to 255.*\[-1, 1\]"):
            kind.make(torch.tensor([0.0, 255.0]).repeat(1, 3, 32, 16), maps)
        with pytest.raises(InputError, match=r"uint8.*127\.5"):
            kind.make(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), maps)
        with pytest.raises(InputError, match=r"nan"):
            kind.make(torch.full((1, 3, 32, 32), float("nan")), maps)


def test_sizes_out_of_range() -> None:
    for size in (3, 0, -8, 8.0, True):
        with pytest.raises(InputError, match=r"low_res size.*from 4"):
            LowRes(size)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"128.*4 to 64.*side of the images is 64"):
        LowRes(128).make(torch.zeros(1, 3, 64, 64))
    with pytest.raises(InputError, match=r"input size is 4.*contour has 8"):
        LowRes(8).network_input(torch.zeros(1, 3, 8, 8), 4)


def test_bad_label_maps() -> None:
    images, kind = torch.zeros(2, 3, 32, 32), CONTOURS["label_map"]
    with pytest.raises(InputError, match=r"needs label_maps.*index PNG"):
        kind.make(images)
    with pytest.raises(InputError, match=r"expected \[2, S, S\]"):
        kind.make(images, torch.zeros(1, 32, 32, dtype=torch.long))
    with pytest.raises(InputError, match=r"values 19"):
        kind.make(images, torch.full((2, 32, 32), 19))
    with pytest.raises(InputError, match=r"colour picture"):
        CONTOURS["sketch"].make(images, torch.zeros(2, 32, 32, 3, dtype=torch.uint8))
    with pytest.raises(InputError, match=r"batch axis"):
        kind.network_input(torch.zeros(32, 32, dtype=torch.long), 32)
    with pytest.raises(InputError, match=r"sketch contour is float \[B, 1, s, s\]"):
        CONTOURS["sketch"].display(torch.zeros(1, 3, 8, 8), 8)
    with pytest.raises(InputError, match=r"low_res contour has values in \[-1, 1\]; got 0 to 2"):
        CONTOURS["low_res"].network_input(torch.tensor([0.0, 2.0]).repeat(1, 3, 8, 4), 64)


def test_kinds_by_name() -> None:
    assert contour_kind("low_res", size=32) == LowRes(32) and contour_kind("sketch") is CONTOURS["sketch"]
    with pytest.raises(InputError, match=r"'edges'.*low_res, sketch, label_map"):
        contour_kind("edges")
    with pytest.raises(InputError, match=r"sketch does not have the setting size"):
        contour_kind("sketch", size=3)


def test_low_res_from_file(face: tuple[torch.Tensor, torch.Tensor], tmp_path: Path) -> None:
    pixels = ((face[0][0] + 1) * 127.5).round().byte().movedim(0, -1).numpy()  # [64, 64, 3]
    Image.fromarray(pixels).save(tmp_path / "face.png")
    Image.fromarray(pixels).resize((8, 8)).save(tmp_path / "tiny.png")
    Image.fromarray(pixels[:40]).save(tmp_path / "wide.png")
    Image.fromarray(pixels[:3, :3]).save(tmp_path / "dot.png")
    exact = LowRes(8).make(face[0][:1])
    assert (contour_from_file(tmp_path / "face.png", "low_res", 64) - exact).abs().max() < 0.01
    assert contour_from_file(tmp_path / "tiny.png", "low_res", 64).shape == (1, 3, 8, 8)
    assert contour_from_file(tmp_path / "tiny.png", "low_res", 256).shape == (1, 3, 8, 8)
    with pytest.raises(InputError, match=r"wide\.png is 64 x 40, not square"):
        contour_from_file(tmp_path / "wide.png", "low_res", 64)
    with pytest.raises(InputError, match=r"dot\.png has only 3 x 3"):
        contour_from_file(tmp_path / "dot.png", "low_res", 64)
    with pytest.raises(InputError, match=r"size is 5"):
        contour_from_file(tmp_path / "face.png", "low_res", 5)
    with pytest.raises(InputError, match=r"low_res does not know the option drawing"):
        contour_from_file(tmp_path / "face.png", "low_res", 64, drawing=True)


def test_sketch_from_file(face: tuple[torch.Tensor, torch.Tensor], tmp_path: Path) -> None:
    paper = np.full((100, 100), 200, np.uint8)  # grey paper, as photographed
    paper[48:52, 20:80] = 30
    Image.fromarray(paper).save(tmp_path / "line.png")
    drawn = contour_from_file(tmp_path / "line.png", "sketch", 50)
    assert drawn.shape == (1, 1, 50, 50) and drawn[0, 0, 5, 5] > 0.999 and drawn[0, 0, 24:26, 20:30].max() < 0.2
    Image.fromarray(255 - paper).save(tmp_path / "inverse.png")
    with pytest.raises(InputError, match=r"inverse\.png is mostly dark.*Invert"):
        contour_from_file(tmp_path / "inverse.png", "sketch", 50)
    pixels = ((face[0][0] + 1) * 127.5).round().byte().movedim(0, -1).numpy()
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    lines = contour_from_file(tmp_path / "photo.png", "sketch", 64, drawing=False)
    assert (lines - CONTOURS["sketch"].make(face[0][:1])).abs().mean() < 0.02


def test_label_map_from_file(face: tuple[torch.Tensor, torch.Tensor], tmp_path: Path) -> None:
    labels = face[1][0].numpy().astype(np.uint8)
    grey, index = Image.fromarray(labels), Image.fromarray(labels, "L").convert("P")
    index.putdata(list(labels.flatten()))
    index.putpalette(LABEL_PALETTE.flatten().tolist())
    grey.save(tmp_path / "grey.png")
    index.save(tmp_path / "index.png")
    for name in ("grey.png", "index.png"):
        assert torch.equal(contour_from_file(tmp_path / name, "label_map", 64), face[1][:1])
        assert contour_from_file(tmp_path / name, "label_map", 128).shape == (1, 128, 128)
    index.convert("RGB").save(tmp_path / "ours.png")
    assert torch.equal(contour_from_file(tmp_path / "ours.png", "label_map", 64), face[1][:1])
    painted = index.convert("RGB")
    painted.putpixel((3, 3), (39, 42, 56))  # one colour, a shade beside that of the background
    painted.save(tmp_path / "painted.png")
    with pytest.raises(InputError, match=r"painted\.png is a colour picture.*index or grey PNG"):
        contour_from_file(tmp_path / "painted.png", "label_map", 64)
    grey.save(tmp_path / "lossy.jpg")
    with pytest.raises(InputError, match=r"lossy\.jpg is a JPEG"):
        contour_from_file(tmp_path / "lossy.jpg", "label_map", 64)
    Image.fromarray((labels > 0).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=r"mask\.png holds the values 0, 255"):
        contour_from_file(tmp_path / "mask.png", "label_map", 64)
    other = labels.copy()
    for here, there in [(13, 17), (17, 14), (12, 13)]:
        other[labels == here] = there
    Image.fromarray(other).save(tmp_path / "other.png")
    with pytest.raises(InputError, match=r"other\.png.*order='face-parsing'"):
        contour_from_file(tmp_path / "other.png", "label_map", 64)
    assert torch.equal(contour_from_file(tmp_path / "other.png", "label_map", 64, order="face-parsing"), face[1][:1])
    (tmp_path / "cut.png").write_bytes((tmp_path / "grey.png").read_bytes()[:120])
    with pytest.raises(InputError, match=r"cut\.png is damaged"):
        contour_from_file(tmp_path / "cut.png", "label_map", 64)
