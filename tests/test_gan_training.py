"""The training of the generator: exact resume, growing without a jump, a clean stop, readable errors."""

import copy
import csv
import dataclasses
import math
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from idnb.__main__ import build_parser, main
from idnb.cli import export, train_generator
from idnb.cli.train_generator import parse_rates
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.core.weights import export_bundled, read_manifest
from idnb.faces.real_images import RealImages, read_strips
from idnb.models.discriminator import Discriminator, minibatch_std
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import load_generator
from idnb.pretraining.gan.adversarial import GanTraining
from idnb.pretraining.gan.codes import normal_codes, read_codes, with_filling, without_hues
from idnb.pretraining.gan.growing import GanConfig, grow_generator, parse_phases
from idnb.pretraining.gan.loop import train_gan
from idnb.pretraining.gan.mapping import encode_all, energy_score, learn_mapping, whiten_w
from idnb.pretraining.gan.warmup import WarmUp, mapping_error

SMALL = dataclasses.replace(
    TINY,
    image_size=16,
    style_dim=16,
    mapping_depth=2,
    generator_channels=(16, 12, 8),
    discriminator_channels=(12, 12, 8),
)
CONFIG = GanConfig(phases=((8, 24), (16, 40)), batch=4, r1_every=2, fade_images=16)


