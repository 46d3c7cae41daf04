"""The bundled perceptual distance: zero for equal images, gradients, its training and its measured ordering."""

import numpy as np
import pytest
import torch

from idnb.core.errors import InputError
from idnb.models.perceptual import FaceFeatureDistance, FaceFeatures, load_face_feature_distance
from idnb.pretraining.data import IdentityData
from idnb.pretraining.perceptual import KINDS, FeatureTraining, corrupt, known_numbers, ordering
from idnb.training.loop import run_training


def test_distance_is_zero_symmetric_and_differentiable():
    torch.manual_seed(0)
    distance = FaceFeatureDistance(FaceFeatures())
    a, b = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32, requires_grad=True)
    assert (distance(a, a) == 0).all() and torch.allclose(distance(a, b), distance(b, a))
    distance(a, b).sum().backward()
    assert b.grad is not None and b.grad.isfinite().all() and b.grad.abs().sum() > 0
    flat = torch.zeros(1, 3, 32, 32, requires_grad=True)
    distance(flat, flat.detach()).sum().backward()
    assert flat.grad.isfinite().all()
    with pytest.raises(InputError, match="of one shape"):
        distance(a, a[:1])


@pytest.mark.parametrize("kind", KINDS)
def test_corruption_grows_with_strength(kind):
    images = torch.rand(4, 3, 24, 24) - 0.5
    gaps = [
        (corrupt(images, kind, torch.full((4,), s), torch.Generator().manual_seed(0)) - images).abs().mean()
        for s in (0.0, 0.3, 1.0)
    ]
    assert gaps[0] < 1e-6 and gaps[0] < gaps[1] < gaps[2]


def test_known_numbers():
    table = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array(["x", "y", "z"]), "c": np.ones(3)}
    assert known_numbers(table).shape == (3, 1)
    with pytest.raises(InputError, match="no numeric"):
        known_numbers({"b": table["b"]})


def test_training_runs_and_figures_come_out(tmp_path):
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (24, 3, 64, 64), dtype=torch.uint8, generator=g)
    data = IdentityData(images, torch.randint(0, 19, (24, 64, 64), generator=g).to(torch.uint8), torch.arange(24))
    training = FeatureTraining(data, torch.randn(24, 4, generator=g), 2, 0, batch=8)
    run_training(training, tmp_path)
    figures = ordering(FaceFeatureDistance(training.features), data, seed=0, count=8)
    assert figures["images"] == 8 and 0 <= figures["monotonic_blur"] <= 1


def test_bundled_weights_load():
    distance = load_face_feature_distance()
    a = torch.rand(1, 3, 64, 64) * 2 - 1
    assert distance(a, a).item() == 0 and distance(a, -a).item() > 0
