"""Augmentation, verification figures and the training loop of the identity networks, on made-up images."""

import dataclasses

import numpy as np
import pytest
import torch

from idnb.core.errors import InputError
from idnb.core.images import grey_scale
from idnb.models.identity import IdentityNetwork, IdentitySize
from idnb.pretraining.augmentation import AugmentConfig, augment, hide_surroundings
from idnb.pretraining.data import IdentityData, split_of
from idnb.pretraining.identity import IdentityTraining, TrainConfig, batch_rows, schedule
from idnb.pretraining.margin import ArcFaceHead
from idnb.pretraining.verification import CONDITIONS, evaluate_network, table, verification
from idnb.training.loop import run_training

# Eight channels at least: with four, the gradient of a strided 1x1 convolution in channels-last order corrupts memory
# in torch 2.14 (seen on an AVX2 processor).
SMALL = IdentitySize(64, (10, 58, 8, 56), 48, 8, ((8, 1), (8, 1), (8, 1), (8, 1)), 16, 0.1, 0.2)
OFF = AugmentConfig(**{field.name: 0.0 for field in dataclasses.fields(AugmentConfig)})


def people(count: int = 12, shots: int = 4, seed: int = 0) -> IdentityData:
    """A coloured pattern a person, a little noise a shot."""
    g = torch.Generator().manual_seed(seed)
    base = torch.rand(count, 3, 8, 8, generator=g).repeat_interleave(8, 2).repeat_interleave(8, 3)
    images = base.repeat_interleave(shots, 0) * 200 + 40 * torch.rand(count * shots, 3, 64, 64, generator=g)
    maps = torch.randint(0, 19, (count * shots, 64, 64), generator=g)
    identity = torch.arange(count).repeat_interleave(shots)
    return IdentityData(images.to(torch.uint8), maps.to(torch.uint8), identity)


def test_augmentation_off_changes_nothing():
    data = people()
    images = data.images.float() / 127.5 - 1
    out = augment(images.clone(), data.label_maps, OFF, torch.Generator().manual_seed(0))
    assert torch.allclose(out, images, atol=1e-4)


def test_augmentation_is_seeded_bounded_and_cropped():
    data = people()
    images = data.images.float() / 127.5 - 1
    runs = [
        augment(images.clone(), data.label_maps, AugmentConfig(), torch.Generator().manual_seed(s), SMALL.crop)
        for s in (1, 1, 2)
    ]
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])
    assert runs[0].shape == (48, 3, 48, 48) and runs[0].abs().max() <= 1 and runs[0].isfinite().all()


def test_label_map_moves_with_the_image():
    maps = torch.zeros(8, 64, 64, dtype=torch.uint8)
    maps[:, 20:40, 10:30] = 1
    images = (maps[:, None].float() * 2 - 1).expand(8, 3, 64, 64).clone()
    from idnb.pretraining.augmentation import move

    moved, map_moved = move(images, maps, AugmentConfig(), torch.Generator().manual_seed(0), (0, 64, 0, 64))
    assert ((moved[:, 0] > 0) == (map_moved == 1)).float().mean() > 0.99


def test_hidden_and_grey():
    images = torch.rand(2, 3, 8, 8)
    maps = torch.zeros(2, 8, 8, dtype=torch.long)
    maps[:, :, 4:] = 1
    out = hide_surroundings(images, maps)
    assert (out[..., :4] == 0).all() and torch.equal(out[..., 4:], images[..., 4:])
    grey = grey_scale(images)
    assert torch.equal(grey[:, 0], grey[:, 2])


