"""The alignment rule, against values worked out by hand."""

import numpy as np
import pytest

from idnb.core.errors import InputError
from idnb.faces.framing import EYE_LEFT, EYE_RIGHT, crop_corners, ffhq_crop


def test_upright_face_where_the_eyes_set_the_size() -> None:
    # e = (40, 0), m = (0, 30): half-side max(80, 54) = 80; centre a tenth of 30 below the middle of the eyes
    centre, half_x = ffhq_crop((80, 100), (120, 100), (85, 130), (115, 130))
    np.testing.assert_allclose(centre, (100, 103))
    np.testing.assert_allclose(half_x, (80, 0))
    np.testing.assert_allclose(crop_corners(centre, half_x), [(20, 23), (180, 23), (180, 183), (20, 183)])


def test_upright_face_where_the_mouth_sets_the_size() -> None:
    # e = (40, 0), m = (0, 50): half-side max(80, 90) = 90
    centre, half_x = ffhq_crop((80, 100), (120, 100), (85, 150), (115, 150))
    np.testing.assert_allclose(centre, (100, 105))
    np.testing.assert_allclose(half_x, (90, 0))


def test_balanced_face_puts_the_eyes_at_the_stated_place() -> None:
    # 2 |e| = 1.8 |m|: the eyes are a quarter of the side apart, the middle of the eyes 0.1 |m| above the centre
    e, m = 36.0, 40.0
    centre, half_x = ffhq_crop((-e / 2, 0), (e / 2, 0), (-10, m), (10, m))
    top_left, side = crop_corners(centre, half_x)[0], 2 * half_x[0]
    np.testing.assert_allclose((np.array([-e / 2, 0]) - top_left) / side, EYE_LEFT, atol=5e-4)
    np.testing.assert_allclose((np.array([e / 2, 0]) - top_left) / side, EYE_RIGHT, atol=5e-4)


@pytest.mark.parametrize("degrees", [-170, -90, -30, 0, 45, 90, 180])
def test_turns_moves_and_grows_with_the_face(degrees: float) -> None:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array([(-19, -3), (21, 2), (-13, 40), (16, 38)], float)
    centre, half_x = ffhq_crop(*points)
    moved_centre, moved_half = ffhq_crop(*(3.0 * points @ turn.T + (500, -70)))
    np.testing.assert_allclose(moved_centre, 3.0 * turn @ centre + (500, -70))
    np.testing.assert_allclose(moved_half, 3.0 * turn @ half_x, atol=1e-9)


def test_many_faces_at_once_equal_one_by_one() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    points = np.array([(-19, -3), (21, 2), (-13, 40), (16, 38)])[:, None] + rng.normal(0, 2, (4, 7, 2))
    centre, half_x = ffhq_crop(*points)
    assert centre.shape == half_x.shape == (7, 2) and crop_corners(centre, half_x).shape == (7, 4, 2)
    for i in range(7):
        one_centre, one_half = ffhq_crop(*points[:, i])
        np.testing.assert_array_equal(one_centre, centre[i])
        np.testing.assert_array_equal(one_half, half_x[i])


def test_points_that_make_no_face() -> None:
    with pytest.raises(InputError, match=r"left of the upright picture"):
        ffhq_crop((120, 100), (80, 100), (85, 130), (115, 130))  # eyes swapped
    with pytest.raises(InputError, match=r"y must point down"):
        ffhq_crop((80, -100), (120, -100), (85, -130), (115, -130))  # y pointing up
    with pytest.raises(InputError, match=r"do not make a face"):
        ffhq_crop((5, 5), (5, 5), (5, 5), (5, 5))
    with pytest.raises(InputError, match=r"eye_right.*\[3\]"):
        ffhq_crop((80, 100), (120, 100, 0), (85, 130), (115, 130))
    with pytest.raises(InputError, match=r"mouth_left.*not finite"):
        ffhq_crop((80, 100), (120, 100), (np.nan, 130), (115, 130))
