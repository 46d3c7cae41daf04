"""The one training loop: every network of the package is trained by it.

What a step does, a `Training` says; here are time, log, checkpoints, resuming, pictures, a clean stop, and the lock on
the folder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from idnb.core.checkpoints import counter, load_part, part_state, read_run, save_run, taking_up, to_go_on
from idnb.core.errors import InputError
from idnb.core.lock import locked
from idnb.training.logs import CsvLog, StopFlag

__all__ = ["CHECKPOINT", "Training", "check_metrics", "run_training", "save_checkpoint", "take_up"]

CHECKPOINT = "checkpoint.pt"


class Training:
    """A network's training, as the loop sees it: a base class for every one of them.

    Everything random in a step comes from its seed and its number, or from a generator that is part of the state: a run
    that was interrupted goes on bit by bit as if it had not been.

    title: beside the progress bar. total: how long the run is, in units. unit: what `total` and `done` count, "step" or
    "image". columns: the metrics that `run_step` may return. shown: those beside the bar. log_every: steps whose mean
    is a line of the log. remedy: what helps when a loss is no number. leads: whether this process writes files.
    step: how many are done.
    """

    title: str
    total: int
    unit: str = "step"
    columns: tuple[str, ...]
    shown: tuple[str, ...]
    log_every: int = 1
    remedy: str = "lower --learning-rate"
    leads: bool = True
    step: int = 0

    @property
    def done(self) -> int:
        """How much of it is done, in units."""
        return self.step

    def run_step(self) -> dict[str, float]:
        """Do one step and count it. Returns its metrics by name."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What a checkpoint must share with a run that takes it up."""
        raise NotImplementedError

    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds beside the step: networks, optimisers, schedules, sources of random numbers."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on bit by bit; tensors and plain values."""
        return {**{name: part_state(part) for name, part in self.parts().items()}, "step": self.step}

    def load(self, state: dict[str, Any]) -> str:
        """Take up a state. Returns what a person should know of it, or nothing."""
        for name, part in self.parts().items():
            load_part(part, state[name], name)
        self.step = counter(state, "step")
        return ""

    def draw(self, out: Path) -> None:
        """Draw into a folder how far the network has come; called with every checkpoint."""

    def agree(self, wish: bool) -> bool:
        """Whether any process of the run has a wish."""
        return wish


def run_training(
    training: Training,
    out: str | Path,
    minutes: float | None = None,
    save_minutes: float = 5.0,
    report: Callable[[str], None] = print,
) -> bool:
    """Train, or go on where `out` stopped, to the end of the run.

    training: fresh; a checkpoint in `out` is loaded into it. out: folder for checkpoint.pt, log.csv and pictures; one
    run at a time may use it. minutes: stop after so much time, without an error. save_minutes: time between
    checkpoints.
    Returns whether the run is at its end.
    Raises InputError for a folder in use, on a foreign checkpoint and when a loss is no longer a number;
    KeyboardInterrupt after Ctrl-C or SIGTERM, once the checkpoint is written.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out) if training.leads else nullcontext(), StopFlag() as stop:
        take_up(training, out, report)
        log = _Log(training, out) if training.leads else None
        began = saved = time.perf_counter()
        saved_step, stopping = training.step, False
        with tqdm(
            total=training.total,
            initial=min(training.done, training.total),
            desc=training.title,
            unit=training.unit,
            mininterval=2.0,
            disable=not training.leads,
        ) as bar:
            while training.done < training.total and not stopping:
                metrics = training.run_step()
                check_metrics(training, metrics, out)
                over = minutes is not None and time.perf_counter() - began > 60 * minutes
                stopping = training.agree(stop.raised or over)
                bar.update(min(training.done, training.total) - bar.n)
                if log:
                    means = log.note(metrics, last=stopping or training.done >= training.total)
                    bar.set_postfix({name: f"{means[name]:.4g}" for name in training.shown if name in means})
                if time.perf_counter() - saved > 60 * save_minutes and not stopping:
                    save_checkpoint(training, out)
                    saved, saved_step = time.perf_counter(), training.step
        if training.step > saved_step or not (out / CHECKPOINT).exists():
            save_checkpoint(training, out)
        if stop.raised:
            report(f"stopped after {_amount(training, training.done)}; the same command goes on from there")
            raise KeyboardInterrupt
    return training.done >= training.total


def save_checkpoint(training: Training, out: str | Path) -> None:
    """Write the checkpoint whole or not at all, and the pictures; only the process that leads does it."""
    if training.leads:
        save_run({**training.state(), "description": training.describe()}, Path(out) / CHECKPOINT)
        training.draw(Path(out))


def take_up(training: Training, out: str | Path, report: Callable[[str], None] = print) -> None:
    """Load the checkpoint of a folder, if there is one. Raises InputError when it belongs to another run."""
    path = Path(out) / CHECKPOINT
    if not path.is_file():
        return
    state = read_run(path)
    with taking_up(path):
        found, wanted = state["description"], training.describe()
        if found != wanted:
            raise InputError(f"{path}: belongs to another run ({_difference(found, wanted)}); choose another --out")
        note = training.load(state)
    if training.leads:
        report(f"going on from {training.done:,} of {_amount(training, training.total)}{note and f'; {note}'}")


def check_metrics(training: Training, metrics: dict[str, float], out: Path | None = None) -> None:
    """Raise InputError for a figure of the latest step that is no number; its network is lost.

    metrics: of `run_step`. out: folder of the run, to say what is kept there.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            told = f"{name} is {value} at step {training.step - 1}"
            if training.unit != "step":
                told += f", after {_amount(training, training.done)}"
            told += f": {training.remedy}"
            if out is not None and "--out" not in training.remedy:
                told += f"; {to_go_on(out / CHECKPOINT)}"
            raise InputError(told)


class _Log:
    """The log of a run: a line is the mean of some steps."""

    def __init__(self, training: Training, out: Path) -> None:
        counted = () if training.unit == "step" else (f"{training.unit}s",)
        self.speed = f"{training.unit}s_per_second"
        columns = ("step", *counted, "seconds", self.speed, *training.columns)
        self.training, self.file = training, CsvLog(out / "log.csv", columns, training.step)
        self.began, self.before = time.perf_counter(), training.done
        self.values: dict[str, list[float]] = {}
        self.means: dict[str, float] = {}

    def note(self, metrics: dict[str, float], last: bool) -> dict[str, float]:
        """Take the metrics of one step, and write a line where it is time. Returns the means written latest."""
        training = self.training
        for name, value in metrics.items():
            self.values.setdefault(name, []).append(value)
        if training.step % training.log_every == 0 or last:
            means = {name: sum(values) / len(values) for name, values in self.values.items()}
            told = {name: f"{value:.6g}" for name, value in means.items()}
            seconds = time.perf_counter() - self.began
            counted = {} if training.unit == "step" else {f"{training.unit}s": training.done}
            speed = {self.speed: round((training.done - self.before) / seconds, 2)}
            self.file.add(step=training.step - 1, seconds=round(seconds, 1), **counted, **speed, **told)
            self.means |= means
            self.values.clear()
        return self.means


def _amount(training: Training, count: int) -> str:
    return f"{count:,} {training.unit}{'' if count == 1 else 's'}"


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    """What two descriptions differ in, in words."""

    def flat(part: Any) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, value in part.items() if isinstance(part, dict) else ():
            plain |= flat(value) if isinstance(value, dict) else {key: value}
        return plain

    here, there = flat(wanted), flat(found)
    return ", ".join(f"{key} {there.get(key)!r} for {here[key]!r}" for key in here if here[key] != there.get(key))
