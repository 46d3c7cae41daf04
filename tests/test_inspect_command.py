"""`idnb inspect generator`: every measurement by hand where it can be, and the command from end to end."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from idnb import load_faces
from idnb.__main__ import main
from idnb.cli import inspect
from idnb.cli.export import recorded
from idnb.cli.inspect import export
from idnb.core.errors import InputError
from idnb.core.images import save_png, sheet
from idnb.core.weights import WeightFile
from idnb.evaluation.features import FeatureNetwork
from idnb.evaluation.generator import (
    disjoint_halves,
    distribution,
    faces_found,
    mean_interval,
    pairwise_similarity,
    part_areas,
    reconstruction,
    samples,
)
from idnb.models.face_parser import load_face_parser
from idnb.models.lpips_distance import load_lpips
from idnb.models.picture_encoder import PictureEncoder, load_picture_encoder
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import load_generator


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator(32, 16, 2, (16, 16, 12, 8)).eval().requires_grad_(False)


class Colours(FeatureNetwork):
    """Mean colours: three features whose distances can be written down."""

    name, frechet_name, kernel_name = "colours", "Frechet distance over colours", "kernel distance over colours"

    def forward(self, images):
        return images.mean(dim=(2, 3))


def test_halves_share_no_person_and_are_equally_large():
    faces = load_faces("test")
    first, second = disjoint_halves(faces, 40, seed=1)
    assert len(first) == len(second) == 40
    assert not set(faces.identity[first]) & set(faces.identity[second])
    again = disjoint_halves(faces, 40, seed=1)
    assert np.array_equal(first, again[0]) and np.array_equal(second, again[1])
    large = disjoint_halves(faces, 10**6, seed=1)
    assert len(large[0]) == len(large[1]) == len(faces) // 2
    with pytest.raises(InputError, match="two people"):
        disjoint_halves(faces.select([faces.identity[0]]), 5, seed=0)


def test_noise_is_farther_from_people_than_people_are(generator):
    faces = load_faces("test")
    result = distribution(generator, faces, [Colours()], 24, seed=0)
    assert result["images_a_side"] == 24 and result["set"] == "test"
    found = result["Frechet distance over colours"]
    assert found["value"] > found["floor"] >= 0
    assert set(result["kernel distance over colours"]) == {"value", "floor"}


def test_samples_are_the_same_codes_at_every_truncation(generator):
    generator.estimate_w_avg(200)
    average = generator.synthesis(generator.to_w_plus(generator.w_avg[None])).clamp(-1, 1)
    torch.testing.assert_close(samples(generator, 2, 0.0, seed=3), average.expand(2, -1, -1, -1))
    torch.testing.assert_close(samples(generator, 5, 0.7, seed=3, batch=2), samples(generator, 5, 0.7, seed=3))


def test_faces_are_found_in_faces_only():
    faces = load_faces("test")
    pictures = torch.cat([faces.images([0, 4, 8]), torch.zeros(1, 3, 128, 128)])
    assert faces_found(pictures) == 0.75


def test_the_bundled_generator_draws_eyes_and_hardly_any_glasses():
    faces, parser = load_faces("test"), load_face_parser()
    parts = part_areas(load_generator("tiny"), faces, parser, 120, seed=0)
    assert parts["images_a_side"] == 120 and "hat" not in parts  # nobody in the set wears one
    total = sum(area["value"] for name, area in parts.items() if name != "images_a_side")
    assert total == pytest.approx(100, abs=0.5)
    assert 0.5 < parts["l_eye"]["value"] / parts["l_eye"]["real"] < 2
    assert parts["eye_g"]["value"] < 0.25 * parts["eye_g"]["real"]


def test_interval_holds_the_mean():
    values = torch.linspace(20, 30, 50)
    low, high = mean_interval(values)
    assert 22 < low < 25 < high < 28


def test_sheet_keeps_every_pixel(tmp_path):
    images = torch.linspace(-1, 1, 3 * 3 * 4 * 4).reshape(3, 3, 4, 4)
    save_png(sheet(images, columns=2), tmp_path / "s.png")
    pixels = np.asarray(Image.open(tmp_path / "s.png"))
    assert pixels.shape == (8, 8, 3) and (pixels[4:, 4:] == 255).all()
    expected = ((images[2] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(pixels[4:, :4], expected)


def test_the_command_writes_report_and_pictures(generator, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "no_downloads"))
    monkeypatch.setattr("idnb.experiments.inspection.faces_found", lambda images: 0.25)  # MTCNN has a test of its own
    save_file(generator.state_dict(), str(tmp_path / "g.safetensors"))
    out = tmp_path / "out"
    words = ["inspect", "generator", "--path", str(tmp_path / "g.safetensors"), "--data", "test", "--images", "6"]
    encoder = PictureEncoder(generator.n_styles, 16, 16, (4, 8, 8, 8))
    save_file(encoder.state_dict(), str(tmp_path / "e.safetensors"))
    words += ["--encoder", str(tmp_path / "e.safetensors"), "--reconstructed", "5"]
    code = main([*words, "--faces", "3", "--steps", "2", "--batch", "2", "--out", str(out)])
    text = capsys.readouterr().out
    assert code == 0 and "without inception features" in text and "mean cosine of two samples" in text
    report = json.loads((out / "report.json").read_text())
    assert report["optimisation"]["w_plus"]["faces"] == 3 and report["distribution"]["images_a_side"] == 6
    spaces = ("w", "w_plus", "w_plus_latent")
    assert all(report["optimisation"][space]["perceptual_distance"] == "LPIPS" for space in spaces)
    assert (
        report["reconstruction"]["images"] == 5
        and report["reconstruction"]["miou"] <= report["reconstruction"]["miou_of_photos"]
    )
    assert report["command"].startswith("idnb inspect generator")
    assert report["parts"]["images_a_side"] == 6 and report["parts"]["skin"]["real"] > 10 and "area in percent" in text
    for name in ("samples_0.7.png", "samples_1.png", "reconstructions.png", "reach_w_plus_latent.png"):
        assert Image.open(out / name).width > 100


def test_reports_that_are_kept_make_a_table(generator, tmp_path, capsys, monkeypatch):
    """A row a generator, real people in brackets, and the command that a training noted beside its file."""
    monkeypatch.setattr(inspect, "GENERATORS", tmp_path / "store" / "generators")
    (tmp_path / "run").mkdir()
    save_file(generator.state_dict(), str(tmp_path / "run" / "g.safetensors"))
    (tmp_path / "run" / "command.json").write_text('{"commands": [{"command": "idnb train generator --alone"}]}')
    words = ["inspect", "generator", "--path", str(tmp_path / "run" / "g.safetensors"), "--images", "6"]
    words += ["--features", "identity", "--faces", "0", "--out", str(tmp_path / "out"), "--store", "mine"]
    assert main(words) == 0
    report = json.loads((tmp_path / "store" / "generators" / "mine.json").read_text())
    assert report["made_by"] == "idnb train generator --alone"
    capsys.readouterr()
    assert main(["results", "generators", "--results", str(tmp_path / "store")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| generator | one face found") and lines[-1] == "- mine: `idnb train generator --alone`"
    cosine = report["pairwise_similarity"]
    assert f"| {cosine['samples']:.2f} ({cosine['people']:.2f}) |" in lines[2] and "n = 6 a side" in lines[4]
    assert main(["results", "generators", "--results", str(tmp_path)]) == 2
    assert "no reports of generators there" in capsys.readouterr().err


def test_likeness_by_hand():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    by_hand = (0.0 + 0.6 + 0.8) / 3
    assert pairwise_similarity(torch.arange(3), lambda rows: vectors[rows]) == pytest.approx(by_hand)


def test_equal_pictures_are_as_near_as_can_be():
    faces, parser = load_faces("test"), load_face_parser()
    truth, maps = faces.images([0, 4]), faces.label_maps([0, 4])
    same = reconstruction(truth, truth, maps, load_lpips(), parser)
    assert same["perceptual_mean"] == 0 and same["psnr_mean"] == 100 and same["miou"] == same["miou_of_photos"] > 0.5
    other = reconstruction(truth.flip(0), truth, maps, load_lpips(), parser)
    assert other["perceptual_mean"] > 0.2 and other["psnr_mean"] < 20 and other["miou"] < same["miou"]


def test_a_picture_encoder_is_read_as_it_was_written(tmp_path):
    encoder = PictureEncoder(8, 16, 12, (4, 6, 8, 10))
    save_file(encoder.state_dict(), str(tmp_path / "e.safetensors"))
    again, pictures = load_picture_encoder(tmp_path / "e.safetensors"), torch.rand(2, 3, 32, 32)
    assert again.size == 32 and not any(p.requires_grad for p in again.parameters())
    assert all(torch.equal(a, b) for a, b in zip(encoder(pictures), again(pictures), strict=True))
    save_file({"x": torch.zeros(2)}, str(tmp_path / "x.safetensors"))
    with pytest.raises(InputError, match=r"x\.safetensors: no picture encoder"):
        load_picture_encoder(tmp_path / "x.safetensors")


def test_bad_arguments_are_named(generator, tmp_path, capsys):
    save_file(generator.state_dict(), str(tmp_path / "g.safetensors"))
    assert main(["inspect", "generator", "--path", str(tmp_path / "g.safetensors"), "--export"]) == 2
    assert "only the bundled generator has an entry" in capsys.readouterr().err
    assert main(["inspect", "generator", "--path", str(tmp_path / "g.safetensors"), "--images", "0"]) == 2
    assert "--images: '0' is not a whole number from 2 to" in capsys.readouterr().err
    assert main(["inspect", "painter"]) == 2
    assert "invalid choice: 'painter'" in capsys.readouterr().err


def test_figures_go_into_the_manifest_beside_those_of_training(monkeypatch):
    entry = WeightFile("generator_tiny", "g.safetensors", "a generator", "CC0-1.0", metrics={"images_shown": 7})
    written = []
    monkeypatch.setattr(inspect, "find_weight", lambda name: entry)
    monkeypatch.setattr(inspect, "write_entry", written.append)
    export({"generator": "tiny", "size": 128})
    assert written == [entry] and entry.metrics == {"images_shown": 7, "inspected": {"size": 128}}


def test_the_command_can_be_repeated(tmp_path):
    from idnb.__main__ import build_parser

    parser = build_parser("inspect")
    args = parser.parse_args(["inspect", "generator", "--data", "/some/where/train", "--rate", "0.2"])
    words = recorded(args).whole.split()[1:]
    again = parser.parse_args(words)
    assert again.data == "train" and again.rate == 0.2 and again.images == args.images


def test_a_stored_name_is_a_word_and_no_report_is_replaced_unasked(generator, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(inspect, "GENERATORS", tmp_path / "generators")
    save_file(generator.state_dict(), str(tmp_path / "g.safetensors"))
    words = ["inspect", "generator", "--path", str(tmp_path / "g.safetensors"), "--out", str(tmp_path / "out")]
    assert main([*words, "--store", "../x"]) == 2 and "--store ../x: give a plain word" in capsys.readouterr().err
    (tmp_path / "generators").mkdir()
    (tmp_path / "generators" / "mine.json").write_text("{}")
    assert main([*words, "--store", "mine"]) == 2 and "--overwrite" in capsys.readouterr().err
    assert main(["results", "generators", "--results", str(tmp_path)]) == 2
    assert "mine.json: is no report of a generator" in capsys.readouterr().err
