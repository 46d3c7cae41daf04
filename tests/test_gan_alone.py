"""The training by a discriminator alone: it moves towards the pictures, resumes exactly, and wants its full size."""

import pytest
import torch

from idnb.__main__ import main
from idnb.core.errors import InputError
from idnb.pretraining.gan.alone import AdversarialTraining
from idnb.pretraining.gan.growing import GanConfig
from idnb.pretraining.gan.loop import train_gan
from tests.gan_run import SMALL, pictures

CODES = torch.zeros(20, 5)


def alone(images, **options):
    return AdversarialTraining(SMALL, GanConfig(phases=((32, images),), batch=8, **options), CODES)


def test_samples_take_the_colours_of_the_pictures(tmp_path):
    """Discs on black ground: mean and spread of the samples' pixels come nearer to those of the pictures."""
    training = alone(1200, learning_rate=2e-3)
    real = pictures().float() / 127.5 - 1

    def distance():
        z = torch.randn(16, SMALL.style_dim, generator=torch.Generator().manual_seed(0))
        samples = training.ema(z)
        return abs(float(samples.mean() - real.mean())) + abs(float(samples.std() - real.std()))

    before = distance()
    train_gan(training, pictures, tmp_path, report=lambda _: None)
    assert training.images == 1200 and distance() < 2 / 3 * before
    assert (tmp_path / "log.csv").read_text().splitlines()[0].endswith("adversarial,told_apart")


def test_an_interrupted_run_goes_on_bit_by_bit(tmp_path):
    whole, halves = alone(32), alone(32)
    train_gan(whole, pictures, tmp_path / "whole", report=lambda _: None)
    train_gan(alone(16), pictures, tmp_path / "halves", report=lambda _: None)
    train_gan(halves, pictures, tmp_path / "halves", report=lambda _: None)
    for name in ("generator", "ema", "discriminator"):
        states = (getattr(training, name).state_dict() for training in (whole, halves))
        for one, other in zip(*(state.values() for state in states), strict=True):
            assert torch.equal(one, other)


def test_other_sizes_and_options_are_refused(capsys):
    with pytest.raises(InputError, match="one phase of that size"):
        AdversarialTraining(SMALL, GanConfig(phases=((16, 8), (32, 8))), CODES)
    assert main(["train", "generator", "--alone"]) == 2 and "give --phases 128:IMAGES" in capsys.readouterr().err
    words = ["train", "generator", "--alone", "--phases", "128:8", "--adversarial", "8"]
    assert main(words) == 2 and "--alone: leave --adversarial" in capsys.readouterr().err


def test_the_command_writes_a_generator(tmp_path, capsys):
    out = tmp_path / "alone"
    words = ["train", "generator", "--alone", "--phases", "128:2", "--batch", "2", "--people", "2", "--out", str(out)]
    assert main(words) == 0 and "2 of 2 images shown" in capsys.readouterr().out
    assert (out / "generator.safetensors").is_file() and (out / "samples.png").is_file()
