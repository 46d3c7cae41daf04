"""Public StyleGAN2 files load as they are, in every form in which they circulate; other files are named."""

import argparse
import pickle
from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file

from idnb.core.errors import InputError
from idnb.core.presets import PAPER
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import load_generator, read_generator

SMALL = {"size": 32, "style_dim": 16, "mapping_depth": 3, "channels": (16, 16, 12, 8)}


def public_shapes(size, style_dim, depth, channels):
    """Keys and shapes of g_ema as the public file has them, written from its description and not from our class."""
    shapes = {"input.input": (1, channels[0], 4, 4)}
    for layer in range(1, depth + 1):
        shapes |= {f"style.{layer}.weight": (style_dim, style_dim), f"style.{layer}.bias": (style_dim,)}

    def add(prefix, inputs, outputs, kernel, blur):
        shapes[f"{prefix}.conv.weight"] = (1, outputs, inputs, kernel, kernel)
        shapes[f"{prefix}.conv.modulation.weight"] = (inputs, style_dim)
        shapes[f"{prefix}.conv.modulation.bias"] = (inputs,)
        if kernel == 1:
            shapes[f"{prefix}.bias"] = (1, 3, 1, 1)
        else:
            shapes[f"{prefix}.noise.weight"] = (1,)
            shapes[f"{prefix}.activate.bias"] = (outputs,)
        if blur:
            shapes[f"{prefix}.{'conv.blur' if kernel == 3 else 'upsample'}.kernel"] = (4, 4)

    add("conv1", channels[0], channels[0], 3, False)
    add("to_rgb1", channels[0], 3, 1, False)
    for block, (inputs, outputs) in enumerate(pairwise(channels)):
        add(f"convs.{2 * block}", inputs, outputs, 3, True)
        add(f"convs.{2 * block + 1}", outputs, outputs, 3, False)
        add(f"to_rgbs.{block}", outputs, 3, 1, True)
    for index in range(2 * len(channels) - 1):
        side = 2 ** ((index + 5) // 2)
        shapes[f"noises.noise_{index}"] = (1, 1, side, side)
    return shapes


def public_state(seed=0, kernels=True, **sizes):
    """Random tensors in the public format."""
    random = torch.Generator().manual_seed(seed)
    sizes = sizes or SMALL
    shapes = public_shapes(sizes["size"], sizes["style_dim"], sizes["mapping_depth"], sizes["channels"])
    return {
        key: torch.randn(shape, generator=random)
        for key, shape in shapes.items()
        if kernels or not key.endswith(".kernel")
    }


def test_the_1024_px_table():
    shapes = public_shapes(1024, 512, 8, (512,) * 5 + (256, 128, 64, 32))
    kernels = {key for key in shapes if key.endswith(".kernel")}
    assert len(shapes) == 171
    assert shapes["convs.8.conv.weight"] == (1, 256, 512, 3, 3) and shapes["noises.noise_16"] == (1, 1, 1024, 1024)
    with torch.device("meta"):
        ours = {key: tuple(value.shape) for key, value in Generator.from_preset(PAPER).state_dict().items()}
    assert ours.pop("w_avg") == (512,)
    assert ours == {key: shape for key, shape in shapes.items() if key not in kernels}


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("networks", [True, False])
def test_both_public_files_load(tmp_path, kernels, networks):
    state, mean = public_state(kernels=kernels), torch.randn(16)
    content = {"g_ema": state, "latent_avg": mean}
    if networks:
        content |= {"g": public_state(seed=1), "d": {"convs.0.0.weight": torch.zeros(3)}}
    torch.save(content, tmp_path / "public.pt")
    generator = load_generator("paper", path=tmp_path / "public.pt")
    assert (generator.size, generator.n_styles, generator.style_dim) == (32, 8, 16)
    assert generator.channels == (16, 16, 12, 8) and generator.style.depth == 3
    assert torch.equal(generator.w_avg, mean)
    assert torch.equal(generator.convs[2].conv.weight, state["convs.2.conv.weight"])
    assert not generator.training and not any(p.requires_grad for p in generator.parameters())
    assert generator.synthesis(torch.randn(2, 8, 16)).shape == (2, 3, 32, 32)


def test_a_missing_mean_is_computed(tmp_path):
    torch.save({"g_ema": public_state()}, tmp_path / "trained.pt")
    generator = read_generator(tmp_path / "trained.pt", samples=2000)
    z = torch.randn(2000, 16, generator=torch.Generator().manual_seed(3))
    sample = generator.style(z)
    assert (generator.w_avg - sample.mean(0)).abs().max() < 6 * (sample.std(0) / 2000**0.5).max()


def test_a_mean_stored_per_layer(tmp_path):
    mean = torch.randn(16)
    torch.save({"g_ema": public_state(), "latent_avg": mean.repeat(8, 1)}, tmp_path / "repeated.pt")
    assert torch.equal(read_generator(tmp_path / "repeated.pt").w_avg, mean)


def test_our_own_files(tmp_path):
    generator = Generator(**SMALL)
    generator.w_avg.normal_()
    save_file({k: v.half() for k, v in generator.state_dict().items()}, tmp_path / "ours.safetensors")
    torch.save({"ema": generator.state_dict(), "generator": {}, "step": 3}, tmp_path / "checkpoint.pt")
    codes = torch.randn(1, 8, 16)
    exact = generator.synthesis(codes)
    half = load_generator(path=tmp_path / "ours.safetensors")
    assert half.w_avg.dtype == torch.float32 and (half.synthesis(codes) - exact).abs().max() < 0.05 * exact.abs().max()
    assert torch.equal(load_generator(path=tmp_path / "checkpoint.pt").synthesis(codes), exact)


def reading(path):
    with pytest.raises(InputError) as caught:
        read_generator(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_unreadable_files_are_named(tmp_path):
    path = tmp_path / "file.pt"
    assert "no such file" in reading(path)
    path.write_bytes(b"")
    assert "empty file" in reading(path)
    path.write_text("\n<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>")
    assert "HTML page" in reading(path) and "idnb fetch" in reading(path)
    torch.save({"g_ema": public_state()}, path)
    path.write_bytes(path.read_bytes()[:-5000])
    assert "truncated" in reading(path)
    torch.save({"g_ema": public_state(), "args": argparse.Namespace(size=32)}, path)
    assert "Python objects beside tensors (argparse.Namespace)" in reading(path) and "tensors only" in reading(path)
    path.write_bytes(pickle.dumps({"module": "torch_utils.persistence"}))
    assert "NVIDIA" in reading(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "not a weight file" in reading(path)
    torch.save(torch.zeros(3), path)
    assert "holds a Tensor" in reading(path)
    broken = tmp_path / "file.safetensors"
    save_file(public_state(), broken)
    broken.write_bytes(broken.read_bytes()[:1000])
    assert "truncated or damaged" in reading(broken)


def test_foreign_files_are_named(tmp_path):
    path = tmp_path / "file.pt"
    torch.save({"input_layer.0.weight": torch.zeros(64, 3, 3, 3), "body.0.res_layer.0.weight": torch.ones(64)}, path)
    assert "IR-SE" in reading(path) and "load_identity_network" in reading(path)
    torch.save({"state_dict": {"encoder.x": torch.zeros(1), "decoder.y": torch.zeros(1)}, "opts": {}}, path)
    assert "pSp" in reading(path)
    torch.save({"something": torch.zeros(1)}, path)
    assert "no StyleGAN2 generator" in reading(path) and "something" in reading(path)


def test_sizes_that_make_no_sense_are_named(tmp_path):
    def state(blocks, channels=8, style_dim=8):
        found = {"input.input": torch.zeros(1, 8, 4, 4), "style.1.weight": torch.zeros(8, style_dim)}
        for block in range(blocks):
            found[f"to_rgbs.{block}.conv.weight"] = torch.zeros(1, 3, channels, 1, 1)
            found[f"convs.{2 * block}.conv.weight"] = torch.zeros(1, channels, 8, 3, 3)
        return found

    for wrong in (state(0), state(40), state(70), state(2, channels=0), state(2, style_dim=0)):
        torch.save({"g_ema": wrong}, tmp_path / "file.pt")
        assert "blocks with" in reading(tmp_path / "file.pt")


def test_generators_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "file.pt"
    state = public_state()
    del state["convs.1.activate.bias"]
    torch.save({"g_ema": state}, path)
    assert "lacks 1 tensors (convs.1.activate.bias)" in reading(path)
    torch.save({"g_ema": public_state() | {"convs.9.extra": torch.zeros(1)}}, path)
    assert "has unknown 1 tensors (convs.9.extra)" in reading(path)
    torch.save({"g_ema": public_state() | {"conv1.noise.weight": torch.zeros(2)}}, path)
    assert "wrong shape" in reading(path) and "conv1.noise.weight [2] for [1]" in reading(path)
    torch.save({"g_ema": public_state(), "latent_avg": torch.zeros(7)}, path)
    assert "latent_avg" in reading(path)
    with pytest.raises(InputError, match="known presets"):
        load_generator("giant")
