"""`idnb train encoder`: what its options mean, what it exports, and what bad options are told."""

import pytest
import torch
from safetensors.torch import save_file

import idnb.cli.train_encoder as command
from idnb.__main__ import build_parser, main
from idnb.cli import export
from idnb.cli.train_encoder import parse_phases, parse_start, parse_weights
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.core.weights import export_bundled, file_sha256, read_manifest, weight_path
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.encoder_files import load_encoder, start_from
from idnb.training.config import Phase
from idnb.training.losses import LossWeights
from idnb.training.recipe import CONFIGS, pair_panel
from tests.encoder_run import parts


def test_phases_and_weights_are_read():
    assert parse_phases("1@64:40000,3:20000") == (Phase(1, 40_000, 64), Phase(3, 20_000, None))
    assert parse_weights("1,0.5,2,0") == LossWeights(1.0, 0.5, 2.0, 0.0)
    assert parse_weights("1,0.5,2,0,10,0.1") == LossWeights(1.0, 0.5, 2.0, 0.0, 10.0, 0.1)
    for wrong in ("", "1", "a:2", "1:2:3", "1@x:5"):
        with pytest.raises(InputError, match="expected STEPS:IMAGES"):
            parse_phases(wrong)
    for wrong in ("0:10", "21:10", "3:0", "-1:10", "1@48:8", "1@2048:8", "1@0:8", f"1:{10**12}"):
        with pytest.raises(InputError, match=r"^--phases .*'[-\d]+' is (not a whole number from|no size of)"):
            parse_phases(wrong)
    for wrong in ("1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7,8", "1,2,3,x", "1,2,3,-4", "1,2,3,nan", "1,inf,3,4"):
        with pytest.raises(InputError, match="expected four numbers"):
            parse_weights(wrong)


def test_the_papers_settings_are_the_papers():
    paper = CONFIGS["paper"]
    assert (paper.batch, paper.learning_rate, paper.decay, paper.ema) == (8, 1e-4, 0.0, 0.0)


def test_only_the_whole_encoder_is_exported(capsys):
    assert main(["train", "encoder", "--kind", "sketch", "--modulation", "vector", "--export"]) == 2
    assert "--export: only the whole tiny encoder" in capsys.readouterr().err


def test_an_exported_encoder_loads_and_says_how_it_was_made(tmp_path, monkeypatch):
    assets, out = tmp_path / "assets", tmp_path / "run"
    monkeypatch.setattr(export, "export_bundled", lambda entry, state: export_bundled(entry, state, assets))
    encoder, _, data, _ = parts("sketch")
    words = ["train", "encoder", "--kind", "sketch", "--data", "/somewhere/train", "--no-pretrained-identity"]
    args = build_parser("train").parse_args([*words, "--accumulate", "2", "--out", str(out)])
    with export.noted(args, out):
        (out / "checkpoint.pt").touch()
    chosen = command.choices(CONFIGS["tiny"], LossWeights(), 1) | {"precision": "no"}
    command.export(args, out, encoder, data, CONFIGS["tiny"], chosen)
    (entry,) = read_manifest(assets)
    assert entry.name == "encoder_sketch"
    told = "idnb train encoder --kind sketch --data train --accumulate 2 --no-pretrained-identity --export"
    assert entry.command == told
    assert entry.defaults["--method"] == "dual" and entry.defaults["--phases"] == "1:14000,2:8000,3:4000"
    assert entry.defaults["--weights"] == "0.1,1,0.5,0.003" and entry.defaults["--precision"] == "no"
    assert [*entry.made_from] == ["arcface_tiny.safetensors", "generator_tiny.safetensors"]
    file = assets / entry.file
    assert file.stat().st_size < 10.5e6
    loaded = load_encoder("tiny", "sketch", file)
    weight = encoder.blocks[0].bottlenecks[0].conv1.weight
    assert torch.equal(loaded.blocks[0].bottlenecks[0].conv1.weight, weight.half().float())


@pytest.mark.slow
def test_from_the_command_to_the_package(tmp_path, monkeypatch, capsys):
    """An ablated encoder, trained for real, begins with a file; both are told. An unfinished run is refused."""
    assets = tmp_path / "assets"
    monkeypatch.setattr(export, "export_bundled", lambda entry, state: export_bundled(entry, state, assets))
    start = weight_path("encoder_low_res")
    words = ["train", "encoder", "--kind", "low_res", "--people", "4", "--phases", "1@8:8", "--batch", "2"]
    words += ["--no-pretrained-identity", "--accumulate", "2", "--precision", "no", "--device", "cpu", "--threads", "1"]
    words += ["--start", f"low_res={start}", "--out", str(tmp_path / "run"), "--export"]
    assert main([*words, "--minutes", "0"]) == 2
    assert "has seen 4 of 8 images; give the same command until its end" in capsys.readouterr().err
    assert main(words) == 0
    (entry,) = read_manifest(assets)
    assert entry.command == (
        "idnb train encoder --kind low_res --people 4 --start low_res=encoder_low_res.safetensors --phases 1@8:8 "
        "--batch 2 --accumulate 2 --no-pretrained-identity --device cpu --precision no --export"
    )
    assert entry.made_from["--start encoder_low_res.safetensors"] == file_sha256(start)
    alone = load_encoder("tiny", "low_res", tmp_path / "run" / "encoder.safetensors")  # what another run may start from
    assert torch.equal(
        alone.style_head.weight.half(), load_encoder("tiny", "low_res", assets / entry.file).style_head.weight.half()
    )


def test_another_kind_of_contour_can_begin_with_trained_weights(tmp_path):
    trained, new = (IdentityGuidedEncoder(kind, TINY) for kind in ("low_res", "sketch"))
    file = tmp_path / "trained.safetensors"
    save_file({key: value.contiguous() for key, value in trained.state_dict().items()}, file)
    before = new.head.weight.detach().clone()
    start_from(new, file, "low_res")
    assert torch.equal(new.head.weight[:, :1], before[:, :1])  # reads the sketch, which the other never saw
    assert torch.equal(new.head.weight[:, 1:], trained.head.weight[:, 3:])  # reads the current output
    assert torch.equal(new.blocks[2].ifms[0].fcn_beta[2].weight, trained.blocks[2].ifms[0].fcn_beta[2].weight)
    assert parse_start("low_res=a.pt") == ("a.pt", "low_res")
    for wrong in ("a.pt", "edges=a.pt", "sketch="):
        with pytest.raises(InputError, match="expected KIND=FILE"):
            parse_start(wrong)


def test_the_panel_shows_contour_identity_steps_and_photo():
    encoder, generator, data, _ = parts("label_map")
    picture = pair_panel(generator, data, count=2)(encoder.eval())
    assert picture.shape == (3, 2 * 128 + 2, 6 * 128 + 5 * 2)
