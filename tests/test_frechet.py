"""Frechet and kernel distances against values computed by hand, by another method, and with planted faults."""

import sys

import pytest
import torch
import torch.nn.functional as F

import idnb.evaluation.features as networks
from idnb.core.errors import InputError
from idnb.evaluation.frechet import Moments, features_of, frechet_distance, kernel_distance, moments
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork


def gaussian(mean, covariance):
    return Moments(torch.tensor(mean).double(), torch.tensor(covariance).double(), 100)


def test_by_hand_in_one_and_two_dimensions():
    # One dimension: (m1 - m2)^2 + (s1 - s2)^2 with s the standard deviations.
    assert frechet_distance(gaussian([1.0], [[4.0]]), gaussian([4.0], [[9.0]])) == pytest.approx(9 + 1)
    # Diagonal covariances: the sum over dimensions.
    a, b = gaussian([0.0, 2.0], [[1.0, 0], [0, 4.0]]), gaussian([3.0, 2.0], [[9.0, 0], [0, 1.0]])
    assert frechet_distance(a, b) == pytest.approx(9 + 4 + 1)
    # Turning both by the same angle changes nothing.
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]]).double()
    turned = [Moments(turn @ m.mean, turn @ m.covariance @ turn.T, m.count) for m in (a, b)]
    assert frechet_distance(*turned) == pytest.approx(14)


def test_against_the_roots_of_the_characteristic_polynomial():
    # tr (AB)^(1/2) of 2 x 2 matrices has a closed form: sqrt(tr AB + 2 sqrt(det AB)).
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        roots = torch.randn(2, 2, 2, generator=generator).double()
        first, second = roots @ roots.mT
        product = first @ second
        trace_of_root = (product.trace() + 2 * product.det().sqrt()).sqrt()
        expected = float(first.trace() + second.trace() - 2 * trace_of_root)
        zero = torch.zeros(2).double()
        assert frechet_distance(Moments(zero, first, 9), Moments(zero, second, 9)) == pytest.approx(expected, abs=1e-9)


def test_fewer_images_than_features():
    # Singular covariances: compare with the sum of singular values of X Y^T, which needs no root of a matrix.
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(2, 8, 40, generator=generator).double()
    y = 2 * y + 1
    a, b = (x - x.mean(0)) / 7**0.5, (y - y.mean(0)) / 7**0.5
    expected = (x.mean(0) - y.mean(0)).square().sum() + a.square().sum() + b.square().sum()
    expected = expected - 2 * torch.linalg.svdvals(a @ b.T).sum()
    # The roots of eigenvalues that rounding leaves above zero add up to about 1e-5 here.
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-4)


def test_it_is_symmetric_and_grows():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(500, 6, generator=generator)
    last = 0.0
    for shift in (0.5, 1.0, 2.0):
        found = frechet_distance(x, x + shift)
        assert found == pytest.approx(6 * shift**2, rel=1e-6) and found > last
        assert found == pytest.approx(frechet_distance(x + shift, x), rel=1e-9)
        last = found


def test_moments_far_from_zero():
    x = 100 + torch.randn(37, 5, generator=torch.Generator().manual_seed(3)).double()
    found = moments(x)
    assert found.count == 37
    torch.testing.assert_close(found.mean, x.mean(0))
    torch.testing.assert_close(found.covariance, torch.cov(x.T))


def test_kernel_distance_by_hand():
    # D = 1, kernel (xy + 1)^3. x = (0, 1), y = (1, 2): k(0, 1) = 1; k(1, 2) = 27;
    # between: k(0, 1) = 1, k(0, 2) = 1, k(1, 1) = 8, k(1, 2) = 27, mean 37 / 4.
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    assert kernel_distance(x, y) == pytest.approx(1 + 27 - 2 * 37 / 4)


