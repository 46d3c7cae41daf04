"""The training of the generator: growing without a jump, a clean stop, readable errors, the mapping network, export."""

import csv
import dataclasses
import math
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from idnb.__main__ import build_parser
from idnb.cli import export, train_generator
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.core.weights import export_bundled, read_manifest
from idnb.faces.real_images import RealImages, read_strips
from idnb.models.discriminator import Discriminator, minibatch_std
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import load_generator
from idnb.pretraining.gan.codes import normal_codes, read_codes, with_filling, without_hues
from idnb.pretraining.gan.growing import grow_generator, parse_phases
from idnb.pretraining.gan.loop import train_gan
from idnb.pretraining.gan.mapping import energy_score, learn_mapping
from tests.gan_run import SHORT, SMALL, fresh, pictures

WIDE = dataclasses.replace(SMALL, style_dim=16)


def test_growing_changes_no_picture():
    generator = Generator.from_preset(SMALL, 8)
    codes = torch.randn(3, 4, 24)
    grown = grow_generator(generator, SMALL)
    longer = torch.cat([codes, torch.randn(3, 2, 24)], dim=1)
    before, after = generator.synthesis(codes), grown.synthesis(longer)
    assert after.shape == (3, 3, 16, 16)
    stages = list(grown.stages(longer))
    assert torch.equal(stages[1].rgb, before)
    inside = after[:, :, 2:-2, 2:-2]
    expected = torch.nn.functional.interpolate(before, scale_factor=2.0, mode="bilinear")[:, :, 2:-2, 2:-2]
    assert torch.allclose(inside, expected, atol=1e-5)


def test_ctrl_c_leaves_a_usable_checkpoint(tmp_path):
    training = fresh(SHORT)

    def interrupt(size):
        signal.raise_signal(signal.SIGINT)
        return pictures(size)

    with pytest.raises(KeyboardInterrupt):
        train_gan(training, interrupt, tmp_path)
    again = fresh(SHORT)
    train_gan(again, pictures, tmp_path)
    assert training.images == 4 and again.images == 24


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    training = fresh(SHORT)
    with torch.no_grad():
        training.encoder.to_w.bias.fill_(math.nan)
    with pytest.raises(InputError, match=r"loss is nan at step 0.*checkpoint\.pt"):
        train_gan(training, pictures, tmp_path)


def test_the_log_has_a_row_for_fifty_steps(tmp_path):
    config = dataclasses.replace(SHORT, phases=((8, 400),))
    train_gan(fresh(config), pictures, tmp_path, minutes=10)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["49", "99"]
    assert all(float(row["l1"]) >= 0 and row["size"] == "8" for row in rows)


def test_a_checkpoint_of_another_preset_is_refused():
    state = fresh(SHORT).state() | {"preset": "paper"}
    with pytest.raises(InputError, match="belongs to preset 'paper'"):
        fresh(SHORT).load(state)


def test_strips_are_cut_and_averaged(tmp_path):
    (tmp_path / "images").mkdir()
    strip = np.random.default_rng(0).integers(0, 255, (8, 24, 3)).astype(np.uint8)
    Image.fromarray(strip).save(tmp_path / "images" / "00000.webp", lossless=True)
    whole = read_strips(tmp_path, 8, progress=False)
    assert whole.shape == (3, 8, 8, 3) and np.array_equal(whole[1], strip[:, 8:16])
    small = read_strips(tmp_path, 4, progress=False)
    assert abs(small[2, 1, 1, 0].item() - strip[2:4, 18:20, 0].mean()) <= 0.5
    with pytest.raises(InputError, match="does not hold squares"):
        read_strips(tmp_path, 3, progress=False)
    (tmp_path / "images" / "00001.webp").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"00001\.webp is damaged or cut off"):
        read_strips(tmp_path, 8, progress=False)
    with pytest.raises(InputError, match="idnb render"):
        read_strips(tmp_path / "nowhere", 8)