def pictures(size):
    """Twenty pictures of bright discs, [20, size, size, 3] uint8."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    discs = [(x - cx) ** 2 + (y - cy) ** 2 < 0.1 for cx, cy in random.uniform(0.3, 0.7, (20, 2))]
    return torch.from_numpy(np.stack(discs)[..., None].repeat(3, axis=3).astype(np.uint8) * 200)


def parameters(training):
    return [value for name in training.stateful[:3] for value in getattr(training, name).state_dict().values()]


def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path):
    whole = GanTraining(SMALL, CONFIG)
    train_gan(whole, pictures, tmp_path / "whole")
    for stop in (((8, 16),), ((8, 24), (16, 12)), CONFIG.phases):  # before growing, after it, and at the end
        part = GanTraining(SMALL, dataclasses.replace(CONFIG, phases=stop))
        train_gan(part, pictures, tmp_path / "parts")
    assert part.images == whole.images == 64 and part.size == 16
    for ours, theirs in zip(parameters(part), parameters(whole), strict=True):
        assert torch.equal(ours, theirs)
    generator = load_generator(path=tmp_path / "parts" / "checkpoint.pt")
    codes = torch.randn(1, generator.n_styles, 16)
    assert torch.equal(generator.synthesis(codes), whole.average.synthesis(codes))
    assert list((tmp_path / "parts").glob("samples_*.png"))


def test_growing_changes_no_picture():
    training = GanTraining(SMALL, CONFIG)
    generator = training.generator
    codes = torch.randn(3, 4, 16)
    grown = grow_generator(generator, SMALL)
    longer = torch.cat([codes, torch.randn(3, 2, 16)], dim=1)
    before, after = generator.synthesis(codes), grown.synthesis(longer)
    assert after.shape == (3, 3, 16, 16)
    stages = list(grown.stages(longer))
    assert torch.equal(stages[1].rgb, before)
    inside = after[:, :, 2:-2, 2:-2]
    expected = torch.nn.functional.interpolate(before, scale_factor=2.0, mode="bilinear")[:, :, 2:-2, 2:-2]
    assert torch.allclose(inside, expected, atol=1e-5)


def test_the_discriminator_grows_without_a_jump():
    training = GanTraining(SMALL, CONFIG)
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    before = training.discriminator(torch.nn.functional.avg_pool2d(images, 2))
    training.images = 24
    training.grow()
    assert training.fade == 0.0
    assert torch.allclose(training.discriminator(images, fade=0.0), before, atol=1e-5)
    assert not torch.allclose(training.discriminator(images), before, atol=1e-3)
    with pytest.raises(InputError, match="images: expected shape"):
        training.discriminator(torch.zeros(4, 3, 8, 8))


def test_both_losses_from_one_pass_equal_two_passes():
    """The gradients of a step are those of the two losses, each computed by itself."""
    training = GanTraining(SMALL, CONFIG)
    real = RealImages(pictures(8))
    random = torch.Generator().manual_seed(CONFIG.seed * 1_000_003 + 1)
    fake, batch = training.sample(4, random), real.batch(4, random)
    generator_loss = torch.nn.functional.softplus(-training.discriminator(fake)).mean()
    expected_g = torch.autograd.grad(generator_loss, list(training.generator.parameters()), allow_unused=True)
    scores = training.discriminator(fake.detach())
    loss = torch.nn.functional.softplus(scores).mean()
    loss = loss + torch.nn.functional.softplus(-training.discriminator(batch)).mean()
    expected_d = torch.autograd.grad(loss, list(training.discriminator.parameters()))
    training.step = 1  # no penalty in this step
    training.run_step(real)
    for network, expected in ((training.generator, expected_g), (training.discriminator, expected_d)):
        for parameter, gradient in zip(network.parameters(), expected, strict=True):
            if gradient is not None:
                assert torch.allclose(parameter.grad, gradient, atol=1e-6)


def test_a_short_training_moves_towards_the_data():
    """A few hundred images: the mean picture of the averaged generator comes closer to the mean of the real ones."""
    # A strong penalty: without it the two networks of this size chase each other, and the end depends on rounding.
    config = dataclasses.replace(
        CONFIG, phases=((8, 1600),), batch=8, r1_every=4, r1_gamma=1.0, learning_rate=2e-3, seed=1
    )
    training, real = GanTraining(SMALL, config), RealImages(pictures(8))
    target = real.batch(200, torch.Generator().manual_seed(0)).mean(dim=0)

    def distance():
        with torch.no_grad():
            z = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
            return (training.average(z).mean(dim=0) - target).abs().mean().item()

    before = distance()
    for _ in range(200):
        training.run_step(real)
    assert distance() < 0.7 * before


def test_ctrl_c_leaves_a_usable_checkpoint(tmp_path):
    training = GanTraining(SMALL, CONFIG)

    def interrupt(size):
        signal.raise_signal(signal.SIGINT)
        return pictures(size)

    with pytest.raises(KeyboardInterrupt):
        train_gan(training, interrupt, tmp_path)
    again = GanTraining(SMALL, CONFIG)
    train_gan(again, pictures, tmp_path)
    assert training.images == 4 and again.images == 64


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    training = GanTraining(SMALL, CONFIG)
    with torch.no_grad():
        training.discriminator.score.bias.fill_(math.nan)
    with pytest.raises(InputError, match=r"loss_g is nan at step 0.*checkpoint\.pt"):
        train_gan(training, pictures, tmp_path)


def test_the_log_has_a_row_for_fifty_steps(tmp_path):
    config = dataclasses.replace(CONFIG, phases=((8, 400),))
    train_gan(GanTraining(SMALL, config), pictures, tmp_path, minutes=10)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["49", "99"]
    assert all(float(row["r1"]) >= 0 and row["size"] == "8" for row in rows)


def test_a_checkpoint_of_another_preset_is_refused():
    state = GanTraining(SMALL, CONFIG).state() | {"preset": "paper"}
    with pytest.raises(InputError, match="belongs to preset 'paper'"):
        GanTraining(SMALL, CONFIG).load(state)


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


def test_phases_and_rates_are_read():
    assert parse_phases("64:1000,128:500") == ((64, 1000), (128, 500))
    assert parse_rates("0.2,1") == (0.2, 1.0)
    for text in ("", "a", "0", "1,-1", "nan", "inf"):
        with pytest.raises(InputError, match="--generator-rates"):
            parse_rates(text)
    for text in ("64", "64:x", "64:1,256:1", "48:1", "64:0", "64:-1", "2048:1"):
        with pytest.raises(InputError, match="--phases"):
            parse_phases(text)


def test_export_writes_a_bundled_generator(tmp_path, monkeypatch, capsys):
    """Trained at 8 px only, it is exported at full size, and its pictures come out enlarged."""
    assets, out = tmp_path / "assets", tmp_path / "run"
    monkeypatch.setattr(train_generator, "get_preset", lambda name: SMALL)
    monkeypatch.setattr(export, "export_bundled", lambda entry, state: export_bundled(entry, state, assets))
    average = GanTraining(SMALL, CONFIG).average
    words = ["train", "generator", "--data", "/some/train", "--people", "30", "--warm-up", "8:8", "--phases", "8:24"]
    args = build_parser("train").parse_args([*words, "--batch", "4", "--out", str(out), "--export"])
    with export.noted(args, out):
        (out / "checkpoint.pt").touch()
    train_generator.export(args, average, 24)
    [entry] = read_manifest(assets)
    command = "idnb train generator --data train --people 30 --warm-up 8:8 --phases 8:24 --batch 4"
    assert entry.command == f"{command} --export" and entry.defaults["--preset"] == "tiny"
    assert entry.data == "rendered people: train; 8 images shown in the warm-up, then 24"
    generator = load_generator(path=assets / "generator_tiny.safetensors")
    assert generator.size == 16 and generator.n_styles == 6
    assert main([*words, "--preset", "paper", "--phases", "8:8", "--export"]) == 2
    assert "only the tiny generator" in capsys.readouterr().err


def codes():
    return torch.randn(20, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("training", [WarmUp, GanTraining])
def test_a_resumed_run_with_an_encoder_equals_one_that_was_not_interrupted(training, tmp_path):
    whole = training(SMALL, CONFIG, codes())
    train_gan(whole, pictures, tmp_path / "whole")
    for stop in (((8, 16),), ((8, 24), (16, 12)), CONFIG.phases):
        part = training(SMALL, dataclasses.replace(CONFIG, phases=stop), codes())
        train_gan(part, pictures, tmp_path / "parts")
    for name in ("generator", "average", "encoder"):
        ours, theirs = (getattr(run, name).state_dict() for run in (part, whole))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_warm_up_learns_to_draw_pictures_again_and_which_code_gives_which():
    training = WarmUp(SMALL, dataclasses.replace(CONFIG, phases=((8, 2_000),), batch=8), codes())
    real = RealImages(pictures(8))
    errors = [training.run_step(real)["mapping"] for _ in range(150)]
    with torch.no_grad():
        targets = real.at(torch.arange(20))
        drawn = training.generator.synthesis(training.generator.to_w_plus(training.encoder(targets)))
    own = (drawn - targets).square().mean()
    other = (drawn - targets.roll(1, dims=0)).square().mean()
    assert own < 0.5 * other
    assert sum(errors[-20:]) < 0.5 * sum(errors[:20])
    w = torch.randn(8, 16)
    assert mapping_error(w, w) == 0 and mapping_error(w.mean(0).expand(8, -1), w) == pytest.approx(7 / 8)
    with pytest.raises(InputError, match="20 pictures, but 19 codes"):
        WarmUp(SMALL, CONFIG, codes()[1:]).run_step(real)


def warmed_up():
    """A warm-up of a few steps, and its twenty pictures."""
    warm_up, real = WarmUp(SMALL, CONFIG, codes()), RealImages(pictures(8))
    for _ in range(30):
        warm_up.run_step(real)
    return warm_up, real


def redrawn(generator, encoder, real):
    with torch.no_grad():
        return generator.synthesis(generator.to_w_plus(encoder(real.at(torch.arange(len(real))))))


def test_whitening_evens_out_w_and_changes_no_picture():
    warm_up, real = warmed_up()
    generator, encoder = warm_up.average, warm_up.encoder
    before = redrawn(generator, encoder, real)
    new, weight = whiten_w(generator, encoder, encode_all(encoder, real, progress=False))
    assert torch.allclose(redrawn(generator, encoder, real), before, atol=1e-4)
    assert torch.allclose(encode_all(encoder, real, progress=False), new, atol=1e-3)
    variance = torch.linalg.eigvalsh(new.T.cov()).flip(0)  # of 16 directions
    assert new.mean(0).abs().max() < 1e-3 and torch.allclose(variance[:3], torch.ones(3), atol=0.02)
    assert variance.max() < 1.02 and weight.shape == (16, 16)


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
    generator = Generator.from_preset(SMALL, 8)
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
        generator = Generator.from_preset(SMALL, 8)
        done = learn_mapping(generator, w, torch.eye(16), known, out, steps=30, **more)
        return generator.style.state_dict(), done

    whole, done = learn(tmp_path / "whole")
    assert done
    times = 0
    while not done or not times:
        part, done = learn(tmp_path / "parts", minutes=1e-9)  # a step each time
        times += 1
    assert times == 30 and all(torch.equal(whole[name], part[name]) for name in whole)


def test_the_adversarial_training_starts_where_the_warm_up_ended(tmp_path):
    warm_up, real = warmed_up()
    training = GanTraining(SMALL, CONFIG, codes())
    assert not training.start_from(warm_up, real, tmp_path / "mapping", minutes=1e-9)  # stopped after its first step
    assert training.start_from(warm_up, real, tmp_path / "mapping")
    before = redrawn(warm_up.average, warm_up.encoder, real)
    assert torch.allclose(redrawn(training.average, training.encoder, real), before, atol=1e-4)
    z = torch.randn(50, 16)
    assert torch.equal(training.generator(z), training.average(z))
    mapping = copy.deepcopy(training.generator.style.state_dict())
    for _ in range(3):
        training.run_step(real)
    now = training.generator.state_dict()
    assert all(torch.equal(now[f"style.{name}"], value) for name, value in mapping.items())  # it has learnt all it can
    assert not torch.equal(now["conv1.conv.weight"], training.average.conv1.conv.weight)
    with pytest.raises(InputError, match="at that size"):
        GanTraining(SMALL, dataclasses.replace(CONFIG, phases=((16, 40),)), codes()).start_from(warm_up, real, tmp_path)
    with pytest.raises(InputError, match="20 pictures, but 19 codes"):
        GanTraining(SMALL, CONFIG, codes()[1:]).start_from(warm_up, real, tmp_path)


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


def test_fakes_of_real_pictures_are_drawn_towards_them():
    """With the discriminator's rate at zero and a large weight, the reconstruction loss alone has to do it."""
    config = dataclasses.replace(CONFIG, phases=((8, 2_000),), batch=8, lambda_rec=100.0)
    training = GanTraining(SMALL, config, codes())
    real = RealImages(pictures(8))
    pairs = [training.run_step(real)["rec"] for _ in range(60)]
    assert sum(pairs[-10:]) < 0.6 * sum(pairs[:10])
    assert "rec" not in GanTraining(SMALL, config).run_step(real)


