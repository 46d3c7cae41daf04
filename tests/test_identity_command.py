"""`idnb train identity` and `idnb train judge` from a set on disk to figures and an exported file."""

import csv
import gzip
import json

import numpy as np
import pytest
import torch
from PIL import Image

import idnb.cli.train_identity as command
from idnb.__main__ import main
from idnb.cli import export
from idnb.core.errors import InputError
from idnb.core.weights import export_bundled, read_manifest
from idnb.faces.sources import load_faces
from idnb.models.identity_files import load_identity_network
from idnb.pretraining.data import some_people


def write_set(folder, people=40, shots=2, size=64, missing=()):
    """Random pictures in the layout of `idnb render`."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    with gzip.open(folder / "people.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["identity", "shot", "pose.yaw"])
        writer.writerows([i, s, 0.1 * s] for i in range(people) for s in range(shots))
    (folder / "card.json").write_text(json.dumps({"size": size, "identities": people, "shots": shots}))
    for i in set(range(people)) - set(missing):
        pixels = np.repeat(rng.integers(0, 255, (8, 8 * shots, 3), dtype=np.uint8), size // 8, 0).repeat(size // 8, 1)
        Image.fromarray(pixels).save(folder / "images" / f"{i:05d}.webp", lossless=True)
        labels = rng.integers(0, 19, (size, size * shots), dtype=np.uint8)
        Image.fromarray(labels).save(folder / "labels" / f"{i:05d}.png")
    return folder


@pytest.mark.parametrize("kind", command.KINDS)
def test_from_set_to_bundled_file(kind, tmp_path, monkeypatch, capsys):
    data, test = write_set(tmp_path / "people"), write_set(tmp_path / "others", 6)
    assets = tmp_path / "assets"
    monkeypatch.setattr(export, "export_bundled", lambda entry, state: export_bundled(entry, state, assets))
    words = ["train", kind, "--data", str(data), "--test", str(test), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*words, "--steps", "2", "--batch", "8", "--threads", "1", "--export"]) == 0
    assert "n = 12 images of 6 people" in capsys.readouterr().out
    assert (tmp_path / "run" / "verification.png").stat().st_size > 10_000
    [entry] = read_manifest(assets)
    assert entry.name == command.NAMES[kind] and entry.licence == "CC0-1.0" and "auc" in entry.metrics["as rendered"]
    assert entry.command == f"idnb train {kind} --data people --test others --steps 2 --batch 8 --device cpu --export"
    assert entry.defaults == {"--learning-rate": "0.002", "--seed": str(command.SEEDS[kind])}
    network = load_identity_network(judge=kind == "judge", path=assets / entry.file)
    assert network(torch.zeros(1, 3, 128, 128)).shape[0] == 1


def test_half_rendered_set_and_limit(tmp_path, capsys):
    faces = load_faces(write_set(tmp_path / "half", missing=range(25, 40)))
    some = some_people(faces, splits=("identity",))
    assert set(np.unique(some.identity)) == {*range(11), *range(20, 25)}
    assert "16 of 22 people are rendered" in capsys.readouterr().out
    assert set(np.unique(some_people(faces, 5, ("identity",)).identity)) == set(range(5))
    with pytest.raises(InputError, match="render more people"):
        some_people(faces, 5, ("validation",))
    with pytest.raises(InputError, match="nobody there has a number below 0; render more people"):
        some_people(faces, 0)