def test_verification_against_counting():
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(6), 3)
    z = torch.nn.functional.normalize(
        torch.tensor(rng.normal(size=(18, 4)) + np.repeat(rng.normal(size=(6, 4)), 3, 0)), dim=1
    )
    found = verification(z, identity, fars=(0.1, 1e-3), resamples=50)
    scores = (z.float() @ z.float().T).numpy()
    pairs = [(scores[i, j], identity[i] == identity[j]) for i in range(18) for j in range(i)]
    genuine = [s for s, same in pairs if same]
    impostor = [s for s, same in pairs if not same]
    wins = [(g > i) + 0.5 * (g == i) for g in genuine for i in impostor]
    assert found.auc == pytest.approx(np.mean(wins), abs=1e-6)
    allowed = int(0.1 * len(impostor))
    threshold = sorted(impostor, reverse=True)[allowed]  # accept strictly above it
    assert found.tar[0.1] == pytest.approx(np.mean([g > threshold for g in genuine]))
    assert found.auc_interval[0] <= found.auc <= found.auc_interval[1]


def test_verification_ties_and_bad_input():
    same = torch.ones(4, 2) / 2**0.5
    assert verification(same, np.array([0, 0, 1, 1]), resamples=0).auc == pytest.approx(0.5)
    with pytest.raises(InputError, match="two people"):
        verification(same, np.arange(4))


def test_split_keeps_people_apart():
    numbers = torch.arange(2000)
    names = split_of(numbers)
    assert {n: int((names == n).sum()) for n in set(names)} == {"identity": 1100, "judge": 800, "validation": 100}


def test_schedule_and_batches():
    config = TrainConfig(steps=100, batch=4)
    rates = [schedule(s, config)[0] for s in range(100)]
    assert max(rates) == pytest.approx(config.learning_rate) and rates[-1] < 1e-5
    assert schedule(0, config)[1:] == (0, 0.25) and schedule(99, config)[1:] == (config.margin, 1)
    epoch = torch.cat([batch_rows(s, 12, config) for s in range(3)])
    assert sorted(epoch.tolist()) == list(range(12))
    assert not torch.equal(epoch, torch.cat([batch_rows(s, 12, config) for s in range(3, 6)]))


def run(tmp_path, name, data=None, **changes):
    config = TrainConfig(**{"steps": 6, "batch": 16, "validate_every": 6, **changes})
    torch.manual_seed(config.seed)
    network = IdentityNetwork(SMALL)
    training = IdentityTraining(network, ArcFaceHead, data or people(), people(seed=5), config)
    run_training(training, tmp_path / name, report=lambda _: None)
    return network.eval()


def test_resume_is_exact(tmp_path, monkeypatch):
    whole = run(tmp_path, "whole").state_dict()
    import idnb.pretraining.identity as module

    original, calls = module.augment, []

    def interrupt(*args):
        calls.append(1)
        if len(calls) == 4:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)
        return original(*args)

    monkeypatch.setattr(module, "augment", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "parts")
    monkeypatch.setattr(module, "augment", original)
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["step"] == 4
    parts = run(tmp_path, "parts").state_dict()
    assert all(torch.equal(whole[k], parts[k]) for k in whole)
    lines = (tmp_path / "parts" / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", *map(str, range(6))]


def test_other_run_and_nan_and_too_few(tmp_path, monkeypatch):
    run(tmp_path, "a")
    with pytest.raises(InputError, match=r"belongs to another run \(learning_rate 0\.002 for 1\.0\)"):
        run(tmp_path, "a", learning_rate=1.0)
    with pytest.raises(InputError, match="fewer than one batch"):
        run(tmp_path, "b", batch=1000)
    monkeypatch.setattr(ArcFaceHead, "forward", lambda head, *_: next(head.parameters()).sum() * float("nan"))
    with pytest.raises(InputError, match="loss is nan at step 0"):
        run(tmp_path, "c")


def test_training_learns_and_table_prints(tmp_path):
    data = people()
    network = run(tmp_path, "learn", data, steps=40, batch=24, learning_rate=5e-3, augmentation=OFF)
    results = evaluate_network(network, data.images.float() / 127.5 - 1, data.label_maps, data.identity, resamples=20)
    assert results[CONDITIONS[0]].auc > 0.9
    text = table(results)
    assert "n = 48 images of 12 people" in text and all(name in text for name in CONDITIONS)
