"""Measures of single images against values computed by hand."""

import math
import sys
import types

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import idnb.evaluation.metrics as metrics
from idnb.core.errors import InputError
from idnb.core.psnr import psnr
from idnb.faces.overlap import class_overlap, mean_overlap


def test_psnr_by_hand():
    a = torch.zeros(3, 3, 4, 4)
    b = torch.stack([torch.full((3, 4, 4), 0.2), torch.zeros(3, 4, 4), torch.full((3, 4, 4), 2.0)])
    # Peak 2: 10 log10(4 / 0.04) = 20 dB; equal images are capped; an error as large as the peak gives 0 dB.
    assert psnr(a, b).tolist() == pytest.approx([20.0, 100.0, 0.0], abs=1e-4)
    with pytest.raises(InputError, match="one shape"):
        psnr(a, b[:, :, :2])


def test_similarity_and_ranks_by_hand():
    class Mean(nn.Module):
        def forward(self, images):
            return torch.nn.functional.normalize(images.mean((2, 3)), dim=1)

    red, green = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    red[:, 0], green[:, 1] = 0.5, 0.9
    mixed = (red / 0.5 + green / 0.9) / 2
    assert metrics.identity_similarity(Mean(), red, green).item() == pytest.approx(0)
    assert metrics.identity_similarity(Mean(), red, mixed).item() == pytest.approx(math.sqrt(0.5))
    gallery = torch.eye(4)
    vectors = torch.tensor([[0.9, 0.1, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.1, 0.3, 0.2, 0.0]])
    ranks = metrics.identity_ranks(vectors, gallery, torch.tensor([0, 1, 1, 3]))
    assert ranks.tolist() == [0, 1, 1, 3]  # a tie counts against the method


def test_person_means():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    means = metrics.person_means(vectors, torch.tensor([0, 0, 1]))
    torch.testing.assert_close(means, torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)], [0.0, -1.0]]))


def test_overlap_by_hand():
    truth = torch.tensor([[[0, 0], [1, 1]], [[2, 2], [2, 2]]])
    found = torch.tensor([[[0, 1], [1, 1]], [[2, 2], [2, 0]]])
    overlap = class_overlap(found, truth)
    assert overlap.shape == (2, 19, 2)
    assert overlap[0, :3].tolist() == [[1, 2], [2, 3], [0, 0]]
    assert overlap[1, :3].tolist() == [[0, 1], [0, 0], [3, 4]]
    # Pixels are added first: class 0 has 1 / 3, class 1 has 2 / 3, class 2 has 3 / 4.
    assert mean_overlap(overlap.sum(0)) == pytest.approx((1 / 3 + 2 / 3 + 3 / 4) / 3)
    assert mean_overlap(class_overlap(truth, truth).sum(0)) == 1.0
    with pytest.raises(InputError, match="expected"):
        class_overlap(found[0], truth)
    with pytest.raises(InputError, match="no class occurs"):
        mean_overlap(torch.zeros(19, 2))


def test_the_bundled_distance_has_its_own_name():
    measure = metrics.load_perceptual_measure("face_features")
    assert "LPIPS" not in measure.name and measure.size == 64
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert measure(images, images).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert (measure(images, -images) > measure(images, images * 0.9)).all()
    assert metrics.load_perceptual_measure().name in ("LPIPS (AlexNet)", "face-feature distance")
    with pytest.raises(InputError, match="'vgg' is unknown"):
        metrics.load_perceptual_measure("vgg")


def test_lpips_takes_the_backbone_it_is_given(tmp_path):
    """With random AlexNet weights in a file of torchvision's layout; the heads are those of the package."""
    generator = torch.Generator().manual_seed(0)
    layers = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    state = {}
    for index, (out, into, side) in layers.items():
        shape = (out, into, side, side)
        state[f"features.{index}.weight"] = torch.randn(shape, generator=generator) / (into * side) ** 0.5
        state[f"features.{index}.bias"] = 0.1 * torch.randn(out, generator=generator)
    torch.save(state, tmp_path / "alexnet.pth")
    measure = metrics.PerceptualMeasure("LPIPS (AlexNet)", metrics.load_lpips(tmp_path / "alexnet.pth"), 64)
    a, b = torch.rand(2, 2, 3, 64, 64, generator=generator) * 2 - 1
    # Slow reference: features after each ReLU at length one, squared differences weighed by the heads, averaged.
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x = (torch.cat([a, b]) - shift.view(1, 3, 1, 1)) / scale.view(1, 3, 1, 1)
    expected = torch.zeros(2)
    for place, (index, (stride, padding)) in enumerate(
        zip(layers, [(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], strict=True)
    ):
        if place in (1, 2):
            x = F.max_pool2d(x, 3, 2)
        x = F.relu(F.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], stride, padding))
        unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
        weight = getattr(measure.network, f"lin{place}").model[-1].weight  # [1, C, 1, 1]
        expected += ((unit[:2] - unit[2:]).square() * weight).sum(1).mean((1, 2))
    torch.testing.assert_close(measure(a, b), expected, rtol=1e-4, atol=1e-6)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other.pth: is not torchvision's AlexNet"):
        metrics.load_lpips(tmp_path / "other.pth")


def test_missing_pieces_name_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="idnb fetch lpips_alexnet"):
        metrics.load_perceptual_measure("lpips")
    assert metrics.load_perceptual_measure().name == "face-feature distance"
    assert set(metrics.load_judges()) == {"training", "judge"}
    with pytest.raises(InputError, match="facenet"):
        metrics.load_judges(names=["facenet"])
    with pytest.raises(InputError, match="judge 'mother' is unknown"):
        metrics.load_judges(names=["mother"])
    (tmp_path / "alexnet.pth").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "lpips", types.ModuleType("broken"))
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(InputError, match="pip install lpips"):
        metrics.load_lpips(tmp_path / "alexnet.pth")
