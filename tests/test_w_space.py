"""The whitened coordinates of a generator's W."""

import pytest
import torch

import idnb
from idnb.models.stylegan2 import Generator
from idnb.models.w_space import FLATTEST, WSpace


def test_what_the_mapping_network_makes_is_a_ball():
    generator = idnb.load_generator("tiny")
    space = WSpace(generator)
    z = torch.randn(20_000, generator.style_dim, generator=torch.Generator().manual_seed(7))
    white = space.whiten(generator.mapping(z))
    assert white.mean(dim=0).abs().max() < 0.06
    assert (white.std(dim=0) - 1).abs().max() < 0.12
    w_plus = generator.to_w_plus(generator.mapping(z[:2]))
    torch.testing.assert_close(space.whiten(w_plus)[:, 3], white[:2], atol=1e-4, rtol=1e-4)


def test_a_step_along_a_flat_direction_is_long():
    generator = idnb.load_generator("tiny")
    space = WSpace(generator)
    flat, long = space.mean + space.axes[:, 0], space.mean + space.axes[:, -1]
    assert space.whiten(flat).norm().item() == pytest.approx(1 / space.spread[0].item(), rel=1e-3)
    assert space.whiten(flat).norm() > 5 * space.whiten(long).norm()


def test_a_cloud_without_depth_in_some_direction():
    torch.manual_seed(0)
    generator = Generator(8, 16, 1, (8, 8))
    with torch.no_grad():
        generator.style[1].weight[3] = 0  # w_3 is the same for every z
    space = WSpace(generator)
    floor = FLATTEST**0.5 * space.spread[-1]
    assert space.spread[0].item() == pytest.approx(floor.item(), rel=1e-4)
    assert space.whiten(generator.mapping(torch.randn(9, 16))).isfinite().all()
