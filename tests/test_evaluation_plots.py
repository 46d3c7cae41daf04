"""Figures about measures: what they draw, what their texts say, what they refuse."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

from idnb.core.errors import InputError
from idnb.plots.measures import show_curves, show_intervals, show_plane


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_a_plane_shows_dots_means_bands_and_a_path() -> None:
    clouds = {"copy": (np.array([1.0, 3.0]), np.array([0.5, 0.7])), "one": (2.0, 0.1)}
    fig = show_plane(clouds, "dB", "likeness", "Plane", {"strangers": (-0.1, 0.1)}, ("cross-fade", [0, 4], [0, 1]))
    assert (
        fig.get_figwidth() <= 9 and "copy at 2.00, 0.60" in fig.get_label() and "one at 2.00, 0.10" in fig.get_label()
    )
    axes = fig.axes[0]
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"strangers", "copy", "one", "cross-fade"}
    with pytest.raises(InputError, match="'a' needs as many x as y"):
        show_plane({"a": ([1, 2], [1])}, "x", "y")
    with pytest.raises(InputError, match="there is none"):
        show_plane({}, "x", "y")


def test_curves_take_single_and_repeated_values() -> None:
    panels = {"distance": {"halves": np.array([[4.0, 2.0], [6.0, 2.0]])}, "share": {"judge": [0.0, 1.0]}}
    fig = show_curves(panels, [10, 100], "images", "Bias", log=True, lines={"floor": 1.5})
    assert fig.get_figwidth() <= 9 and len(fig.axes) == 2
    assert "distance, halves: 5 to 2" in fig.get_label() and "share, judge: 0 to 1" in fig.get_label()
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == ["halves", "floor"]
    with pytest.raises(InputError, match="'halves' needs 3 values"):
        show_curves(panels, [1, 2, 3], "images")
    with pytest.raises(InputError, match="there is none"):
        show_curves({}, [1], "images")


def test_intervals_that_miss_are_counted() -> None:
    fig = show_intervals({"pairs": [[0.0, 1.0], [2.0, 3.0], [-3.0, -2.0]], "contours": np.zeros((3, 2))}, 0.0, "IDSIM")
    assert fig.get_figwidth() <= 9
    assert "pairs: 2 of 3 miss the truth; contours: 0 of 3 miss the truth" in fig.get_label()
    for wrong in ({}, {"pairs": np.zeros(3)}, {"pairs": np.zeros((0, 2))}):
        with pytest.raises(InputError, match="lower and upper ends"):
            show_intervals(wrong, 0.0, "IDSIM")
