"""Blur and line art: kernels worked out by hand, and drawings of rendered people that are mostly paper."""

import math

import pytest
import torch

import idnb
from idnb.contours.line_art import draw_from_image, draw_from_labels
from idnb.core.resize import gaussian_blur


def test_blur_keeps_brightness_and_spreads_a_dot() -> None:
    flat = torch.full((2, 3, 9, 7), 0.3)
    torch.testing.assert_close(gaussian_blur(flat, 1.7), flat)
    assert gaussian_blur(flat, 0.0) is flat
    dot = torch.zeros(1, 1, 31, 31)
    dot[..., 15, 15] = 1.0
    out = gaussian_blur(dot, 2.0)[0, 0]
    assert float(out.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(out[15, 17] / out[15, 15]) == pytest.approx(math.exp(-0.5), rel=1e-4)
    assert float(out[13, 17] / out[15, 15]) == pytest.approx(math.exp(-1.0), rel=1e-4)


def test_a_dark_line_is_drawn_where_it_is_and_a_light_one_is_not() -> None:
    picture = torch.full((1, 3, 64, 64), 0.2)
    picture[..., 31:33, 8:56] = -0.8
    drawn = draw_from_image(picture)[0, 0]
    assert drawn[31:33, 14:50].max() < 0.3 and drawn[:24].min() > 0.95 and drawn[40:].min() > 0.95
    assert draw_from_image(torch.rot90(picture, 1, (2, 3)))[0, 0, 14:50, 31:33].max() < 0.3  # in every direction
    light = torch.full((1, 3, 64, 64), -0.2)
    light[..., 31:33, 8:56] = 0.8
    assert draw_from_image(light)[0, 0, 31:33, 14:50].min() > 0.9


def test_outlines_lie_on_the_borders_of_the_label_map() -> None:
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[:, :, 32:] = 13  # background | hair
    drawn = draw_from_labels(torch.zeros(1, 3, 64, 64), labels)[0, 0]
    assert drawn[:, 31:33].mean() < 0.7 and drawn[:, :29].min() == 1.0 and drawn[:, 35:].min() == 1.0
    assert draw_from_labels(torch.zeros(1, 3, 64, 64), labels * 0).min() == 1.0


@pytest.mark.parametrize("size", [64, 128])
def test_people_become_line_art(size: int) -> None:
    faces = idnb.load_faces("test")
    indices = list(range(0, 32, 4))
    images, labels = faces.images(indices, size=size), faces.label_maps(indices, size=size)
    for drawn in (draw_from_image(images), draw_from_labels(images, labels)):
        assert drawn.shape == (8, 1, size, size) and drawn.min() >= 0 and drawn.max() <= 1
        ink = (1 - drawn).mean((1, 2, 3))
        assert ink.min() > 0.02 and ink.max() < 0.35
        paper = (drawn > 0.9).float().mean((1, 2, 3))
        assert paper.min() > 0.5
    alone, helped = draw_from_image(images), draw_from_labels(images, labels)
    background = (labels == 0)[:, None] & torch.isclose(helped, torch.ones(()))
    assert background.sum() > 0.8 * (labels == 0).sum()  # the background stays empty, whatever the picture holds there
    assert torch.equal(alone, draw_from_image(images))
