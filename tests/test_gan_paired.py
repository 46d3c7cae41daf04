"""The paired training: three ways into one generator, weights by parts, the energy score, exact resume."""

import argparse
import dataclasses
import math

import numpy as np
import pytest
import torch

import idnb
from idnb.cli import train_paired
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.faces.real_images import RealImages, read_labels, read_strips
from idnb.models.picture_encoder import PictureEncoder
from idnb.pretraining.gan.growing import GanConfig
from idnb.pretraining.gan.loop import train_gan
from idnb.pretraining.gan.paired import PairedTraining, energy_score, part_weights

SMALL = dataclasses.replace(TINY, image_size=32, style_dim=24, mapping_depth=2, generator_channels=(16, 16, 12, 8))
CONFIG = GanConfig(phases=((8, 16), (16, 16), (32, 16)), batch=8, learning_rate=3e-3, noise_up_to=32)


def pictures(size=32):
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    discs = [(x - cx) ** 2 + (y - cy) ** 2 < 0.1 for cx, cy in random.uniform(0.3, 0.7, (20, 2))]
    return torch.from_numpy(np.stack(discs)[..., None].repeat(3, axis=3).astype(np.uint8) * 200)


def fresh(config=CONFIG, **options):
    labels = (pictures()[..., 0] > 0).byte()  # discs are skin, the rest background
    codes = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    return PairedTraining(SMALL, config, codes, labels, **options)


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
    assert energy_score(one, other, w).item() == pytest.approx(expected, abs=1e-3)
    random = torch.Generator().manual_seed(0)
    target, draws = torch.randn(4000, 3, generator=random), torch.randn(2, 4000, 3, generator=random)
    right, narrow = energy_score(*draws, target), energy_score(*(0.3 * draws), target)
    assert right < narrow and right < energy_score(*(2 * draws), target)


def test_small_parts_count_most():
    weights = part_weights(torch.tensor([[0, 1, 4, 3]]))
    assert weights.tolist() == [[pytest.approx(0.4), 1.0, 10.0, 6.0]]


def test_the_encoder_begins_with_no_change_of_rows_or_input():
    encoder = PictureEncoder(8, 24, 16, (8, 8, 8))
    w, rows, latent = encoder(torch.rand(2, 3, 16, 16))
    assert w.shape == (2, 24) and rows.shape == (2, 8, 24) and latent.shape == (2, 16, 4, 4)
    assert not rows.any() and not latent.any() and w.any()


def test_the_command_trains_stops_and_goes_on(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    train_paired.add_arguments(parser)
    words = ["--people", "3", "--phases", "16:8", "--batch", "8", "--out", str(tmp_path), "--threads", "1"]
    assert train_paired.run(parser.parse_args(words)) == 0
    assert "12 pictures" in capsys.readouterr().out
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["images"] == 8 and state["size"] == 16 and "encoder_average" in state
    assert train_paired.run(parser.parse_args(words)) == 0
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
