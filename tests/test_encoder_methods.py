"""`idnb train encoder --method`: pSp and ReStyle go the way of the dual encoder, from command to loaded file."""

import argparse

import pytest
import torch
from safetensors.torch import save_file

from idnb.__main__ import build_parser, main
from idnb.cli.train_encoder import build_encoder
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.models.baselines.psp import PSpEncoder
from idnb.models.baselines.restyle import ReStyleEncoder
from idnb.models.encoder_files import bundled_name, encoder_class, load_encoder
from idnb.models.stylegan2 import Generator
from idnb.training.config import Phase
from idnb.training.recipe import fitting


def arguments(*words: str) -> argparse.Namespace:
    return build_parser("train").parse_args(["train", "encoder", "--kind", "low_res", *words])


def test_the_method_decides_what_is_built():
    assert isinstance(build_encoder(arguments("--method", "psp"), TINY), PSpEncoder)
    made = build_encoder(arguments("--method", "restyle", "--no-pretrained-identity"), TINY)
    assert isinstance(made, ReStyleEncoder) and not made.pretrained_identity
    assert build_encoder(arguments("--no-input-latent"), TINY).options["input_latent"] is False
    with pytest.raises(InputError, match="belong to the dual encoder"):
        build_encoder(arguments("--method", "psp", "--no-input-latent"), TINY)
    with pytest.raises(InputError, match="choose one of: dual, psp, restyle"):
        encoder_class("e4e")


def test_psp_gets_single_steps():
    phases = (Phase(1, 10), Phase(3, 10, 64))
    with torch.device("meta"):
        psp, restyle = PSpEncoder("low_res", TINY), ReStyleEncoder("low_res", TINY)
    assert fitting(phases, psp, None) == (Phase(1, 10), Phase(1, 10, 64))
    assert fitting(phases, restyle, "given") == phases
    with pytest.raises(InputError, match="takes one refinement step"):
        fitting(phases, psp, "1:10,3@64:10")


@pytest.mark.parametrize("method", ["psp", "restyle"])
def test_from_the_command_to_the_loaded_encoder(method, tmp_path, monkeypatch):
    torch.manual_seed(0)
    save_file(Generator.from_preset(TINY).state_dict(), str(tmp_path / "g.safetensors"))
    monkeypatch.chdir(tmp_path)
    words = ["--method", method, "--generator", "g.safetensors", "--people", "3", "--phases", "1@32:4", "--batch", "2"]
    assert main(["train", "encoder", "--kind", "low_res", *words, "--device", "cpu"]) == 0
    path = tmp_path / "runs" / bundled_name("low_res", method) / "checkpoint.pt"
    encoder = load_encoder("tiny", "low_res", path, method=method)
    assert isinstance(encoder, encoder_class(method)) and not encoder.training
    with pytest.raises(InputError, match=f"holds {type(encoder).__name__} for low_res contours"):
        load_encoder("tiny", "low_res", path)
    state = {key: value for key, value in encoder.state_dict().items() if "num_batches" not in key}
    save_file({key: value.contiguous().clone() for key, value in state.items()}, str(tmp_path / "e.safetensors"))
    again = load_encoder("tiny", "low_res", tmp_path / "e.safetensors", method=method)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), encoder.parameters(), strict=True))
