"""Figures of training: panels, bands, gaps, and what they refuse."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

from idnb.core.errors import InputError
from idnb.plots.training import show_terms, show_trade_off


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_terms_get_a_panel_each() -> None:
    run = {"images": [8, 16, 24], "l2": [0.3, 0.2, 0.1], "w_norm": [0.0, 4.0, 5.0]}
    fig = show_terms({"mine": run, "other": {**run, "l2": [0.3, float("nan"), 0.2]}}, ("l2", "w_norm"), "Terms")
    assert [axes.get_title() for axes in fig.axes] == ["L2", "W norm"]
    np.testing.assert_allclose(fig.axes[0].lines[0].get_data(), ([8, 16, 24], [0.3, 0.2, 0.1]))
    assert "L2, mine: from 0.3 to 0.1" in fig.get_label() and "L2, other: from 0.3 to 0.2" in fig.get_label()
    assert fig.get_size_inches()[0] <= 9


def test_a_log_is_read_as_it_is_and_may_have_one_line(tmp_path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,images,l2\n19,160,0.25\n", encoding="utf-8")
    log = np.genfromtxt(path, delimiter=",", names=True)
    fig = show_terms({"run": log}, ("l2",))
    assert fig.axes[0].lines[0].get_xydata().tolist() == [[160.0, 0.25]]
    fig = show_terms({"run": {"l2": [1.0, 2.0]}}, ("l2",), x="nothing")
    assert fig.axes[0].lines[0].get_xdata().tolist() == [0, 1]


def test_terms_that_are_not_there() -> None:
    with pytest.raises(InputError, match="no column 'identity'; there are: l2"):
        show_terms({"run": {"l2": [1.0]}}, ("identity",))
    with pytest.raises(InputError, match="at least one"):
        show_terms({})


def test_trade_off_draws_means_in_front_of_bands() -> None:
    x, y = np.array([[0.0, 0.2], [0.4, 0.6]]), np.array([[0.1, 0.3], [0.7, 0.9]])
    bands = {"same": np.linspace(0.6, 1, 21), "strangers": np.linspace(-0.2, 0.2, 21)}
    fig = show_trade_off({"judge": (bands, {"plain": (x, y), "views": (x, y / 2)})}, ["0", "1"], "Trade")
    (axes,) = fig.axes
    plain = next(line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o")
    np.testing.assert_allclose(plain.get_xydata(), [[0.1, 0.2], [0.5, 0.8]])
    assert [text.get_text() for text in axes.texts] == ["0", "1"]
    assert "judge, plain: from (0.10, 0.20) to (0.50, 0.80)" in fig.get_label()


def test_trade_off_refuses_what_does_not_fit() -> None:
    square = np.zeros((2, 3))
    with pytest.raises(InputError, match=r"expected \[L, N\]"):
        show_trade_off({"judge": ({}, {"plain": (square, square)})}, ["only one"])
    with pytest.raises(InputError, match="each with a curve"):
        show_trade_off({"judge": ({}, {})}, [])
