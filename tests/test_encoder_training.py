"""Training an encoder: what a step's gradients are, bit-equal resuming after a kill, NaN, Ctrl-C, two processes."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.models.contour_encoder import ContourEncoder, Latents
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.encoder_files import load_encoder
from idnb.models.stylegan2 import Generator
from idnb.training.config import EncoderConfig, Phase
from idnb.training.loop import save_checkpoint, take_up
from idnb.training.pair_data import PairBatch
from idnb.training.parallel import average_gradients
from idnb.training.run import EncoderRun, train_encoder
from idnb.training.step import TERMS, picture_of, run_step
from tests.encoder_run import config, parts, random_pairs

SCRIPT = Path(__file__).with_name("encoder_run.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[1])}


@pytest.fixture
def accelerator():
    from accelerate import Accelerator

    return Accelerator(cpu=True)


def awake(encoder):
    torch.manual_seed(5)
    torch.nn.init.normal_(encoder.style_head.weight, std=0.02)
    return encoder


def test_gradients_equal_those_of_the_plain_sum(accelerator):
    """Gathering identity gradients over the steps changes nothing but the time."""
    encoder, generator, data, loss = parts()
    awake(encoder).eval()
    generator.eval().requires_grad_(False)
    batch, phase = data.draw(2, torch.Generator().manual_seed(0)), Phase(2, 10, 8)
    rows = run_step(encoder, generator, loss, batch, phase, torch.Generator(), accelerator)
    assert len(rows) == 2 and set(rows[0]) == set(TERMS)
    gathered = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    targets, total = loss.targets(batch.photo, batch.x_id), 0.0
    code, y_hat = encoder.start(generator, 2)
    for _ in range(2):
        code = encoder(batch.contour_input, batch.x_id, y_hat, code.detach())
        picture = picture_of(generator, code, 64, 8)
        total = total + loss(picture, targets, code.w_plus, generator.w_avg)["total"] / 2
        y_hat = picture.detach()
    total.backward()
    assert any(name.startswith("identity_encoder") for name in gathered)
    for name, parameter in encoder.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gathered[name], parameter.grad, atol=1e-6, rtol=1e-3, msg=name)
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_a_run_learns_logs_and_can_be_loaded(tmp_path, accelerator):
    encoder, generator, data, loss = parts("sketch", input_latent=False)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    drawn = []

    def panel(current):
        drawn.append(current)
        return torch.zeros(3, 4, 4)

    kept = train_encoder(encoder, generator, data, loss, config(8), tmp_path, accelerator, panel=panel)
    assert not kept.training and drawn and (tmp_path / "panel_000000k.png").is_file()
    changed = [name for name, value in kept.state_dict().items() if not torch.equal(value, before[name])]
    assert "style_head.weight" in changed
    with (tmp_path / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["images"] == "8" and float(row["total"]) > 0 and float(row["images_per_second"]) > 0
    loaded = load_encoder("tiny", "sketch", tmp_path / "checkpoint.pt")
    assert loaded.options["input_latent"] is False
    for name, value in kept.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    with pytest.raises(InputError, match="holds IdentityGuidedEncoder for sketch contours"):
        load_encoder("tiny", "low_res", tmp_path / "checkpoint.pt")


def test_any_contour_encoder_can_be_trained(tmp_path, accelerator):
    class Constant(ContourEncoder):
        """Ignores everything and learns one code."""

        def __init__(self):
            super().__init__("low_res", TINY)
            self.change = torch.nn.Parameter(torch.zeros(TINY.n_styles, TINY.style_dim))

        def refine(self, contour_input, identity, y_hat, latents):
            return Latents(latents.w_plus + self.change, None)

    _, generator, data, loss = parts()
    kept = train_encoder(Constant(), generator, data, loss, config(8), tmp_path, accelerator)
    assert kept.change.abs().max() > 0


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_by_bit(tmp_path):
    def run(out: str, images: int, *more: str) -> subprocess.Popen:
        command = [sys.executable, str(SCRIPT), str(tmp_path / out), str(images), *more]
        return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    assert run("whole", 12).wait(600) == 0
    broken = run("broken", 12, "1.0")
    checkpoint = tmp_path / "broken" / "checkpoint.pt"
    deadline = time.monotonic() + 300
    while not checkpoint.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    done = torch.load(checkpoint, weights_only=True)["images"]
    assert 0 < done < 12
    assert run("broken", 12).wait(600) == 0
    a, b = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "broken"))
    assert a["images"] == b["images"] == 12
    for part in ("weights", "trained"):
        for name, value in a[part].items():
            assert torch.equal(value, b[part][name]), f"{part} {name}"
    moments = [[s["exp_avg_sq"] for s in state["optimizer"]["state"].values()] for state in (a, b)]
    assert all(torch.equal(x, y) for x, y in zip(*moments, strict=True))


@pytest.mark.slow
def test_two_processes_train_one_encoder(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(SCRIPT), str(tmp_path), "12", "0"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (torch.load(tmp_path / f"weights_{i}.pt", weights_only=True) for i in (0, 1))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (state["images"], state["step"]) == (12, 3)  # two images a process and step
    assert first["style_head.weight"].abs().max() > 0


def test_gradients_are_averaged_over_processes():
    class Two:
        num_processes = 2

        def reduce(self, tensor: torch.Tensor, how: str) -> torch.Tensor:
            assert how == "mean"
            return (tensor + 2) / 2  # the other process has a gradient of 2 everywhere

    one, none = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    one.grad = torch.tensor([4.0, 0.0])
    average_gradients([one, none], Two())
    assert one.grad.tolist() == [3.0, 1.0] and none.grad.tolist() == [1.0, 1.0]


def test_ctrl_c_leaves_a_checkpoint(tmp_path, accelerator):
    encoder, generator, data, loss = parts()
    draw, said = data.draw, []

    def interrupted(*args):
        data.draw = draw
        signal.raise_signal(signal.SIGINT)
        return draw(*args)

    data.draw = interrupted
    with pytest.raises(KeyboardInterrupt):
        train_encoder(encoder, generator, data, loss, config(12), tmp_path, accelerator, report=said.append)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["images"] == 2
    assert "the same command goes on from there" in said[-1]


def test_time_is_kept_without_an_error(tmp_path, accelerator):
    encoder, generator, data, loss = parts()
    train_encoder(encoder, generator, data, loss, config(100), tmp_path, accelerator, minutes=1e-6)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["images"] < 10


def test_nan_stops_with_a_report(tmp_path, accelerator):
    encoder, generator, data, loss = parts()
    with torch.no_grad():
        encoder.head.weight.fill_(float("nan"))
    with pytest.raises(InputError, match=r"total is nan at step 0.*lower --learning-rate.*checkpoint.pt"):
        train_encoder(encoder, generator, data, loss, config(8), tmp_path, accelerator)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_foreign_checkpoints_and_data_are_named(tmp_path, accelerator):
    encoder, generator, data, loss = parts()
    with pytest.raises(InputError, match="data: sketch contours of preset 'tiny'; the encoder reads low_res"):
        EncoderRun(encoder, generator, random_pairs("sketch"), loss, config(8), accelerator)
    save_checkpoint(EncoderRun(encoder, generator, data, loss, config(8), accelerator), tmp_path)
    other = IdentityGuidedEncoder("low_res", TINY, "vector")
    with pytest.raises(InputError, match=r"belongs to another run .*modulation 'tensor' for 'vector'"):
        take_up(EncoderRun(other, generator, data, loss, config(8), accelerator), tmp_path)
    said = []
    take_up(EncoderRun(encoder, generator, data, loss, replace(config(8), batch=4), accelerator), tmp_path, said.append)
    assert said == ["going on from 0 of 8 images; changed since: batch"]
    (tmp_path / "checkpoint.pt").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="damaged, or not a checkpoint"):
        take_up(EncoderRun(encoder, generator, data, loss, config(8), accelerator), tmp_path)


def test_phases_and_rates():
    one = EncoderConfig((Phase(1, 100, 64), Phase(3, 100)), batch=10, learning_rate=1.0, warmup=40, decay=0.5)
    assert one.images == 200
    assert [one.phase_at(n).steps for n in (0, 99, 100, 199, 500)] == [1, 1, 3, 3, 3]
    assert [round(one.rate_at(n), 3) for n in (0, 20, 40, 100, 150, 200)] == [0.25, 0.75, 1.0, 1.0, 0.5, 0.0]
    paper = EncoderConfig()
    assert (paper.batch, paper.rate_at(0), paper.rate_at(400_000)) == (8, 1e-4, 1e-4)


def test_generating_up_to_a_size_only():
    torch.manual_seed(0)
    generator = Generator.from_preset(TINY).requires_grad_(False)
    code = Latents(torch.randn(1, 12, 256), None)
    *_, whole = generator.stages(code.w_plus)
    small = next(stage for stage in generator.stages(code.w_plus) if stage.resolution == 64)
    assert torch.equal(picture_of(generator, code, 64, 64), small.rgb)
    torch.testing.assert_close(
        picture_of(generator, code, 64), torch.nn.functional.avg_pool2d(whole.rgb, 2), atol=1e-5, rtol=1e-5
    )


def test_batches_move_as_a_whole():
    batch = random_pairs("label_map").draw(3, torch.Generator().manual_seed(0))
    assert isinstance(batch, PairBatch)
    assert [tuple(part.shape) for part in batch] == [(3, 19, 64, 64), (3, 3, 64, 64), (3, 3, 64, 64)]
