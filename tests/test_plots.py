"""Figures: fixed size, at most nine inches, the right pixels, a text for those who cannot see them."""

import io
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from idnb.core.errors import InputError
from idnb.faces.align import AlignedFace, DetectedFace
from idnb.faces.labels import LABEL_PALETTE
from idnb.plots.grids import plot_losses, show_alignment, show_grid, show_matrix, show_pairs, show_row
from idnb.plots.style import as_picture, show

IMAGES = torch.linspace(-1, 1, 6 * 3 * 8 * 8).reshape(6, 3, 8, 8)
LABELS = torch.tensor([[0, 1], [13, 18]]).repeat(2, 4, 4)


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def rendered(fig: plt.Figure) -> np.ndarray:
    fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]


def test_anything_becomes_a_picture() -> None:
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 0] = 255
    tensor = torch.from_numpy(red).movedim(-1, 0).float() / 127.5 - 1
    for picture in (red, Image.fromarray(red), tensor, tensor[None], tensor.requires_grad_()):
        np.testing.assert_array_equal(as_picture(picture), red)
    np.testing.assert_array_equal(as_picture(LABELS[0]), LABEL_PALETTE[LABELS[0].numpy()])
    np.testing.assert_array_equal(as_picture(LABELS[:1]), LABEL_PALETTE[LABELS[0].numpy()])
    assert as_picture(torch.zeros(1, 4, 6)).shape == (4, 6, 3) and (as_picture(torch.zeros(1, 1, 4, 6)) == 128).all()


def test_what_is_no_picture() -> None:
    with pytest.raises(InputError, match=r"from 0 to 255.*127\.5"):
        as_picture(torch.tensor([0.0, 255.0]).repeat(3, 4, 2))
    with pytest.raises(InputError, match=r"cannot show a tensor \[2, 3, 4, 4\]"):
        as_picture(torch.zeros(2, 3, 4, 4))
    with pytest.raises(InputError, match=r"values 99"):
        as_picture(torch.full((4, 4), 99))
    with pytest.raises(InputError, match=r"no picture"):
        show_grid([])
    with pytest.raises(InputError, match=r"row_labels has 3 entries for 1"):
        show_grid([[IMAGES[0]]], row_labels="abc")
    with pytest.raises(InputError, match=r"labels has 1 entries for 6"):
        show_row(IMAGES, ["a"])


@pytest.mark.parametrize("columns", [1, 3, 12, 40])
def test_figures_are_at_most_nine_inches_wide(columns: int) -> None:
    fig = show_grid(
        [[IMAGES[0]] * columns, [LABELS[0]] * columns],
        ["contour", "a rather long label of a row"],
        [f"c{i}" for i in range(columns)],
        "A title that is much longer than one small picture is wide, so it has to be broken",
        captions=[["0.12"] * columns] * 2,
    )
    assert fig.get_size_inches()[0] <= 9.0 and fig.dpi == 100
    assert len(fig.axes) == 2 * columns and len(fig.legends) == 1
    picture = rendered(fig)
    assert picture.shape[1] <= 900 and picture.std() > 5
    for text in fig.texts:  # nothing is cut off
        box = text.get_window_extent()
        assert box.x0 >= -2 and box.x1 <= picture.shape[1] + 2 and box.y1 <= picture.shape[0] + 2, text.get_text()


def test_pixels_of_the_picture_are_on_the_figure() -> None:
    colours = rendered(show_grid([[IMAGES[0], LABELS[0]]], cell=1.6, legend=False)).reshape(-1, 3)
    for wanted in (as_picture(IMAGES[0])[4, 4], LABEL_PALETTE[13], LABEL_PALETTE[1]):
        assert (np.abs(colours.astype(int) - wanted).max(1) <= 1).any()


def test_legend_lists_the_classes_that_occur() -> None:
    fig = show_grid([[LABELS[0], IMAGES[0]]])
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["background", "skin", "hair", "clothes"]
    assert show_grid([[IMAGES[0]]]).legends == [] and show_grid([[LABELS[0]]], legend=False).legends == []


