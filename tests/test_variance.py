"""Shares of the variance of maps, on maps whose layers were put together by hand."""

import pytest
import torch

from idnb.core.errors import InputError
from idnb.evaluation.variance import split_variance


def test_shares_are_those_of_the_layers():
    # two people, channels, positions: x = 3 + channel (±4) + position (±2) + person (±1) + person x position (±0.5)
    signs = torch.tensor([1.0, -1.0])
    person, channel, position = signs[:, None, None], signs[None, :, None], signs[None, None, :]
    x = 3 + 4 * channel + 2 * position + person + 0.5 * person * position  # [2, 2, 2]
    shares = split_variance(x[..., None])
    total = 16 + 4 + 1 + 0.25
    assert shares == pytest.approx(
        {"channel": 16 / total, "position": 4 / total, "person": 1 / total, "person x position": 0.25 / total}
    )
    assert sum(split_variance(torch.randn(5, 3, 4, 4)).values()) == pytest.approx(1)


def test_one_template_for_everybody_is_place_alone():
    template = torch.randn(1, 1, 8, 8)
    shares = split_variance(template.expand(6, 1, 8, 8))
    assert shares["position"] == pytest.approx(1) and shares["person x position"] == pytest.approx(0, abs=1e-12)
    assert set(split_variance(torch.ones(3, 2, 4, 4)).values()) == {0.0}


def test_one_person_has_no_variance_between_people():
    with pytest.raises(InputError, match="maps: expected"):
        split_variance(torch.zeros(1, 3, 4, 4))
