"""Figures about measures: what they draw, what their texts say, what they refuse."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

from idnb.errors import InputError
from idnb.evaluation_plots import show_plane


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
