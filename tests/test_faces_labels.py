"""Names, palette and validation of label maps."""

import numpy as np
import pytest
import torch

from idnb.core.errors import InputError
from idnb.faces.labels import (
    LABEL_NAMES,
    LABEL_PALETTE,
    LABEL_TITLES,
    N_LABELS,
    check_label_map,
    colour_labels,
    official_order,
)


def test_names_are_in_the_official_order() -> None:
    assert N_LABELS == len(LABEL_NAMES) == len(LABEL_TITLES) == 19
    assert [LABEL_NAMES.index(n) for n in ("background", "eye_g", "hair", "neck", "cloth")] == [0, 3, 13, 17, 18]


def test_palette_is_distinct_and_parts_that_touch_differ_in_lightness() -> None:
    assert LABEL_PALETTE.shape == (19, 3) and LABEL_PALETTE.dtype == np.uint8
    assert len(np.unique(LABEL_PALETTE, axis=0)) == 19
    linear = (LABEL_PALETTE / 255.0) ** 2.2
    lightness = 116 * np.cbrt(linear @ np.array([0.2126, 0.7152, 0.0722])) - 16
    touching = [
        (0, 1),
        (0, 13),
        (0, 18),
        (1, 13),
        (1, 17),
        (1, 4),
        (1, 6),
        (1, 11),
        (11, 12),
        (10, 12),
        (2, 1),
        (17, 18),
    ]
    for a, b in touching:
        assert abs(lightness[a] - lightness[b]) > 9, (LABEL_NAMES[a], LABEL_NAMES[b])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_accepts_integer_maps(dtype: type) -> None:
    labels = np.arange(19, dtype=dtype).reshape(1, 19)
    out = check_label_map(labels)
    assert out.dtype == torch.int64 and out.shape == (1, 19) and out[0, 18] == 18
    assert check_label_map(torch.zeros(2, 4, 4, dtype=torch.uint8)).shape == (2, 4, 4)


def test_a_read_only_array_is_fine() -> None:
    labels = np.zeros((4, 4), np.uint8)
    labels.setflags(write=False)
    assert check_label_map(labels).sum() == 0


def test_colours_and_shapes_named_in_the_error() -> None:
    for shape in [(8, 8, 3), (8, 8, 4), (2, 8, 8, 3), (2, 3, 8, 8)]:
        with pytest.raises(InputError, match=r"mask.png.*colour picture.*index or grey PNG"):
            check_label_map(np.zeros(shape, np.uint8), name="mask.png")
    with pytest.raises(InputError, match=r"argmax\(1\)"):
        check_label_map(torch.zeros(2, 19, 8, 8, dtype=torch.long))
    with pytest.raises(InputError, match=r"shape \[5\]"):
        check_label_map(np.zeros(5, np.uint8))
    with pytest.raises(InputError, match=r"float32.*long"):
        check_label_map(torch.zeros(4, 4))
    with pytest.raises(InputError, match=r"shape \[0, 4, 4\]"):
        check_label_map(torch.zeros(0, 4, 4, dtype=torch.long))


def test_values_found_are_in_the_error() -> None:
    with pytest.raises(InputError, match=r"values 0, 255 .*0 to 18.*0/255"):
        check_label_map(np.array([[0, 255]], np.uint8))
    with pytest.raises(InputError, match=r"from -1 to 3"):
        check_label_map(np.array([[-1, 3]]))
    with pytest.raises(InputError, match=r"0, 1, 2, 3, 4, 5, 6, 7, \.\.\. \(from 0 to 299\)"):
        check_label_map(np.arange(300).reshape(20, 15))


def test_colouring_uses_the_palette() -> None:
    painted = colour_labels(torch.tensor([[0, 13]]))
    assert painted.shape == (3, 1, 2)
    back = ((painted + 1) * 127.5).round().to(torch.uint8)
    assert (back[:, 0, 1].numpy() == LABEL_PALETTE[13]).all()
    assert colour_labels(torch.zeros(2, 4, 5, dtype=torch.long)).shape == (2, 3, 4, 5)


def test_the_two_orders_are_told_apart_and_converted() -> None:
    official = torch.zeros(8, 8, dtype=torch.long)
    official[0:2, 2:6], official[2:6, 2:6], official[6:8, 3:5] = 13, 1, 17  # hair above skin above neck
    official[3, 3], official[5, 3:5], official[7, 0] = 5, 12, 18
    other = official.clone()
    for here, there in [(13, 17), (17, 14), (5, 5), (12, 13), (18, 16)]:  # hair, neck, right eye, lower lip, cloth
        other[official == here] = there
    assert torch.equal(official_order(official), official)
    assert torch.equal(official_order(other, "face-parsing"), official)
    with pytest.raises(InputError, match=r"mask\.png.*where the hair should be.*order='face-parsing'"):
        official_order(other, name="mask.png")
    assert not torch.equal(official_order(official, "face-parsing"), official)  # an order that is given wins
    assert torch.equal(official_order(other, "celebamask"), other)
    with pytest.raises(InputError, match=r"hair is 13.*hair is 17"):
        official_order(official, "pascal")
