"""Own photos: detection, choice of the largest face, the crop, and what is said when something is wrong."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import idnb
from idnb.core.errors import InputError
from idnb.faces.align import NoFaceError, align_face, check_alignment, crop_face, detect_faces
from idnb.faces.photo import photo_to_tensor

GREY = (128, 136, 148)


@pytest.fixture(scope="module")
def tiles() -> list[Image.Image]:
    """Three rendered people that face the camera, as PIL images of 128 px."""
    faces = idnb.load_faces("test")
    images = faces.images(list(range(0, min(len(faces), 48), 4)), size=128)
    tiles = [Image.fromarray(((x + 1) * 127.5).round().byte().movedim(0, -1).numpy()) for x in images]  # [H, W, 3]
    return [tile for tile in tiles if check_alignment(tile)][:3]


def photo(*placed: tuple[Image.Image, int, int], size: tuple[int, int] = (640, 420)) -> Image.Image:
    canvas = Image.new("RGB", size, GREY)
    for tile, x, y in placed:
        canvas.paste(tile, (x, y))
    return canvas


def mean_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().mean())


def test_a_face_in_a_photo_comes_back_aligned(tiles: list[Image.Image]) -> None:
    big = tiles[0].resize((256, 256), Image.Resampling.BICUBIC)
    aligned = align_face(photo((big, 150, 90)), 128)
    assert aligned.image.shape == (3, 128, 128) and aligned.image.abs().max() <= 1
    assert aligned.n_faces == 1 and aligned.face.probability > 0.9
    np.testing.assert_allclose(aligned.corners.mean(0), (150 + 128, 90 + 128), atol=20)
    assert check_alignment(aligned.image)
    assert mean_difference(aligned.image, photo_to_tensor(tiles[0])) < 0.25


def test_the_larger_of_two_faces_is_taken(tiles: list[Image.Image]) -> None:
    small, large = tiles[0], tiles[1].resize((300, 300), Image.Resampling.BICUBIC)
    for canvas, left in [
        (photo((small, 10, 150), (large, 250, 60)), 250),
        (photo((large, 10, 60), (small, 450, 150)), 10),
    ]:
        aligned = align_face(canvas, 64)
        assert aligned.n_faces == 2 and "2 faces, the largest taken" in str(aligned)
        assert left < aligned.face.points[2, 0] < left + 300
        assert [f.area for f in detect_faces(canvas)] == sorted((f.area for f in detect_faces(canvas)), reverse=True)


def test_a_turned_photo_with_an_exif_tag(tiles: list[Image.Image], tmp_path: Path) -> None:
    upright = photo((tiles[0].resize((200, 200)), 200, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "phone.png", exif=exif)
    torch.testing.assert_close(align_face(tmp_path / "phone.png", 64).image, align_face(upright, 64).image)


def test_a_tilted_head_is_set_upright(tiles: list[Image.Image]) -> None:
    straight = align_face(photo((tiles[0].resize((256, 256)), 190, 80)), 64)
    tilted = photo((tiles[0].resize((256, 256)), 190, 80)).rotate(20, Image.Resampling.BICUBIC, fillcolor=GREY)
    aligned = align_face(tilted, 64)
    direction = aligned.corners[1] - aligned.corners[0]
    straight_direction = straight.corners[1] - straight.corners[0]
    turn = np.degrees(np.arctan2(*direction[::-1]) - np.arctan2(*straight_direction[::-1]))
    assert abs(turn + 20) < 4
    assert not check_alignment(tilted.crop((190, 80, 446, 336)))


def test_no_face_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    photo(size=(200, 100)).save(path)
    with pytest.raises(NoFaceError, match=r"wall\.png \(200 x 100 pixels\).*upright face"):
        align_face(path, 128)
    with pytest.raises(InputError):  # the general class catches it too
        align_face(photo(size=(12, 12)), 128)
    assert detect_faces(path) == []


@pytest.mark.parametrize("size", [0, 15, 5000, 64.0, "64"])
def test_size_out_of_range(size: int) -> None:
    with pytest.raises(InputError, match=r"size.*16 to 4096"):
        align_face(photo(), size)


def test_check_says_what_is_wrong(tiles: list[Image.Image]) -> None:
    tile = tiles[0].resize((256, 256), Image.Resampling.BICUBIC)
    good = check_alignment(tile)
    assert good and good.shift < 0.06 and "is aligned" in good.message
    shifted = check_alignment(photo((tile, 0, 60), size=(256, 256)))
    assert not shifted and "away from its place" in shifted.message
    small = check_alignment(photo((tile, 60, 60), size=(376, 376)))
    assert not small and "too small" in small.message and small.scale < 0.9
    assert "not square" in check_alignment(photo()).message
    assert "no face" in check_alignment(photo(size=(64, 64))).message


def test_crop_of_the_whole_picture_is_the_picture() -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    smooth = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
    crop, outside = crop_face(smooth, np.array([32.0, 32.0]), np.array([32.0, 0.0]), 64)
    assert outside == 0 and (crop - photo_to_tensor(smooth)).abs().max() < 0.02
    quarter, _ = crop_face(smooth, np.array([32.0, 32.0]), np.array([0.0, 32.0]), 64)  # x axis points down
    turned = photo_to_tensor(smooth.transpose(Image.Transpose.ROTATE_90))
    assert (quarter - turned).abs().max() < 0.02


def test_crop_beyond_the_edge_is_mirrored_and_counted() -> None:
    ramp = Image.fromarray(np.tile(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], (64, 1, 3)))
    crop, outside = crop_face(ramp, np.array([0.0, 32.0]), np.array([32.0, 0.0]), 64)  # left half lies outside
    assert outside == pytest.approx(0.5, abs=0.02)
    assert (crop - crop.flip(-1)).abs()[..., 28:36].max() < 0.15 and crop[0, 32, 63] > -0.1 > crop[0, 32, 32]


def test_fine_stripes_do_not_alias() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8)[None, :, None], (512, 256, 3)))
    crop, _ = crop_face(stripes, np.array([256.0, 256.0]), np.array([240.0, 20.0]), 64)
    assert crop[:, 4:-4, 4:-4].abs().max() < 0.03  # even grey
