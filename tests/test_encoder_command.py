"""`idnb train encoder`: what its options mean, what it exports, and what bad options are told."""

import argparse
import json

import pytest
import torch
from safetensors.torch import save_file

import idnb.cli.train_encoder as command
from idnb.__main__ import main
from idnb.cli.train_encoder import parse_phases, parse_start, parse_weights
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.core.weights import export_bundled
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.encoder_files import load_encoder, start_from
from idnb.training.config import Phase
from idnb.training.losses import LossWeights
from idnb.training.recipe import CONFIGS, pair_panel
from tests.encoder_run import parts


def test_phases_and_weights_are_read():
    assert parse_phases("1@64:40000,3:20000") == (Phase(1, 40_000, 64), Phase(3, 20_000, None))
    assert parse_weights("1,0.5,2,0") == LossWeights(1.0, 0.5, 2.0, 0.0)
    assert parse_weights("1,0.5,2,0,15,0.001,0.1") == LossWeights(1.0, 0.5, 2.0, 0.0, 15.0, 0.001, 0.1)
    for wrong in ("", "1", "a:2", "1:2:3", "1@x:5"):
        with pytest.raises(InputError, match="expected STEPS:IMAGES"):
            parse_phases(wrong)
    for wrong in ("0:10", "21:10", "3:0", "-1:10", "1@48:8", "1@2048:8", "1@0:8", f"1:{10**12}"):
        with pytest.raises(InputError, match=r"^--phases .*'[-\d]+' is (not a whole number from|no size of)"):
            parse_phases(wrong)
    for wrong in ("1,2,3", "1,2,3,4,5", "1,2,3,x", "1,2,3,-4", "1,2,3,nan", "1,inf,3,4"):
        with pytest.raises(InputError, match="expected four numbers"):
            parse_weights(wrong)


def test_the_papers_settings_are_the_papers():
    paper = CONFIGS["paper"]
    assert (paper.batch, paper.learning_rate, paper.decay, paper.average) == (8, 1e-4, 0.0, 0.0)


def test_only_the_whole_encoder_is_exported(capsys):
    assert main(["train", "encoder", "--kind", "sketch", "--modulation", "vector", "--export"]) == 2
    assert "--export: only the whole tiny encoder" in capsys.readouterr().err


def test_an_exported_encoder_loads_and_says_how_it_was_made(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "export_bundled", lambda entry, state: export_bundled(entry, state, tmp_path))
    encoder, _, data, _ = parts("sketch")
    args = argparse.Namespace(kind="sketch", method="dual", data=["/somewhere/train"], people=None, identity=[])
    args.start = None
    command.export(args, encoder, data, CONFIGS["tiny"], LossWeights(), 1)
    (entry,) = json.loads((tmp_path / "manifest.json").read_text())["weights"]
    assert entry["name"] == "encoder_sketch"
    assert entry["command"].startswith("idnb train encoder --kind sketch --method dual --data train --phases 1:")
    file = tmp_path / entry["file"]
    assert file.stat().st_size < 10.5e6
    loaded = load_encoder("tiny", "sketch", file)
    weight = encoder.blocks[0].bottlenecks[0].conv1.weight
    assert torch.equal(loaded.blocks[0].bottlenecks[0].conv1.weight, weight.half().float())


def test_another_kind_of_contour_can_begin_with_trained_weights(tmp_path):
    trained, new = (IdentityGuidedEncoder(kind, TINY) for kind in ("low_res", "sketch"))
    file = tmp_path / "trained.safetensors"
    save_file({key: value.contiguous() for key, value in trained.state_dict().items()}, file)
    before = new.head.weight.detach().clone()
    start_from(new, file, "low_res")
    assert torch.equal(new.head.weight[:, :1], before[:, :1])  # reads the sketch, which the other never saw
    assert torch.equal(new.head.weight[:, 1:], trained.head.weight[:, 3:])  # reads the current output
    assert torch.equal(new.blocks[2].ifms[0].fcn_beta[2].weight, trained.blocks[2].ifms[0].fcn_beta[2].weight)
    torch.nn.init.ones_(trained.latent_head.weight)
    save_file({key: value.contiguous() for key, value in trained.state_dict().items()}, file)
    start_from(new, file, "low_res", fresh_latent=True)
    assert not new.latent_head.weight.any()
    start_from(new, file, "low_res")
    assert new.latent_head.weight.all()
    assert parse_start("low_res=a.pt") == ("a.pt", "low_res")
    for wrong in ("a.pt", "edges=a.pt", "sketch="):
        with pytest.raises(InputError, match="expected KIND=FILE"):
            parse_start(wrong)


def test_the_panel_shows_contour_identity_steps_and_photo():
    encoder, generator, data, _ = parts("label_map")
    picture = pair_panel(generator, data, count=2)(encoder.eval())
    assert picture.shape == (3, 2 * 128 + 2, 6 * 128 + 5 * 2)
