"""Equations 3 to 6 against numbers worked out by hand, augmentation, and what may not be used as a loss."""

import math

import pytest
import torch

import idnb
from idnb.core.errors import InputError
from idnb.models.lpips_distance import load_lpips, random_window
from idnb.training.augmentation import AugmentationConfig, augment
from idnb.training.losses import (
    EncoderLoss,
    LossWeights,
    identity_loss,
    l2_loss,
    norm_loss,
    w_norm_loss,
)
from idnb.training.step import TERMS


@pytest.fixture(scope="module")
def networks():
    return idnb.load_identity_network("tiny"), load_lpips()


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return idnb.load_faces("test").images([0, 5, 9, 14], size=64)


def test_terms_by_hand():
    assert l2_loss(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2) - 1).item() == 4.0
    z = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    assert identity_loss(z, torch.tensor([[5.0, 0.0], [1.0, 0.0]])).item() == pytest.approx(
        1 - (1 + math.sqrt(0.5)) / 2
    )
    w_avg = torch.tensor([1.0, 2.0])
    w_plus = w_avg + torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 1.0]]])
    assert w_norm_loss(w_plus, w_avg).item() == pytest.approx((5 + 1) / 2)
    assert norm_loss(torch.ones(2, 4, 2, 2)).item() == pytest.approx(4)


def test_the_w_term_has_a_gradient_at_the_average():
    w_plus = torch.zeros(2, 3, 4, requires_grad=True)
    w_norm_loss(w_plus, torch.zeros(4)).backward()
    assert w_plus.grad is not None and w_plus.grad.isfinite().all()


def test_defaults_are_the_papers():
    weights = LossWeights()
    assert (weights.l2, weights.perceptual, weights.identity, weights.w_norm) == (0.1, 1.0, 0.5, 0.003)
    assert (weights.contour, weights.latent_norm) == (0, 0)


def test_total_is_the_weighted_sum(networks, faces):
    arcface, perceptual = networks
    loss = EncoderLoss(arcface, perceptual, LossWeights(0.3, 0.7, 0.2, 0.01, 4.0, 0.02), contour_size=8)
    code = torch.ones(2, 12, 8), torch.zeros(8)
    terms = loss(faces[2:], loss.targets(faces[:2], faces[:2]), *code, latent_change=torch.ones(2, 4, 4, 4))
    assert tuple(terms) == TERMS and terms["contour"] > 0
    by_hand = 0.3 * terms["l2"] + 0.7 * terms["perceptual"] + 0.2 * terms["identity"] + 0.01 * terms["w_norm"]
    torch.testing.assert_close(terms["total"], by_hand + 4.0 * terms["contour"] + 0.02 * 8)


def test_each_term_looks_at_its_own_picture(networks, faces):
    loss = EncoderLoss(*networks)
    photo, x_id = faces[:1], faces[1:2]
    w = torch.zeros(1, 12, 8), torch.zeros(8)
    as_photo = loss(photo, loss.targets(photo, x_id), *w)
    as_identity = loss(x_id, loss.targets(photo, x_id), *w)
    assert as_photo["l2"] == 0 and as_photo["perceptual"].abs() < 1e-5 and as_photo["identity"] > 0.3
    assert as_identity["l2"] > 0.01 and as_identity["perceptual"] > 0.05 and as_identity["identity"].abs() < 1e-5


def test_the_contour_term_compares_small_pictures_by_hand(networks):
    loss = EncoderLoss(*networks, contour_size=4)
    photo = torch.zeros(1, 3, 64, 64)
    checks = ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1).expand(1, 3, 64, 64)  # grey from afar
    targets = loss.targets(photo, photo)
    assert loss.contour_term(checks, targets) < 1e-3 < 0.9 < l2_loss(checks, photo)
    assert loss.contour_term(photo + 0.5, targets).item() == pytest.approx(0.25, abs=1e-5)
    assert EncoderLoss(*networks).contour_term(photo + 0.5, targets) == 0


def test_the_perceptual_term_looks_at_one_window_of_large_pictures(networks):
    seen = []

    class Note(torch.nn.Module):
        def forward(self, a, b):
            seen.append((a, b))
            return (a - b).mean(dim=(1, 2, 3))

    loss, photo = EncoderLoss(networks[0], Note()), torch.rand(2, 3, 128, 128)
    for k in range(3):
        loss.perceptual_loss(photo + 1, loss.targets(photo, photo), torch.Generator().manual_seed(k))
    assert all(a.shape == (2, 3, 64, 64) and torch.allclose(a, b + 1) for a, b in seen)
    assert not torch.equal(seen[0][1], seen[1][1]) and not torch.equal(seen[1][1], seen[2][1])
    [whole] = random_window([photo[:, :, :48, :48]], loss.perceptual, torch.Generator())
    assert torch.equal(whole, photo[:, :, :48, :48])


def test_any_distance_serves_as_perceptual(networks, faces):
    class Mean(torch.nn.Module):
        def forward(self, a, b):
            return (a - b).abs().mean(dim=(1, 2, 3))

    loss = EncoderLoss(networks[0], Mean())
    terms = loss(faces[2:], loss.targets(faces[:2], faces[:2]), torch.zeros(2, 12, 8), torch.zeros(8))
    torch.testing.assert_close(terms["perceptual"], (faces[2:] - faces[:2]).abs().mean())


def test_gradients_reach_the_output_and_nothing_else(networks, faces):
    loss = EncoderLoss(*networks, augmentation=AugmentationConfig(), n_augmented=2).train()
    assert not loss.training
    output = faces[2:].clone().requires_grad_()
    loss(output, loss.targets(faces[:2], faces[:2]), torch.zeros(2, 12, 8), torch.zeros(8))["total"].backward()
    assert output.grad is not None and output.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_several_networks_and_views_are_averaged(networks, faces):
    arcface, perceptual = networks
    output, photo = faces[2:], faces[:2]
    one = EncoderLoss(arcface, perceptual)
    two = EncoderLoss([arcface, arcface], perceptual)
    w = torch.zeros(2, 12, 8), torch.zeros(8)
    a = one(output, one.targets(photo, photo), *w)["identity"]
    b = two(output, two.targets(photo, photo), *w)["identity"]
    torch.testing.assert_close(a, b)
    seen = EncoderLoss(arcface, perceptual, augmentation=AugmentationConfig(), n_augmented=1)
    random = torch.Generator().manual_seed(3)
    found = seen(output, seen.targets(photo, photo), *w, random)["identity"]
    view = augment(output, torch.Generator().manual_seed(3), AugmentationConfig())
    torch.testing.assert_close(found, identity_loss(arcface(photo), arcface(view)))


def test_views_are_repeatable_moved_and_still_the_person(networks, faces):
    config = AugmentationConfig()
    first = augment(faces, torch.Generator().manual_seed(1), config)
    again = augment(faces, torch.Generator().manual_seed(1), config)
    other = augment(faces, torch.Generator().manual_seed(2), config)
    assert torch.equal(first, again) and not torch.equal(first, other)
    nothing = AugmentationConfig(0, 0, 0, 0, 0, 0, 0, 0, 0)
    torch.testing.assert_close(augment(faces, torch.Generator(), nothing), faces, atol=1e-5, rtol=1e-5)
    arcface = networks[0]
    cosine = (arcface(first) * arcface(faces)).sum(1)
    strangers = (arcface(faces) * arcface(faces.roll(1, 0))).sum(1)
    assert cosine.mean() > strangers.mean() + 0.2


def test_a_loss_of_no_network_is_refused(networks):
    with pytest.raises(InputError, match="identity_networks is empty"):
        EncoderLoss([], networks[1])