def test_rows_pairs_and_matrix() -> None:
    assert len(show_row(IMAGES, list("abcdef"), per_row=4).axes) == 6
    assert len(show_row(IMAGES[:3], list("abc")).texts) == 3
    pairs = show_pairs(LABELS, IMAGES[:2], IMAGES[2:4], "Pairs")
    assert len(pairs.axes) == 6 and "rows: contour, identity, result" in str(pairs.get_label())
    assert len(show_pairs(IMAGES[:2], IMAGES[2:4]).axes) == 4
    matrix = show_matrix(IMAGES[:2], IMAGES[2:5], IMAGES[None].expand(2, -1, -1, -1, -1)[:, :3])
    assert len(matrix.axes) == 3 + 2 * 4


def test_alignment_figure() -> None:
    face = DetectedFace(
        np.array([10.0, 10, 40, 50]), np.array([[18.0, 25], [32, 25], [25, 32], [19, 40], [31, 40]]), 0.99
    )
    corners = np.array([[0.0, 0], [60, 0], [60, 60], [0, 60]])
    aligned = AlignedFace(IMAGES[0], face, corners, 2, 0.1, 3.0)
    fig = show_alignment(Image.new("RGB", (200, 80), "grey"), aligned, "Your photo")
    assert fig.get_size_inches()[0] <= 9.0 and rendered(fig).std() > 1
    label = str(fig.get_label())
    assert "2 faces, the largest taken" in label and "10% of the crop" in label and "magnified 3.0 times" in label


def test_losses() -> None:
    fig = plot_losses({"l2": np.exp(-np.arange(200) / 50), "id": (np.arange(0, 200, 50), [4.0, 3, 2, 1])}, "Training")
    assert "l2 from 1 to" in str(fig.get_label()) and "id from 4 to 1" in str(fig.get_label())
    assert len(fig.axes[0].lines) == 3  # the long curve also unsmoothed
    constant = plot_losses({"flat": [2.0] * 100}, log=True).axes[0].lines[1].get_ydata()
    np.testing.assert_allclose(np.asarray(constant), 2.0)


def test_show_gives_one_png_with_alternative_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[dict, dict]] = []
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    fig = show_row(IMAGES, title="Six ramps")
    show(fig)
    show(show_row(IMAGES), alt="six colour ramps")
    assert shown[0][0]["text/plain"] == "Six ramps; 1 by 6" and shown[0][1] == {
        "image/png": {"alt": "Six ramps; 1 by 6"}
    }
    assert shown[1][0]["text/plain"] == "six colour ramps" and shown[1][0]["image/png"].startswith(b"\x89PNG")
    assert plt.get_fignums() == []  # closed, so that it does not appear twice


def test_small_pictures_are_smaller_and_keep_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[dict, dict]] = []
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    noise = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    smooth = torch.nn.functional.interpolate(noise, size=128, mode="bicubic").clamp(-1, 1)
    flat = torch.ones(2, 3, 32, 32) * torch.tensor([-0.5, 0.5])[:, None, None, None]
    sizes = {}
    for name, pictures in {"smooth": smooth, "flat": flat}.items():
        for small in (False, True):
            show(show_row(pictures), alt="noise, zwölf × zwölf", small=small)
            bundle, metadata = shown.pop()
            (kind,) = (key for key in bundle if key.startswith("image/"))
            assert metadata == {kind: {"alt": "noise, zwölf × zwölf"}}
            sizes[name, small] = kind, len(bundle[kind])
            picture = Image.open(io.BytesIO(bundle[kind]))
            assert picture.format is not None and kind == f"image/{picture.format.lower()}"
            if kind == "image/png":
                assert picture.text["Description"] == "noise, zwölf × zwölf"  # type: ignore[attr-defined]
    assert sizes["smooth", True][0] == "image/jpeg" and sizes["smooth", True][1] < 0.4 * sizes["smooth", False][1]
    assert sizes["flat", True][0] == "image/png" and sizes["flat", True][1] < sizes["flat", False][1]


def test_show_outside_a_notebook_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    show(show_row(IMAGES))
    assert capsys.readouterr().out == ""


def test_style_does_not_leak() -> None:
    before = dict(plt.rcParams)
    show_row(IMAGES)
    plot_losses({"a": [1.0, 2.0]})
    assert dict(plt.rcParams) == before
