"""Checkpoints of every training, damaged and foreign; encoders out of files of either suffix."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.core.tensor_files import write_tensors
from idnb.evaluation.methods import load_method
from idnb.models.baselines.psp import PSpEncoder
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.encoder_files import load_encoder
from idnb.models.face_parser import FaceParser
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork
from idnb.pretraining.data import IdentityData
from idnb.pretraining.gan.loop import train_gan
from idnb.pretraining.identity import IdentityTraining, TrainConfig
from idnb.pretraining.margin import ArcFaceHead
from idnb.pretraining.measuring import MeasuringConfig, MeasuringTraining
from idnb.training.loop import run_training, save_checkpoint
from idnb.training.run import EncoderRun, train_encoder
from tests.encoder_run import config, parts
from tests.gan_run import SHORT, fresh, pictures

SMALL = dataclasses.replace(TINY, image_size=16, style_dim=16, mapping_depth=2)


def people(count: int = 8) -> IdentityData:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 64, 64), generator=random, dtype=torch.uint8)
    labels = torch.randint(0, 19, (count, 64, 64), generator=random, dtype=torch.uint8)
    return IdentityData(images, labels, torch.arange(count) // 2)


once = functools.cache(parts)


def run_encoder(out):
    encoder, generator, data, loss = once()
    train_encoder(encoder, generator, data, loss, config(4), out, report=lambda _: None)


def run_reader(out):
    data = people()
    steps = MeasuringConfig(steps=1, batch=4)
    run_training(MeasuringTraining(FaceParser(), data, data.label_maps, steps), out, report=lambda _: None)


def run_identity(out):
    torch.manual_seed(0)
    network = IdentityNetwork(IDENTITY_SIZES["tiny"])
    training = IdentityTraining(network, ArcFaceHead, people(), None, TrainConfig(steps=1, batch=4))
    run_training(training, out, report=lambda _: None)


def run_gan(out):
    train_gan(fresh(dataclasses.replace(SHORT, phases=((8, 8),))), pictures, out, report=lambda _: None)


TRAININGS = [pytest.param(run_encoder, marks=pytest.mark.slow), run_reader, run_identity, run_gan]


def spoil(state, kind):
    """A checkpoint with one thing wrong."""
    keys = list(state)
    if kind == "lacks":
        return [{k: v for k, v in state.items() if k != key} for key in keys if key not in ("config", "trained")]
    if kind == "other":
        return [{**state, key: "other"} for key in keys if key not in ("config", "trained")]
    counts = [key for key in ("step", "images") if key in state]
    return [{**state, key: value} for key in counts for value in (-1, 2.5, 1 << 70)]


@pytest.mark.parametrize("run", TRAININGS)
def test_damaged_and_foreign_checkpoints(run, tmp_path):
    run(tmp_path)
    path = tmp_path / "checkpoint.pt"
    whole, state = path.read_bytes(), torch.load(path, weights_only=True)
    run(tmp_path)  # a finished run is taken up
    for content in (b"", whole[:1000], whole[:-100], b"\x80\x02}q\x00.", b"{}", bytes(2000)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"checkpoint\.pt.*not a checkpoint of this command.*--out"):
            run(tmp_path)
    for kind in ("lacks", "other", "counts"):
        for wrong in spoil(state, kind):
            torch.save(wrong, path)
            with pytest.raises(InputError, match=r"checkpoint|preset"):
                run(tmp_path)
    for other in [{}, [], {"weights": {}}, torch.zeros(3), {"description": state.get("description")}]:
        torch.save(other, path)
        with pytest.raises(InputError, match=r"checkpoint\.pt"):
            run(tmp_path)


@pytest.mark.parametrize("run", TRAININGS)
def test_no_training_finishes_from_weights_that_are_no_numbers(run, tmp_path):
    run(tmp_path)
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    network = state.get("weights") or state["ema"]
    next(value for value in network.values() if value.is_floating_point()).fill_(float("nan"))
    torch.save(state, path)
    with pytest.raises(InputError, match=r"checkpoint\.pt: \S+ holds values that are no numbers"):
        run(tmp_path)


def test_a_run_does_not_write_weights_that_are_no_numbers(tmp_path):
    encoder, generator, data, loss = parts()
    run = EncoderRun(encoder, generator, data, loss, config(4))
    save_checkpoint(run, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with torch.no_grad():
        next(run.ema.parameters()).fill_(float("inf"))
    advice = "begin again with another --seed or a lower learning rate"
    with pytest.raises(InputError, match=f"is as it was before; {advice}"):
        save_checkpoint(run, tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_encoders_from_files_of_either_suffix(tmp_path):
    torch.manual_seed(0)
    encoder = IdentityGuidedEncoder("low_res", TINY, modulation="vector").eval()
    plain = IdentityGuidedEncoder("low_res", TINY).eval()
    description = {
        "encoder": "IdentityGuidedEncoder",
        "kind": "low_res",
        "preset": "tiny",
        "options": {"modulation": "vector"},
    }
    for suffix in ("pt", "pth", "ckpt"):
        path = tmp_path / f"run.{suffix}"
        torch.save({"weights": encoder.state_dict(), "description": description}, path)
        assert load_encoder(path=path).options["modulation"] == "vector"
        torch.save({f"module.{key}": value for key, value in plain.state_dict().items()}, path)
        back = load_encoder(path=path).state_dict()
        assert all(torch.equal(back[key], value) for key, value in plain.state_dict().items())
    write_tensors(tmp_path / "run.pt", plain.state_dict(), {})  # safetensors under another name
    assert torch.equal(load_encoder(path=tmp_path / "run.pt").state_dict()["head.weight"], plain.head.weight)
    for wrong in ({"options": {"width": 7}}, {"options": [1]}, {"options": {"modulation": "both"}}, {"kind": "sketch"}):
        torch.save({"weights": encoder.state_dict(), "description": {**description, **wrong}}, tmp_path / "run.pt")
        with pytest.raises(InputError):
            load_encoder(path=tmp_path / "run.pt")


def test_baselines_by_name_are_read_alike(tmp_path):
    encoder = PSpEncoder("low_res", TINY)
    description = {"encoder": "PSpEncoder", "kind": "low_res", "preset": "tiny", "options": {}}
    torch.save({"weights": encoder.state_dict(), "description": description}, tmp_path / "run.pth")
    assert isinstance(load_method("psp", path=tmp_path / "run.pth"), PSpEncoder)
    state = encoder.state_dict()
    key = next(key for key, value in state.items() if value.is_floating_point())
    torch.save({"weights": {**state, key: state[key] * np.nan}, "description": description}, tmp_path / "run.pth")
    with pytest.raises(InputError, match="no numbers"):
        load_method("psp", path=tmp_path / "run.pth")
