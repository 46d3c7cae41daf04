"""One way to resize: exact means downwards, bilinear upwards, and Pillow's bicubic."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from idnb.core.errors import InputError
from idnb.core.resize import resize


@pytest.mark.parametrize("side, size", [(128, 64), (256, 64), (1024, 256), (64, 32), (64, 64)])
def test_whole_ratios_are_exact_means(side, size):
    images = torch.rand(1, 3, side, side) * 2 - 1
    assert torch.equal(resize(images, size), F.avg_pool2d(images, side // size))
    row = images[0, 0, : side // size, : side // size]
    torch.testing.assert_close(resize(images, size)[0, 0, 0, 0], row.mean())


def test_smaller_ones_are_enlarged_bilinearly():
    images = torch.rand(2, 3, 8, 8)
    wanted = F.interpolate(images, size=(20, 20), mode="bilinear", align_corners=False)
    assert torch.equal(resize(images, 20), wanted)
    assert resize(images, 8) is images and resize(images, 8, "bicubic") is not images
    assert torch.equal(resize(images, 8, "bicubic"), images)


def test_enlarging_equals_pillow_and_is_clamped() -> None:
    pixels = np.array([[0, 255, 0, 255]] * 4, np.uint8)
    tensor = torch.from_numpy(pixels)[None, None].float() / 127.5 - 1
    ours = ((resize(tensor, 16, "bicubic")[0, 0] + 1) * 127.5).numpy()
    theirs = np.array(Image.fromarray(pixels).resize((16, 16), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(ours - theirs).max() < 1.3 and ours.min() >= 0 and ours.max() <= 255


def test_what_is_not_clamped_overshoots_and_has_a_gradient():
    pixels = torch.tensor([[-1.0, 1.0, -1.0, 1.0]] * 4).expand(1, 3, 4, 4).clone().requires_grad_()
    free = resize(pixels, 16, "bicubic", clamp=False)
    assert free.max() > 1.01 and torch.equal(free.clamp(-1, 1), resize(pixels, 16, "bicubic"))
    free.sum().backward()
    assert bool((pixels.grad > 0).all())


def test_bad_input_is_named():
    for wrong in (torch.zeros(3, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 6)):
        with pytest.raises(InputError, match=r"expected \[B, 3, H, H\].*align the face first"):
            resize(wrong, 4)
    with pytest.raises(InputError, match="how is 'nearest'; choose area, bilinear or bicubic"):
        resize(torch.zeros(1, 3, 8, 8), 4, "nearest")
