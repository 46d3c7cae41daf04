"""A folder of photographs is a set like any other: measured, ablated, drawn in figures, shown beside results."""

import numpy as np
import pytest
from PIL import Image

import idnb
from idnb.__main__ import main
from idnb.core.errors import InputError
from idnb.evaluation import Setting, evaluate
from idnb.evaluation.dataset import EvaluationSet
from idnb.evaluation.methods import CopyIdentity
from idnb.faces.synthetic import load_rendered
from tests.evaluation_people import Colour, Flat, Perceptual
from tests.photo_trees import label_map, photo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four people, two photos each, with label maps."""
    root = tmp_path_factory.mktemp("photos")
    (root / "labels").mkdir()
    names = [f"{person}{shot}" for person in "abcd" for shot in "12"]
    for place, name in enumerate(names):
        photo(place, 128).save(root / f"{name}.png")
        Image.fromarray(label_map(place, 128)).save(root / "labels" / f"{name}.png")
    (root / "identities.txt").write_text("".join(f"{name}.png {'abcd'.index(name[0])}\n" for name in names))
    return root


def test_evaluate_and_results(folder, tmp_path, capsys):
    faces = idnb.load_faces(folder)
    data = EvaluationSet(faces, 64, {"judge": Colour()}, Perceptual(), Flat())
    result = evaluate(
        CopyIdentity(), None, data, Setting("copy", contours=4, count=2), tmp_path / "copy", progress=False
    )
    assert result["people"] == 4 and "correlation" not in result["metrics"]
    assert main(["results", "methods", "--results", str(tmp_path)]) == 0
    assert "rendered" not in capsys.readouterr().out  # nobody drew these
    out = tmp_path / "figure3.png"
    assert main(["results", "figure3", "--results", str(tmp_path), "--data", str(folder), "--out", str(out)]) == 0
    assert Image.open(out).size[0] > 200


def test_figure(folder, tmp_path, capsys):
    out = tmp_path / "kinds.png"
    words = ["figure", "kinds", "--data", str(folder), "--out", str(out), "--contours", "1", "--identities", "1"]
    assert main([*words, "--steps", "1"]) == 0
    assert "3 rows of contours (low resolution, sketch, label map), 1 columns" in capsys.readouterr().out
    assert np.asarray(Image.open(out)).std() > 10


@pytest.mark.slow
def test_ablate(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "cache"))
    words = [
        "ablate",
        "table2",
        "--variants",
        "baseline",
        "--seeds",
        "0",
        "--images",
        "2",
        "--batch",
        "2",
        "--steps",
        "1",
    ]
    words += ["--contours", "2", "--data", str(folder), "--test", str(folder), "--out", str(tmp_path / "runs")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert f"set '{folder.name}', n = contours x identities" in said and "of 2 contours" in said


def test_what_only_rendered_people_have_says_so(folder):
    with pytest.raises(InputError, match=r"is not a set of people: card\.json is missing"):
        load_rendered(folder)
