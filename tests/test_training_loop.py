"""The one training loop: log, checkpoints, exact resume, clean stop by either signal, NaN, one run a folder."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from idnb.core.errors import InputError
from idnb.core.lock import locked
from idnb.training.logs import CsvLog, StopFlag
from idnb.training.loop import CHECKPOINT, Training, run_training

REPO = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}


class Line(Training):
    """A straight line through noise, by gradient descent."""

    title = "line"
    columns = ("loss", "seldom")
    shown = ("loss",)

    def __init__(self, steps=6, rate=0.1, at=None):
        torch.manual_seed(0)
        self.network = torch.nn.Linear(1, 1)
        self.optimiser = torch.optim.SGD(self.network.parameters(), rate, momentum=0.9)
        self.total, self.rate, self.at = steps, rate, at or {}
        self.drawn = []

    def run_step(self):
        self.at.get(self.step, lambda: None)()
        x = torch.randn(8, 1, generator=torch.Generator().manual_seed(self.step))
        loss = (self.network(x) - 2 * x).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step += 1
        return {"loss": loss.item(), **({"seldom": 1.0} if self.step == 3 else {})}

    def describe(self):
        return {"rate": self.rate}

    def parts(self):
        return {"weights": self.network, "optimiser": self.optimiser}

    def draw(self, out):
        self.drawn.append(self.step)


def rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_logs_saves_and_draws(tmp_path):
    line, said = Line(), []
    assert run_training(line, tmp_path / "new" / "run", save_minutes=0, report=said.append)
    found = rows(tmp_path / "new" / "run")
    assert [row["step"] for row in found] == list("012345") and all(float(row["loss"]) > 0 for row in found)
    assert [row["seldom"] for row in found] == ["", "", "1", "", "", ""]
    assert set(found[0]) == {"step", "seconds", "steps_per_second", "loss", "seldom"}
    assert line.drawn == [1, 2, 3, 4, 5, 6] and said == []
    assert run_training(again := Line(), tmp_path / "new" / "run", report=said.append)
    assert said == ["going on from 6 of 6 steps"] and again.step == 6 and again.drawn == []


def test_lines_of_the_log_are_means(tmp_path):
    line = Line(5)
    line.log_every = 2
    run_training(line, tmp_path)
    every = Line(5)
    run_training(every, tmp_path / "every")
    losses = [float(row["loss"]) for row in rows(tmp_path / "every")]
    found = rows(tmp_path)
    assert [row["step"] for row in found] == ["1", "3", "4"]
    means = [sum(losses[:2]) / 2, sum(losses[2:4]) / 2, losses[4]]
    assert [float(row["loss"]) for row in found] == pytest.approx(means, rel=1e-5)


@pytest.mark.parametrize("which", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_the_run_after_its_step_and_it_goes_on_exactly(which, tmp_path):
    run_training(whole := Line(), tmp_path / "whole")
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    said = []
    with pytest.raises(KeyboardInterrupt):
        run_training(Line(at={2: lambda: signal.raise_signal(which)}), tmp_path / "parts", report=said.append)
    assert said == ["stopped after 3 steps; the same command goes on from there"]
    assert handlers == [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    assert torch.load(tmp_path / "parts" / CHECKPOINT, weights_only=True)["step"] == 3
    run_training(part := Line(), tmp_path / "parts", report=said.append)
    assert said[1] == "going on from 3 of 6 steps"
    assert all(torch.equal(a, b) for a, b in zip(whole.network.parameters(), part.network.parameters(), strict=True))
    assert [row["step"] for row in rows(tmp_path / "parts")] == list("012345")
    assert [row["loss"] for row in rows(tmp_path / "parts")] == [row["loss"] for row in rows(tmp_path / "whole")]


def test_a_second_signal_stops_at_once():
    with pytest.raises(KeyboardInterrupt), StopFlag() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.raised
        signal.raise_signal(signal.SIGINT)


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    def fail():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        run_training(Line(at={4: fail}), tmp_path, save_minutes=0)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 4
    run_training(part := Line(), tmp_path, report=lambda _: None)
    run_training(whole := Line(), tmp_path / "whole")
    assert torch.equal(part.network.weight, whole.network.weight)


def test_time_ends_a_run_without_an_error(tmp_path):
    assert run_training(line := Line(), tmp_path, minutes=1e-9) is False
    assert line.step == 1 and torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 1


def test_a_figure_that_is_no_number_stops_the_run_and_saves_nothing(tmp_path):
    line = Line()

    def spoil():
        with torch.no_grad():
            line.network.bias.fill_(float("inf"))

    line.at = {0: spoil}
    with pytest.raises(InputError, match=r"loss is inf at step 0: lower --learning-rate; no .*point\.pt was saved yet"):
        run_training(line, tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()
    run_training(Line(2), tmp_path)
    before, line = (tmp_path / CHECKPOINT).read_bytes(), Line()
    line.at = {2: spoil}
    with pytest.raises(InputError, match=r"loss is inf at step 2.*checkpoint\.pt is whole, the same command goes on"):
        run_training(line, tmp_path, report=lambda _: None)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    run_training(Line(), tmp_path)
    with pytest.raises(
        InputError, match=r"checkpoint\.pt: belongs to another run \(rate 0\.1 for 0\.2\); choose another"
    ):
        run_training(Line(rate=0.2), tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"PK")
    with pytest.raises(InputError, match=r"checkpoint\.pt: .*damaged, or not a checkpoint of this command"):
        run_training(Line(), tmp_path)


def test_the_log_drops_what_came_after_the_checkpoint_and_lines_of_another_table(tmp_path):
    path = tmp_path / "log.csv"
    log = CsvLog(path, ("step", "loss"), 0)
    for step in range(4):
        log.add(step=step, loss=step / 2)
    CsvLog(path, ("step", "loss"), 2).add(step=2, loss=9)
    assert path.read_text().split() == ["step,loss", "0,0.0", "1,0.5", "2,9"]
    CsvLog(path, ("step", "rate", "loss"), 2)
    assert path.read_text().split() == ["step,rate,loss"]


def test_one_run_a_folder_by_name(tmp_path):
    def second():
        with pytest.raises(
            InputError, match=rf"parts: process {os.getpid()} on .* is training into this folder; .*--out"
        ):
            run_training(Line(), tmp_path / "parts")
        run_training(Line(1), tmp_path / "other")

    run_training(Line(at={3: second}), tmp_path / "parts")
    run_training(Line(), tmp_path / "parts", report=lambda _: None)  # it is free again


def test_a_process_holds_its_folder_until_it_is_dead(tmp_path):
    code = (
        "import sys, time\nfrom idnb.core.lock import locked\nwith locked(sys.argv[1]):\n print('held', flush=True)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code + " time.sleep(600)", str(tmp_path)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {holder.pid} on "), locked(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert f"process {holder.pid} on " in (tmp_path / ".lock").read_text()
    with locked(tmp_path):  # what a dead process left is no hindrance
        pass


def test_sigterm_ends_a_command_like_ctrl_c(tmp_path):
    code = (
        "import sys, time\nfrom idnb.__main__ import main\nimport idnb.cli.doctor as doctor\n"
        "from tests.test_training_loop import Line\nfrom idnb.training.loop import run_training\n"
        "slow = {n: (lambda: (print('step', flush=True), time.sleep(0.5))) for n in range(99)}\n"
        "doctor.run = lambda args: run_training(Line(99, at=slow), sys.argv[1])\nsys.exit(main(['doctor']))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline() == "step\n"
    time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    out, errors = run.communicate(timeout=300)
    assert run.returncode == 130 and errors.rstrip().endswith("idnb: interrupted")
    assert "stopped after 1 step; the same command goes on from there" in out
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 1
