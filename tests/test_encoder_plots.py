"""The paper's figure 2 from live tensors: stations, arrows, texts, and what is refused."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.models.stylegan2 import Generator
from idnb.plots.codes import show_code_shapes, show_spaces
from idnb.plots.dual_encoder import as_activity, as_rows, show_dual_encoder


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def stations(levels: int = 2) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = {"x_c": (3, 4, 4), "x_id": (3, 8, 8), "y_hat": (3, 8, 8), "head": (2, 8, 8), "neck": (4, 4, 4)}
    shapes |= {"w_plus": (3, 6), "input_latent": (5, 4, 4), "result": (3, 16, 16)}
    for i in range(1, levels + 1):
        shapes |= {f"{name}{i}": (2 * i, 8 // i, 8 // i) for name in ("F", "gamma ", "H")}
    return {name: torch.randn(1, *shape, generator=random) for name, shape in shapes.items()}


def test_every_station_is_drawn_with_its_shape() -> None:
    fig = show_dual_encoder(stations(), "One step")
    assert fig.get_figwidth() <= 9
    assert len(fig.axes) == 1 + 8 + 3 * 2  # the plane, and a picture for every station
    texts = [text.get_text() for text in fig.axes[0].texts]
    assert "γ, β 2\n[4, 4, 4]" in texts and "+ w_plus\n[3, 6]" in texts and "result\n[3, 16, 16]" in texts
    assert "One step" in fig.get_label() and "H2 [4, 4, 4]" in fig.get_label()


def test_other_encoders_have_other_stations() -> None:
    way = stations(levels=1)
    del way["input_latent"]
    assert len(show_dual_encoder(way).axes) == 1 + 7 + 3
    del way["H1"], way["neck"]
    with pytest.raises(InputError, match="there is no neck, H1"):
        show_dual_encoder(way)


def test_a_live_step_of_the_tiny_encoder_fits() -> None:
    from idnb.core.presets import TINY
    from idnb.models.encoder import IdentityGuidedEncoder

    encoder = IdentityGuidedEncoder("low_res", TINY).eval()
    picture = torch.zeros(1, 3, TINY.encoder_size, TINY.encoder_size)
    with torch.no_grad():
        levels = encoder.identity_encoder(picture)  # type: ignore[misc]
        x = encoder.head(torch.cat([picture, picture], dim=1))
        way = {"x_c": picture, "x_id": picture, "y_hat": picture, "result": picture, "head": x}
        for i, (block, feature) in enumerate(zip(encoder.blocks, levels, strict=True), start=1):
            modulations = block.modulations(feature)  # type: ignore[operator]
            x = block.fuse(x, modulations)  # type: ignore[operator]
            way |= {f"F{i}": feature, f"gamma {i}": modulations[-1].gamma, f"H{i}": x}
        way["neck"] = encoder.neck(x)
        way["w_plus"] = encoder.style_head(way["neck"])
        way["input_latent"] = encoder.latent_head(way["neck"])  # type: ignore[misc]
    assert f"w_plus [{TINY.n_styles}, {TINY.style_dim}]" in show_dual_encoder(way).get_label()


def test_activity_is_brightest_where_values_leave_their_mean() -> None:
    features = torch.zeros(1, 2, 3, 3)
    features[0, :, 1, 1] = torch.tensor([1.0, -1.0])
    seen = as_activity(features)
    assert seen.shape == (3, 3, 3) and seen.dtype == np.uint8
    assert seen.astype(int).sum(axis=2).argmax() == 4
    np.testing.assert_array_equal(as_activity(features[0]), seen)
    with pytest.raises(InputError, match=r"\[1, C, H, W\]"):
        as_activity(torch.zeros(2, 2, 3, 3))


def test_rows_of_a_code_become_bands() -> None:
    codes = torch.stack([torch.ones(6), -torch.ones(6), torch.zeros(6)])[None]  # [1, 3, 6]
    bands = as_rows(codes)
    assert bands.shape == (6, 6, 3)  # two lines for each of three styles
    assert bands[0, 0, 0] > bands[0, 0, 2] and bands[2, 0, 2] > bands[2, 0, 0]  # red, then blue
    assert bands[5].min() > 240 and as_rows(torch.zeros(3, 6)).min() > 240  # zero is white
    with pytest.raises(InputError, match="n_styles"):
        as_rows(torch.zeros(2, 3, 6))


def test_codes_are_shown_with_their_shapes():
    generator = Generator.from_preset(TINY).eval()
    label = show_code_shapes(generator, seed=3).get_label()
    assert all(head in label for head in ("z [1, 256]", "w [1, 256]", "W [12, 256]", "W+ [12, 256]"))
    w_plus = generator.to_w_plus(generator.mapping(torch.randn(3, 256)))
    fig = show_spaces(generator, w_plus, seed=3)
    shown = [np.asarray(axes.images[0].get_array()) for axes in fig.axes if axes.images]
    assert all(head in fig.get_label() for head in ("Z [256]", "W [256]", "W+ [12, 256]")) and len(shown) == 6
    apart = np.abs(shown[1].astype(int) - shown[2])  # a code of W has equal rows: their mean is a row, but for rounding
    assert apart.max() <= 1
    assert np.abs(shown[0].astype(int) - shown[1]).mean() > 1