def test_batches_are_mirrored_and_in_range():
    pixels = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    pixels[0, :, 0] = 255
    batch = RealImages(pixels).batch(64, torch.Generator().manual_seed(0))
    left, right = (batch[:, 0, 0, 0] == 1).sum().item(), (batch[:, 0, 0, 3] == 1).sum().item()
    assert left + right == 64 and 16 < left < 48 and batch.min() == -1
    with pytest.raises(InputError, match="uint8"):
        RealImages(torch.zeros(1, 4, 4, 3))


def test_minibatch_std_sees_sameness():
    same, different = torch.ones(4, 2, 4, 4), torch.randn(4, 2, 4, 4)
    assert minibatch_std(same)[:, 2].max() < 1e-3 < minibatch_std(different)[:, 2].min()
    assert minibatch_std(torch.randn(3, 2, 4, 4)).shape == (3, 3, 4, 4)


def test_sizes_of_the_tiny_networks():
    with torch.device("meta"):
        generator, discriminator = Generator.from_preset(TINY), Discriminator.from_preset(TINY)
    assert sum(p.numel() for p in generator.parameters()) * 2 < 12_000_000  # bytes in fp16
    assert discriminator(torch.zeros(4, 3, 128, 128, device="meta")).shape == (4,)
    with pytest.raises(InputError, match="size"):
        Discriminator(64, (8, 8))


def test_phases_are_read():
    assert parse_phases("64:1000,128:500") == ((64, 1000), (128, 500))
    for text in ("64", "64:x", "64:1,256:1", "48:1", "64:0", "64:-1", "2048:1"):
        with pytest.raises(InputError, match="--phases"):
            parse_phases(text)


def test_export_writes_a_bundled_generator(tmp_path, monkeypatch):
    """Trained at 8 px only, it is exported at full size, and its pictures come out enlarged."""
    assets, out = tmp_path / "assets", tmp_path / "run"
    monkeypatch.setattr(export, "export_bundled", lambda entry, state: export_bundled(entry, state, assets))
    words = ["train", "generator", "--data", "/some/train", "--people", "30", "--phases", "8:24", "--batch", "4"]
    args = build_parser("train").parse_args([*words, "--out", str(out), "--export"])
    with export.noted(args, out):
        (out / "checkpoint.pt").touch()
    train_generator.export(args, Generator.from_preset(TINY, 8), 24)
    [entry] = read_manifest(assets)
    command = "idnb train generator --data train --people 30 --phases 8:24 --batch 4"
    assert entry.command == f"{command} --export" and entry.defaults["--learning-rate"] == "0.004"
    assert entry.data == "rendered people: train; 24 images shown"
    generator = load_generator(path=assets / "generator_tiny.safetensors")
    assert generator.size == 128 and generator.n_styles == 12


def test_the_energy_score_is_the_formula_and_smallest_for_the_true_distribution():
    one, other, w = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 4.0]]), torch.zeros(1, 2)
    assert energy_score(one, other, w, torch.eye(2)) == pytest.approx((5 + 4) / 2 - 3 / 2)
    assert energy_score(one, other, w, 2 * torch.eye(2)) == pytest.approx(2 * ((5 + 4) / 2 - 3 / 2))
    torch.manual_seed(0)
    scores = {}
    for spread in (0.0, 0.5, 1.0, 2.0):
        one, other, w = spread * torch.randn(20_000, 3), spread * torch.randn(20_000, 3), torch.randn(20_000, 3)
        scores[spread] = energy_score(one, other, w, torch.eye(3)).item()
    assert min(scores, key=scores.get) == 1.0