def test_known_w_come_first_and_are_not_mixed():
    training = GanTraining(SMALL, dataclasses.replace(CONFIG, mixing=1.0))
    known = codes()[:3]
    for parameter in (p for name, p in training.generator.named_parameters() if name.endswith("noise.weight")):
        torch.nn.init.zeros_(parameter)
    fakes = training.sample(5, torch.Generator().manual_seed(0), known)
    alone = training.generator.synthesis(training.generator.to_w_plus(known))
    assert len(fakes) == 5 and torch.allclose(fakes[:3], alone, atol=1e-5)


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


def test_the_generator_has_a_rate_a_phase_and_no_noise_at_the_top():
    config = dataclasses.replace(CONFIG, phases=((8, 8), (16, 8)), generator_rates=(0.2, 0.5), noise_up_to=8)
    training = GanTraining(SMALL, config)
    assert [config.generator_rate(size) for size in (8, 16, 32)] == [0.2, 0.5, 0.5]
    assert training.generator_optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * config.learning_rate)
    for _ in range(2):
        training.run_step(RealImages(torch.randint(0, 256, (12, 8, 8, 3), dtype=torch.uint8)))
    training.grow()
    assert training.generator_optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * config.learning_rate)
    for _ in range(2):
        training.run_step(RealImages(torch.randint(0, 256, (12, 16, 16, 3), dtype=torch.uint8)))
    strengths = [conv.noise.weight.item() for conv in training.generator.convs]
    assert strengths[0] != 0 and strengths[2:] == [0.0, 0.0]


def test_the_discriminator_warms_up_alone():
    training = GanTraining(SMALL, dataclasses.replace(CONFIG, d_warmup=8), codes())
    real, before = RealImages(pictures(8)), [p.clone() for p in training.generator.parameters()]
    score = training.discriminator.score.weight.clone()
    for _ in range(2):  # eight images, four a step
        training.run_step(real)
    assert all(torch.equal(p, old) for p, old in zip(training.generator.parameters(), before, strict=True))
    assert not torch.equal(training.discriminator.score.weight, score)
    encoder = [p.clone() for p in training.encoder.parameters()]
    training.run_step(real)
    moved = [not torch.equal(p, old) for p, old in zip(training.generator.parameters(), before, strict=True)]
    assert sum(moved) > len(moved) / 2
    assert all(torch.equal(p, old) for p, old in zip(training.encoder.parameters(), encoder, strict=True))
