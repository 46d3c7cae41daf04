"""The parser and the attribute regressor: shapes, mirrored truth, exact resume, from a set to a file."""

import csv
import gzip
import json

import numpy as np
import pytest
import torch
from PIL import Image

from idnb.__main__ import main
from idnb.cli import export
from idnb.cli.train_measuring import NAMES
from idnb.core.errors import InputError
from idnb.core.weights import export_bundled, read_manifest
from idnb.models.attribute_regressor import (
    ATTRIBUTES,
    MIRRORED,
    AttributeRegressor,
    load_attribute_regressor,
    truth_table,
)
from idnb.models.face_parser import FaceParser, load_face_parser
from idnb.pretraining.data import IdentityData
from idnb.pretraining.measuring import MeasuringConfig, MeasuringTraining, corrupt, mirror_values, parser_loss
from idnb.training.loop import run_training


def test_shapes_and_sizes():
    torch.manual_seed(0)
    parser, regressor = FaceParser().eval(), AttributeRegressor().eval()
    images = torch.rand(2, 3, 128, 128) * 2 - 1
    assert parser(images).shape == (2, 19, 64, 64) and parser.label_maps(images).max() < 19
    assert regressor(images).shape == (2, len(ATTRIBUTES)) and set(regressor.read(images)) == set(ATTRIBUTES)
    for network in (parser, regressor):
        assert sum(p.numel() for p in network.parameters()) < 500_000  # below 1 MB in half precision
    with pytest.raises(InputError, match=r"expected \[B, 3, H, H\]"):
        parser(images[:, :, :64])


def test_mirrored_truth():
    values = torch.arange(float(len(ATTRIBUTES)))[None] + 1
    turned = mirror_values(values)
    assert [ATTRIBUTES[i] for i in MIRRORED] == ["pose.yaw", "light.azimuth"]
    assert (turned != values).nonzero()[:, 1].tolist() == list(MIRRORED) and torch.equal(turned.abs(), values)


def test_parser_loss_by_hand():
    # Four pixels: three of class 0, one of class 1; weights are the roots of 4 / 3 and 4.
    labels = torch.tensor([[[0, 0], [0, 1]]])
    scores = torch.zeros(1, 19, 2, 2)
    scores[:, 0] = 2.0
    weight = torch.tensor([4 / 3, 4.0]).sqrt()
    chance = scores[0, :, 0, 0].softmax(0)[:2]
    expected = -(3 * weight[0] * chance[0].log() + weight[1] * chance[1].log()) / (3 * weight[0] + weight[1])
    assert parser_loss(scores, labels).item() == pytest.approx(expected.item(), rel=1e-5)


def test_corruption_is_mild_and_repeatable():
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    one, two = (corrupt(images, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, two) and one.abs().max() <= 1
    assert 0 < (one - images).abs().mean() < 0.3


def some_data(count=12):
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 64, 64), generator=random, dtype=torch.uint8)
    maps = torch.randint(0, 19, (count, 64, 64), generator=random, dtype=torch.uint8)
    return IdentityData(images, maps, torch.arange(count) // 2)


@pytest.mark.parametrize("kind", ("parser", "attributes"))
def test_an_interrupted_training_goes_on_exactly(kind, tmp_path):
    data = some_data()
    truth = data.label_maps if kind == "parser" else torch.randn(12, len(ATTRIBUTES))
    config = MeasuringConfig(steps=4, batch=4)

    def fresh():
        torch.manual_seed(1)
        return FaceParser(widths=(8, 8)) if kind == "parser" else AttributeRegressor(widths=(8, 8, 8, 8))

    whole, rest = fresh(), fresh()
    run_training(MeasuringTraining(whole, data, truth, config), tmp_path / "whole")
    network, calls = fresh(), []

    def stop(*_):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    network.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        run_training(MeasuringTraining(network, data, truth, config), tmp_path / "part", save_minutes=0)
    run_training(MeasuringTraining(rest, data, truth, config), tmp_path / "part", report=lambda text: None)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, rest.state_dict()[key]), key
    with pytest.raises(InputError, match=r"belongs to another run \(steps 4 for 5\)"):
        run_training(MeasuringTraining(fresh(), data, truth, MeasuringConfig(steps=5, batch=4)), tmp_path / "part")
    with pytest.raises(InputError, match="fewer than one batch"):
        MeasuringTraining(fresh(), data, truth, MeasuringConfig(batch=48))


def write_set(folder, people, shots=2):
    """Random pictures with every known number, in the layout of `idnb render`."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    with gzip.open(folder / "people.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["identity", "shot", *ATTRIBUTES])
        writer.writerows(
            [i, s, *rng.normal(size=len(ATTRIBUTES)).round(4)] for i in range(people) for s in range(shots)
        )
    (folder / "card.json").write_text(json.dumps({"size": 64, "identities": people, "shots": shots}))
    for i in range(people):
        pixels = rng.integers(0, 255, (64, 64 * shots, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{i:05d}.webp")
        labels = rng.integers(0, 19, (64, 64 * shots), dtype=np.uint8)
        Image.fromarray(labels).save(folder / "labels" / f"{i:05d}.png")
    return folder


@pytest.mark.parametrize("kind", ("parser", "attributes"))
def test_from_set_to_bundled_file(kind, tmp_path, monkeypatch, capsys):
    data, assets = write_set(tmp_path / "people", 6), tmp_path / "assets"
    monkeypatch.setattr(export, "export_bundled", lambda entry, state: export_bundled(entry, state, assets))
    words = ["train", kind, "--data", str(data), "--test", str(data), "--out", str(tmp_path / "run"), "--people", "5"]
    assert main([*words, "--steps", "2", "--batch", "4", "--export"]) == 0
    text = capsys.readouterr().out
    assert ("mean_iou" if kind == "parser" else "yaw_error_degrees") in text
    [entry] = read_manifest(assets)
    assert entry.name == NAMES[kind] and entry.command.startswith(f"idnb train {kind} --data people --people 5 ")
    network = (load_face_parser if kind == "parser" else load_attribute_regressor)(assets / entry.file)
    assert not network.training and len(network(torch.zeros(1, 3, 64, 64))) == 1


def test_a_set_without_known_numbers():
    with pytest.raises(InputError, match=r"no column 'pose.yaw'"):
        truth_table({"age": np.zeros(3)})
