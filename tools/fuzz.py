"""`python -m tools.fuzz --cases 5000 --seed 1`: broken files for every reader; each a right answer or an InputError.

A case is a copy of a small folder of valid files in which one or two are spoilt. A case depends on the seed and its
number alone, so `--only NUMBER` repeats it. Readers run in processes of their own: one that works longer than 20
seconds is ended (or waits longer than that takes on a busy machine), one that dies is counted, and the peak of its
memory is read after every case.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import multiprocessing
import os
import random
import shutil
import tempfile
import time
import traceback
import warnings
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from idnb.core.errors import InputError
from tools.fuzz_mutations import spoil
from tools.fuzz_targets import TARGETS

__all__ = ["Outcome", "fuzz", "main"]

SECONDS, BUSY, MEMORY = 20.0, 15.0, 1 << 30  # half of the memory is for Python, torch and the networks
GOOD = ("answer", "InputError", "OSError")
"""An OSError that has a file's name becomes one line in `idnb.__main__`, as an InputError does."""


class Outcome(NamedTuple):
    """What became of a case. kind: one of `GOOD`, or "traceback", "wrong", "memory", "time", "death"."""

    case: int
    target: str
    mutation: str
    kind: str
    detail: str


def prepare(root: Path, names: list[str]) -> None:
    """Make the valid files of all targets, and see that each can be read."""
    for name in names:
        folder = root / name
        folder.mkdir()
        TARGETS[name].make(folder)
        if fault := TARGETS[name].read(folder):
            raise AssertionError(f"{name}: valid files give {fault}")


def run_case(root: Path, names: list[str], seed: int, case: int, work: Path) -> tuple[str, str, str, str]:
    """Spoil and read; returns target, mutation, kind and detail."""
    rng = random.Random(f"{seed} {case}")
    name = rng.choices(names, [TARGETS[name].weight for name in names])[0]
    folder = work / "case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / name, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    valid = sorted(path for path in root.rglob("*.*") if path.is_file())
    others = [path.read_bytes()[:200_000] for path in rng.choices(valid, k=3)]
    ways = []
    for path in rng.sample(files, min(len(files), rng.choice((1, 1, 1, 2)))):
        way, content = spoil(path.read_bytes(), others, rng)
        path.write_bytes(content)
        ways.append(f"{path.relative_to(folder)} {way}")
    told = ", ".join(ways)
    try:
        fault = TARGETS[name].read(folder)
    except InputError as error:
        return name, told, "InputError", str(error)
    except OSError as error:
        if error.errno is not None and error.filename is not None:
            return name, told, "OSError", str(error)
        return name, told, "traceback", traceback.format_exc()
    except Exception:
        return name, told, "traceback", traceback.format_exc()
    return name, told, "wrong" if fault else "answer", fault or ""


def peak() -> int:
    """The most memory this process has had since `forget_peak`, in bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def forget_peak() -> None:
    """Begin to watch the memory anew."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def work_on(pipe: Connection, root: Path, names: list[str], seed: int) -> None:
    """A worker: cases in, outcomes out."""
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (4 * MEMORY, 4 * MEMORY))  # a brake for the machine's sake
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quiet = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(quiet, descriptor)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as work:
        while (case := pipe.recv()) is not None:
            forget_peak()
            before = peak()
            name, told, kind, detail = run_case(root, names, seed, case, Path(work))
            if kind in GOOD and (more := peak() - before) > MEMORY // 2:
                kind, detail = "memory", f"{more / 1e6:,.0f} MB more; {detail}"
            pipe.send(Outcome(case, name, told, kind, detail))


class Worker:
    """A process and the case it is at."""

    def __init__(self, root: Path, names: list[str], seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work_on, args=(theirs, root, names, seed), daemon=True)
        self.process.start()
        theirs.close()
        self.case: int | None = None
        self.until = (0.0, 0.0)
        self.fresh = True

    def give(self, case: int) -> None:
        """Begin a case; the first one of a process may take longer, since everything is imported then."""
        seconds = SECONDS + (60.0 if self.fresh else 0.0)
        self.case, self.until = case, (self.worked() + seconds, time.monotonic() + BUSY * seconds)
        self.fresh = False
        self.pipe.send(case)

    def worked(self) -> float:
        """Seconds of work that the process has done so far; of waiting, where the system does not tell."""
        try:
            words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            return time.monotonic()

    def is_late(self) -> bool:
        """Whether it takes too long for its case."""
        return self.worked() > self.until[0] or time.monotonic() > self.until[1]

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def fuzz(cases: list[int], seed: int, workers: int = 1, names: list[str] | None = None) -> list[Outcome]:
    """Run cases; returns what became of each, in the order in which they ended."""
    names = names or list(TARGETS)
    outcomes: list[Outcome] = []
    left = list(reversed(cases))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with contextlib.redirect_stderr(io.StringIO()):
            prepare(root, names)
        active = [Worker(root, names, seed) for _ in range(min(workers, len(cases)))]
        while left or any(worker.case is not None for worker in active):
            for worker in active:
                if worker.case is None and left:
                    worker.give(left.pop())
            busy: Any = [worker.pipe for worker in active if worker.case is not None]
            ready = wait(busy, timeout=0.5)
            for place, worker in enumerate(active):
                if worker.case is None:
                    continue
                kind = "time" if worker.is_late() else ""
                if worker.pipe in ready:
                    try:
                        outcomes.append(worker.pipe.recv())
                        worker.case = None
                        continue
                    except (EOFError, OSError):
                        kind = "death"
                if kind:
                    outcomes.append(Outcome(worker.case, "?", "?", kind, f"exit code {worker.process.exitcode}"))
                    worker.end()
                    active[place] = Worker(root, names, seed)
        for worker in active:
            worker.end()
    return outcomes


def main(words: list[str] | None = None) -> int:
    """Run from the command line; returns 1 where a case has another end than it should."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=5000, help="how many (default 5000)")
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other cases")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--only", type=int, default=None, help="repeat one case, in this process, with its traceback")
    parser.add_argument("--targets", default=None, help=f"commas between; all are {', '.join(TARGETS)}")
    args = parser.parse_args(words)
    names = args.targets.split(",") if args.targets else list(TARGETS)
    if args.only is not None:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as work:
            prepare(Path(folder), names)
            print(*run_case(Path(folder), names, args.seed, args.only, Path(work)), sep="\n")
        return 0
    began = time.monotonic()
    outcomes = fuzz(list(range(args.cases)), args.seed, args.workers, names)
    table = collections.Counter((outcome.target, outcome.kind) for outcome in outcomes)
    kinds = sorted({outcome.kind for outcome in outcomes}, key=lambda kind: (kind not in GOOD, kind))
    print(f"{'':16}" + "".join(f"{kind:>12}" for kind in kinds))
    for name in sorted({outcome.target for outcome in outcomes}):
        print(f"{name:16}" + "".join(f"{table[name, kind]:12,}" for kind in kinds))
    print(f"{'all':16}" + "".join(f"{sum(o.kind == kind for o in outcomes):12,}" for kind in kinds))
    print(f"{len(outcomes):,} cases in {time.monotonic() - began:,.0f} s")
    bad = [outcome for outcome in outcomes if outcome.kind not in GOOD]
    for outcome in bad:
        print(f"\ncase {outcome.case}: {outcome.target}, {outcome.mutation}: {outcome.kind}\n{outcome.detail[-1500:]}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
