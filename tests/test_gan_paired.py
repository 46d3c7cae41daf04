"""The paired training: three ways into one generator, weights by parts, the energy score, exact resume."""

import argparse
import dataclasses
import math

import pytest
import torch

import idnb
from idnb.cli import train_generator
from idnb.core.errors import InputError
from idnb.core.tensor_files import read_tensors
from idnb.faces.real_images import RealImages, read_labels, read_strips
from idnb.models.discriminator import Discriminator
from idnb.models.picture_encoder import PictureEncoder
from idnb.pretraining.gan.loop import train_gan
from idnb.pretraining.gan.mapping import energy_score, half_whitening, unit_spread
from idnb.pretraining.gan.paired import PairedTraining, part_weights
from idnb.pretraining.gan.relativistic import gradient_penalty, run_relativistic_step
from tests.gan_run import CONFIG, SMALL, fresh, pictures


def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path):
    shown = torch.zeros(8, 3, 32, 32)
    whole = fresh(shown=shown)
    train_gan(whole, pictures, tmp_path / "whole")
    stopped = fresh()
    stopped.grow()
    stopped.run_step(RealImages(pictures()))
    torch.save(stopped.state(), tmp_path / "state.pt")
    again = fresh()
    again.load(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.size == 16 and again.images == 8
    for training in (stopped, again):
        training.grow()
        training.run_step(RealImages(pictures()))
    for name in again.stateful[:4]:
        for ours, theirs in zip(
            getattr(again, name).state_dict().values(), getattr(stopped, name).state_dict().values(), strict=True
        ):
            assert torch.equal(ours, theirs), name
    assert whole.size == 32 and whole.images == 48
    assert whole.reconstruct(shown).shape == (8, 3, 32, 32)
    assert {path.name.split("_")[0] for path in (tmp_path / "whole").glob("*.png")} == {"samples", "again"}


def test_each_third_goes_its_own_way(monkeypatch):
    """What is drawn: one row repeated in the first way, changed rows in the others, a changed input in the last."""
    training = fresh(dataclasses.replace(CONFIG, phases=((32, 16),)))
    with torch.no_grad():
        training.encoder.to_rows.weight.normal_()
        training.encoder.to_latent.weight.normal_()
    given = {}

    def watch(w_plus, input_latent, noise):
        given.update(w_plus=w_plus, input_latent=input_latent)
        return type(training.generator).synthesis(training.generator, w_plus, input_latent, noise)

    training.synthesis = watch
    before = {name: p.clone() for name, p in training.encoder.named_parameters()}
    training.run_step(RealImages(pictures()))
    same_rows = (given["w_plus"] == given["w_plus"][:, :1]).all(dim=2).all(dim=1)
    assert same_rows.tolist() == [True] * 3 + [False] * 5
    constant = training.generator.input.input.detach()
    moved = (given["input_latent"].detach() - constant).abs().flatten(1).amax(dim=1) > 0.1
    assert moved.tolist() == [False] * 6 + [True] * 2
    assert given["w_plus"].grad_fn is not None
    for name, parameter in training.encoder.named_parameters():
        assert not torch.equal(parameter, before[name]), f"{name} has learnt nothing"


def test_what_is_known_is_never_mirrored():
    training = fresh(dataclasses.replace(CONFIG, batch=16))
    real = RealImages(pictures())
    mirrored = 0
    for seed in range(6):
        shown, weights, plain, known = training.draw_batch(real, torch.Generator().manual_seed(seed))
        assert {0, 1} <= set(plain.tolist()) and len(known) == len(plain)
        mirrored += 16 - len(plain)
        for row, codes in zip(plain.tolist(), known, strict=True):
            number = int((training.codes == codes).all(dim=1).nonzero())
            assert torch.equal(shown[row], real.at(torch.tensor([number]))[0])
        assert torch.equal(weights[:, 0], part_weights((shown[:, 0] > 0).byte()))
    assert 28 < mirrored < 56  # half of 84


def test_the_energy_score_by_hand():
    w = torch.tensor([[0.0, 0.0], [2.0, 0.0]])  # variances 2 and 0: the unit is the root of 2
    one, other = torch.tensor([[3.0, 4.0], [2.0, 0.0]]), torch.tensor([[0.0, 0.0], [2.0, 1.0]])
    # |one - w| = 5, 0; |other - w| = 0, 1; |one - other| = 5, 1
    expected = ((2.5 + 0.5) / 2 - 3.0 / 2) / math.sqrt(2)
    assert energy_score(one, other, w, unit_spread(w)).item() == pytest.approx(expected, abs=1e-3)
    random = torch.Generator().manual_seed(0)
    target, draws = torch.randn(4000, 3, generator=random), torch.randn(2, 4000, 3, generator=random)
    right, narrow, wide = (energy_score(*(k * draws), target, unit_spread(target)) for k in (1, 0.3, 2))
    assert right < narrow and right < wide


def test_the_last_part_with_a_discriminator_goes_on_bit_by_bit(tmp_path):
    config = dataclasses.replace(CONFIG, phases=((32, 40),), adversarial=32)
    real, whole = RealImages(pictures()), fresh(config)
    metrics = [whole.run_step(real)]
    torch.save(whole.state(), tmp_path / "state.pt")
    metrics += [whole.run_step(real), whole.run_step(real)]
    assert "adversarial" not in metrics[0] and 0 <= metrics[1]["told_apart"] <= 1 and metrics[1]["adversarial"] > 0
    again = fresh(config)
    again.load(torch.load(tmp_path / "state.pt", weights_only=True))
    assert [again.run_step(real), again.run_step(real)] == metrics[1:]
    for name in again.stateful[:4]:
        ours, theirs = (getattr(run, name).state_dict() for run in (again, whole))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name


def test_the_discriminator_changes_what_the_generator_learns():
    real = RealImages(pictures())
    plain, against = (fresh(dataclasses.replace(CONFIG, phases=((32, 8),), adversarial=n)) for n in (0, 8))
    plain.run_step(real), against.run_step(real)
    ours, theirs = (dict(run.generator.named_parameters()) for run in (plain, against))
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_discriminator_learns_to_tell_real_pictures_from_drawn_ones():
    torch.manual_seed(0)
    network, random = Discriminator(8, (8, 8)), torch.Generator().manual_seed(0)
    optimizer, shares = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.0, 0.99)), []
    for _ in range(30):
        real, drawn = torch.rand(2, 8, 3, 8, 8, generator=random) * 0.5
        drawn -= 0.4
        _, metrics = run_relativistic_step(network, optimizer, real, drawn)
        shares.append(metrics["told_apart"])
    assert sum(shares[-10:]) / 10 > 0.9

    def loss(pictures):
        return torch.nn.functional.softplus(network(real) - network(pictures)).mean().item()

    before = {key: value.clone() for key, value in network.state_dict().items()}
    push, _ = run_relativistic_step(network, optimizer, real, drawn, penalise=False)
    assert any(not torch.equal(value, before[key]) for key, value in network.state_dict().items())
    network.load_state_dict(before)  # the push is from before the step, and leads downhill
    assert push.shape == drawn.shape and loss(drawn - 0.1 * push / push.norm()) < loss(drawn)