def test_kernel_distance_is_unbiased_and_blocks_do_not_matter():
    generator = torch.Generator().manual_seed(4)
    draws = [kernel_distance(*torch.randn(2, 12, 4, generator=generator)) for _ in range(300)]
    mean, error = torch.tensor(draws).mean(), torch.tensor(draws).std() / 300**0.5
    assert abs(mean) < 4 * error
    x, y = torch.randn(1500, 3, generator=generator), torch.randn(1100, 3, generator=generator) + 0.5
    kernel = lambda p, q: ((p @ q.T) / 3 + 1).double() ** 3  # noqa: E731
    whole = (kernel(x, x).sum() - kernel(x, x).diagonal().sum()) / (1500 * 1499)
    whole = whole + (kernel(y, y).sum() - kernel(y, y).diagonal().sum()) / (1100 * 1099) - 2 * kernel(x, y).mean()
    assert kernel_distance(x, y) == pytest.approx(float(whole), rel=1e-4)


def test_bad_features_are_named():
    good = torch.randn(4, 3)
    with pytest.raises(InputError, match="one network for both"):
        frechet_distance(good, torch.randn(4, 2))
    with pytest.raises(InputError, match="one network for both"):
        kernel_distance(good, torch.randn(4, 2))
    with pytest.raises(InputError, match=r"expected features \[N, D\]"):
        moments(torch.randn(4))
    with pytest.raises(InputError, match="at least two images, got 1"):
        moments(good[:1])
    with pytest.raises(InputError, match="no numbers"):
        kernel_distance(good, good * float("nan"))
    with pytest.raises(InputError, match="set is empty"):
        features_of(networks.FeatureNetwork(), [])


def test_identity_features_of_images():
    torch.manual_seed(0)
    network = networks.IdentityFeatures(IdentityNetwork(IDENTITY_SIZES["tiny"])).eval()
    images = torch.rand(5, 3, 128, 128) * 2 - 1
    found = features_of(network, images, batch=2)
    assert found.shape == (5, 16 + 32 + 96 + 256)
    small = F.avg_pool2d(images, 2)
    torch.testing.assert_close(found, features_of(network, small.split(5)))
    assert network.frechet_name != "FID"
    with pytest.raises(InputError, match="features 'vgg' are unknown"):
        networks.feature_network("vgg")


def test_efficientnet_features_have_their_own_name(monkeypatch):
    torch.manual_seed(0)
    pytest.importorskip("efficientnet_lite_pytorch")
    network = networks.feature_network("efficientnet")
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    found = features_of(network, images)
    assert found.shape == (2, 24 + 40 + 112 + 320) and not torch.allclose(found[0], found[1])
    assert "EfficientNet-Lite0" in network.frechet_name and "FID" not in network.frechet_name
    assert not any(p.requires_grad for p in network.parameters())
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(InputError, match=r"pip install 'idnb\[imagenet\]'"):
        networks.feature_network("efficientnet")


@pytest.mark.slow
def test_inception_poolings():
    from torchvision.models import Inception3

    torch.manual_seed(0)
    mine = networks.InceptionFeatures()
    plain = Inception3(num_classes=1008, aux_logits=False, transform_input=False, init_weights=False)
    assert list(mine.network.state_dict()) == list(plain.state_dict())
    x = torch.rand(1, 192, 9, 9)
    block = mine.network.Mixed_5b.eval()
    pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(block(x)[:, -32:], block.branch_pool.bn(block.branch_pool.conv(pooled)).relu())
    x = torch.rand(1, 2048, 5, 5)
    block = mine.network.Mixed_7c.eval()
    pooled = F.max_pool2d(x, 3, 1, 1)
    torch.testing.assert_close(block(x)[:, -192:], block.branch_pool.bn(block.branch_pool.conv(pooled)).relu())
    with torch.inference_mode():
        assert mine(torch.zeros(1, 3, 64, 64)).shape == (1, 2048)


def test_sharpness_and_faces_count():
    """With the bundled network: half of a set is nearer to its other half than blurred or noisy copies are."""
    import idnb

    faces = idnb.load_faces("test").images(range(0, 240), size=64)
    network = networks.feature_network("identity")
    first, second = faces[::2], faces[1::2]
    blurred = F.avg_pool2d(F.pad(second, (1, 1, 1, 1), mode="replicate"), 3, 1)
    noisy = second + 0.1 * torch.randn(second.shape, generator=torch.Generator().manual_seed(0))
    real, soft, rough = (features_of(network, images) for images in (second, blurred, noisy))
    reference = features_of(network, first)
    for distance in (frechet_distance, kernel_distance):
        floor = distance(reference, real)
        assert distance(reference, soft) > floor and distance(reference, rough) > floor
