"""Pairs for training: contours as users make them, partners, mirroring, the cache."""

import numpy as np
import pytest
import torch

import idnb
from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.core.resize import resize
from idnb.faces.labels import LABEL_NAMES
from idnb.training.pair_data import read_pair_data

KINDS = ("low_res", "sketch", "label_map")


@pytest.fixture(scope="module")
def faces():
    return idnb.load_faces("test")


@pytest.fixture(scope="module", params=KINDS)
def data(request, faces):
    return read_pair_data([faces], request.param, TINY, people=3, cache=False, report=lambda text: None)


def test_photos_and_contours_are_those_a_user_makes(data, faces):
    n = len(data)
    assert data.people == 3 and n == int((faces.identity < faces.identity.min() + 3).sum())
    images, label_maps = faces.images(range(n)), faces.label_maps(range(n))
    assert (data.images(torch.arange(n)) - resize(images, 128)).abs().max() < 0.005
    kind = contour_kind(data.kind)
    wanted = kind.network_input(kind.make(images, label_maps), 64)
    found = kind.network_input(data.contour(torch.arange(n)), 64)
    if data.kind == "sketch":  # every second one is drawn from the picture alone
        wanted[1::2] = kind.network_input(kind.make(images[1::2]), 64)
    assert (found - wanted).abs().max() < 0.01


def test_drawing_is_repeatable_and_shows_the_right_people(data):
    first, again = (data.draw(8, torch.Generator().manual_seed(3)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)
    contour_input, photo, x_id = first
    assert contour_input.shape == (8, contour_kind(data.kind).channels, 64, 64)
    assert photo.shape == x_id.shape == (8, 3, 128, 128) and photo.min() >= -1 and photo.max() <= 1


def test_contour_and_photo_are_mirrored_together(faces):
    data = read_pair_data([faces], "low_res", TINY, people=3, cache=False, report=lambda text: None)
    batch = data.draw(32, torch.Generator().manual_seed(0))
    small = contour_kind("low_res").make(batch.photo)
    again = contour_kind("low_res").network_input(small, 64)
    assert (again - batch.contour_input).abs().mean() < 0.01
    assert (again.flip(3) - batch.contour_input).abs().mean() > 0.05


def test_partners_of_the_same_person(data):
    rows = torch.arange(len(data)).repeat(20)
    partners = data.other_picture(rows, torch.Generator().manual_seed(1))
    assert torch.equal(data.identity[partners], data.identity[rows])
    assert not (partners == rows).any()
    for row in range(len(data)):
        mates = set(torch.nonzero(data.identity == data.identity[row])[:, 0].tolist()) - {row}
        assert set(partners[rows == row].tolist()) == mates


def test_mirrored_labels_change_sides():
    left, right = LABEL_NAMES.index("l_eye"), LABEL_NAMES.index("r_eye")
    lips = LABEL_NAMES.index("l_lip")
    labels = torch.tensor([[[left, lips], [0, right]]])
    mirror = contour_kind("label_map").mirror
    assert mirror(torch.tensor([[[4, 0, 5], [6, 1, 9]]])).tolist() == [[[4, 0, 5], [8, 1, 7]]]
    assert mirror(labels).tolist() == [[[lips, right], [left, 0]]]
    assert torch.equal(mirror(mirror(labels)), labels)
    assert contour_kind("sketch").mirror(torch.tensor([[[[1.0, 2.0]]]])).tolist() == [[[[2.0, 1.0]]]]


def test_people_of_two_sets_are_different_people(faces):
    data = read_pair_data([faces, faces], "low_res", TINY, people=2, cache=False, report=lambda text: None)
    assert data.people == 4


def test_the_cache_is_used_and_a_damaged_file_is_made_again(faces, tmp_path, monkeypatch):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path))
    first = read_pair_data([faces], "label_map", TINY, people=2, report=lambda text: None)
    (file,) = (tmp_path / "pairs").glob("*.pt")

    def nothing(*args, **options):
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(type(faces), "images", nothing)
        second = read_pair_data([faces], "label_map", TINY, people=2, report=lambda text: None)
    assert torch.equal(first.contours, second.contours) and torch.equal(first.photos, second.photos)
    file.write_bytes(b"cut")
    third = read_pair_data([faces], "label_map", TINY, people=2, report=lambda text: None)
    assert torch.equal(first.contours, third.contours)


def test_nothing_to_read():
    with pytest.raises(InputError, match="sets is empty"):
        read_pair_data([], "low_res", TINY)


def test_identity_numbers_stay_whole(data):
    assert data.identity.dtype == torch.int64 and np.all(np.diff(data.identity.numpy()) >= 0)