def test_the_penalty_is_the_squared_length_of_the_gradient():
    def network(x):
        return 3 * x.sum(dim=(1, 2, 3))

    assert float(gradient_penalty(network, torch.zeros(2, 3, 4, 4))) == pytest.approx(9 * 48)


def test_half_whitening_brings_directions_nearer_to_each_other():
    w = torch.randn(4000, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([8.0, 2.0, 0.5])
    std = (w @ half_whitening(w)).std(dim=0)
    assert (std[0] / std[1]).item() == pytest.approx(2, abs=0.1) and (std[1] / std[2]).item() == pytest.approx(
        2, abs=0.1
    )
    assert std.square().mean().item() == pytest.approx(1, abs=0.05)


def test_small_parts_count_most():
    weights = part_weights(torch.tensor([[0, 1, 4, 3]]))
    assert weights.tolist() == [[pytest.approx(0.4), 1.0, 10.0, 6.0]]


def test_the_encoder_begins_with_no_change_of_rows_or_input():
    encoder = PictureEncoder(8, 24, 16, (8, 8, 8))
    w, rows, latent = encoder(torch.rand(2, 3, 16, 16))
    assert w.shape == (2, 24) and rows.shape == (2, 8, 24) and latent.shape == (2, 16, 4, 4)
    assert not rows.any() and not latent.any() and w.any()


def test_a_discriminator_needs_a_last_phase_of_full_size(tmp_path):
    parser = argparse.ArgumentParser()
    train_generator.add_arguments(parser)
    for phases in ("64:100", "64:100,128:8"):
        words = ["--phases", phases, "--adversarial", "16", "--out", str(tmp_path)]
        with pytest.raises(InputError, match="--adversarial 16: the discriminator looks at 128 px; the last phase"):
            train_generator.run(parser.parse_args(words))


def test_phases_beyond_the_preset_are_refused_before_anything_is_trained(tmp_path):
    parser = argparse.ArgumentParser()
    train_generator.add_arguments(parser)
    out = tmp_path / "run"
    with pytest.raises(InputError, match="--phases: 256 px; faces of preset tiny have 128"):
        train_generator.run(parser.parse_args(["--phases", "128:16,256:16", "--out", str(out)]))
    assert not out.exists()


def test_the_command_trains_stops_and_goes_on(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    train_generator.add_arguments(parser)
    words = ["--people", "3", "--phases", "16:8", "--batch", "8", "--out", str(tmp_path), "--threads", "1"]
    words += ["--mapping-steps", "3"]
    assert train_generator.run(parser.parse_args(words)) == 0
    assert "12 pictures" in capsys.readouterr().out
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["images"] == 8 and state["size"] == 16 and "encoder_ema" in state
    written = read_tensors(tmp_path / "generator.safetensors")
    learnt = torch.load(tmp_path / "mapping" / "checkpoint.pt", weights_only=True)
    assert learnt["step"] == 3 and (tmp_path / "samples.png").is_file()
    assert all(torch.equal(written[f"style.{key}"], value) for key, value in learnt["weights"].items())
    assert train_generator.run(parser.parse_args(words)) == 0
    assert "going on from 8 of 8 images" in capsys.readouterr().out


def test_label_maps_come_in_the_order_of_the_pictures(tmp_path):
    people = idnb.load_faces("starter")
    labels = read_labels(people.folder, 2, progress=False)
    assert torch.equal(labels, people.label_maps(range(8)).byte())
    assert len(read_strips(people.folder, 128, 2, progress=False)) == len(labels)
    (tmp_path / "labels").mkdir()
    from PIL import Image

    Image.new("L", (30, 20)).save(tmp_path / "labels" / "00000.png")
    with pytest.raises(InputError, match=r"00000\.png: is no strip of square label maps"):
        read_labels(tmp_path, progress=False)
    with pytest.raises(InputError, match="19 label maps, but 20 codes"):
        PairedTraining(SMALL, CONFIG, torch.zeros(20, 5), torch.zeros(19, 32, 32))
