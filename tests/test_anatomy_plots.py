"""Figures that open networks up: sizes, pixels, texts, and what they refuse."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from idnb.core.errors import InputError
from idnb.plots.networks import FlowBox, as_heat, show_bands, show_flow, show_heat_table


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_heat_goes_from_dark_to_bright() -> None:
    heat = as_heat(torch.tensor([[0.0, 0.5, 1.0]]))
    assert heat.shape == (1, 3, 3) and heat.dtype == np.uint8
    brightness = heat[0].astype(int).sum(axis=1)
    assert brightness[0] < brightness[1] < brightness[2]
    np.testing.assert_array_equal(as_heat(np.array([[5.0, -5.0]]), 0, 1), as_heat(torch.tensor([[1.0, 0.0]])))


def test_signed_heat_has_a_white_zero() -> None:
    heat = as_heat(torch.tensor([[-1.0, 0.0, 0.25]]), signed=True)
    assert heat[0, 1].min() > 240  # nearly white
    assert heat[0, 0, 2] > heat[0, 0, 0] and heat[0, 2, 0] > heat[0, 2, 2]  # blue below, red above
    assert heat[0, 2].astype(int).sum() > heat[0, 0].astype(int).sum()  # 0.25 is paler than -1


def test_heat_refuses_what_is_no_map() -> None:
    for wrong in (torch.zeros(3), torch.zeros(0, 2), torch.tensor([[float("nan")]])):
        with pytest.raises(InputError, match="finite numbers"):
            as_heat(wrong)


def test_table_carries_its_numbers() -> None:
    fig = show_heat_table(torch.tensor([[-0.001, 1.0], [-0.5, 0.25]]), ["row 1", "row 2"], ["left", "right"], "Shares")
    assert fig.get_figwidth() <= 9 and "right: row 1" in fig.get_label()
    texts = [text.get_text() for text in fig.axes[0].texts]
    assert texts == ["0.00", "1.00", "-0.50", "0.25"]
    with pytest.raises(InputError, match="do not fit 1 rows"):
        show_heat_table(torch.zeros(2, 2), ["one"], ["a", "b"])


def test_bands_lie_behind_the_scores() -> None:
    bands = {"same person": np.linspace(0.5, 1.0, 101), "strangers": np.linspace(-0.3, 0.3, 101)}
    scores = {"mirrored": np.array([0.8, 1.0]), "grey": np.array([0.4, 0.6])}
    fig = show_bands({"ArcFace": (bands, scores), "judge": (bands, scores)}, "Bands")
    assert fig.get_figwidth() <= 9 and "judge, grey: 0.50" in fig.get_label()
    with pytest.raises(InputError, match="same scores"):
        show_bands({"one": (bands, scores), "two": (bands, {"grey": scores["grey"]})})
    with pytest.raises(InputError, match="at least one"):
        show_bands({})


def test_flow_draws_every_station() -> None:
    picture = torch.linspace(-1, 1, 3 * 16).reshape(3, 4, 4)
    boxes = {
        "in": FlowBox(picture, "contour\n[3, 4, 4]", 0, 0),
        "net": FlowBox(None, "encoder", 1, 0),
        "out": FlowBox(picture, "face", 2, 1),
    }
    fig = show_flow(boxes, [("in", "net"), ("net", "out")], "Flow")
    assert "contour [3, 4, 4]; encoder; face" in fig.get_label()
    assert len(fig.axes) == 3  # the plane and two pictures
    again = show_flow(boxes, [("in", "net")], "Flow", feedback=("out", "in"))
    assert again.get_figheight() > fig.get_figheight() and len(again.axes[0].lines) == len(fig.axes[0].lines) + 1
    with pytest.raises(InputError, match="nowhere"):
        show_flow(boxes, [], feedback=("out", "nowhere"))
    wide = {str(i): FlowBox(None, "x", i, 0) for i in range(20)}
    assert show_flow(wide, []).get_figwidth() <= 9
    with pytest.raises(InputError, match="no boxes"):
        show_flow(boxes, [("in", "nowhere")])
    with pytest.raises(InputError, match="no box to show"):
        show_flow({}, [])