def test_the_mapping_network_learns_mean_and_spread_of_w_for_known_parameters(tmp_path):
    generator = Generator.from_preset(WIDE, 8)
    random = torch.Generator().manual_seed(0)
    known = torch.randn(3_000, 4, generator=random)
    w = torch.randn(3_000, 16, generator=random)
    w[:, 0] = 2 * known[:, 0] + 0.5 * w[:, 0]  # one number is told by the parameters, up to a rest; fifteen are not
    assert learn_mapping(generator, w, torch.eye(16), known, tmp_path, steps=1_000)
    with (tmp_path / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 10 and losses[-1] < losses[0]
    with torch.no_grad():
        told = torch.stack([generator.mapping(with_filling(known, 16, random)) for _ in range(2)])
    assert torch.corrcoef(torch.stack([told[0, :, 0], w[:, 0]]))[0, 1] > 0.7
    assert 0.6 < told[0, :, 1:].std(0).mean() < 1.2  # a guess that is right on average would have 0
    assert (told[0] - told[1])[:, 1:].std() > 0.7  # two answers for the same parameters
    assert torch.allclose(generator.w_avg, told.mean((0, 1)), atol=0.2)


def test_a_mapping_network_that_was_interrupted_goes_on_exactly(tmp_path):
    known, w = (torch.randn(300, n, generator=torch.Generator().manual_seed(n)) for n in (4, 16))

    def learn(out, **more):
        generator = Generator.from_preset(WIDE, 8)
        done = learn_mapping(generator, w, torch.eye(16), known, out, steps=30, **more)
        return generator.style.state_dict(), done

    whole, done = learn(tmp_path / "whole")
    assert done
    times = 0
    while not done or not times:
        part, done = learn(tmp_path / "parts", minutes=1e-9)  # a step each time
        times += 1
    assert times == 30 and all(torch.equal(whole[name], part[name]) for name in whole)


def test_parameters_become_standard_normal_codes():
    random = np.random.default_rng(0)
    shape = random.uniform(-1, 1, 4_000)
    parameters = {
        "shape": shape,
        "twin": shape + 0.5 * random.uniform(-1, 1, 4_000),  # strongly correlated with it
        "style": random.choice(["crop", "bun", "long"], 4_000, p=[0.5, 0.2, 0.3]),
        "some.pattern": random.integers(0, 1000, 4_000),
    }
    z = normal_codes(parameters)
    assert z.shape == (4_000, 3) and torch.equal(z, normal_codes(parameters))
    assert torch.allclose(z.T.cov(), torch.eye(3), atol=0.08)
    assert abs(z[:, 2].abs().lt(1).float().mean().item() - 0.683) < 0.02  # a normal one, though it was three words
    order = z[:, 2].argsort()
    assert (parameters["style"][order.numpy()[:700]] == "bun").mean() > 0.95  # words in order of the alphabet
    assert torch.corrcoef(torch.stack([z[:, 0], torch.from_numpy(shape).float()]))[0, 1] > 0.8
    longer = with_filling(z, 6, torch.Generator().manual_seed(0))
    assert torch.equal(longer[:, :3], z) and torch.allclose(longer.T.cov(), torch.eye(6), atol=0.08)
    with pytest.raises(InputError, match="do not fit"):
        with_filling(z, 2, torch.Generator())


def test_codes_follow_the_order_of_the_strips():
    from idnb.faces.sources import load_faces

    faces = load_faces("test")
    z = read_codes([str(faces.folder)])
    assert 150 < z.shape[1] < 256 and len(z) == len(faces)
    assert read_codes([str(faces.folder)], people=3).shape == (12, z.shape[1])
    assert len(read_strips(faces.folder, 32, people=3, progress=False)) == 12
    pixels = read_strips(faces.folder, 32, progress=False)
    assert (pixels[5].permute(2, 0, 1) / 127.5 - 1 - faces.images([5], 32)[0]).abs().mean() < 0.03
    brightness = torch.from_numpy(faces.parameters["background.value"]).float()
    corner = pixels[:, :4, :4].float().mean(dim=(1, 2, 3))
    assert torch.corrcoef(torch.stack([brightness, corner]))[0, 1] > 0.5


def test_hues_become_colours_without_a_seam():
    parameters = {
        "cloth.hue": np.array([0.0, 1.0, 1 / 3]),
        "cloth.saturation": np.array([1.0, 1.0, 1.0]),
        "cloth.value": np.array([0.5, 0.5, 1.0]),
        "iris.hue": np.array([0.1, 0.2, 0.3]),
    }
    found = without_hues(parameters)
    assert list(found) == ["iris.hue", "cloth.red", "cloth.green", "cloth.blue"]
    rgb = np.stack([found[f"cloth.{channel}"] for channel in ("red", "green", "blue")], axis=1)
    np.testing.assert_allclose(rgb, [[0.5, 0, 0], [0.5, 0, 0], [0, 1, 0]], atol=1e-9)
