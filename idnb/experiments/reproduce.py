"""Walking the recipe (idnb/experiments/stages.py): what is done, what is stale, and the command that comes next.

Each stage that was made has a note in {work}/stages: the command, the hashes of what it read and made, and that of the
code. A stage is stale when one of them is another one today. What the package brings along has no note; it counts as
done where its entry in the manifest, or the card of its set, names the command of the recipe, or one that says the same
by its defaults.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idnb.core.children import how_it_ended
from idnb.core.errors import InputError
from idnb.core.files import read_json, write_text
from idnb.core.lock import locked
from idnb.core.weights import ASSETS, file_sha256, read_manifest
from idnb.experiments.stages import STAGES, Stage

__all__ = ["Recipe", "State", "says_the_same"]

DONE = ("done", "bundled")
DAMAGED = "delete its folder, then give the same command again"


@dataclass(frozen=True)
class State:
    """How a stage stands. word: done, bundled, begun, stale or to do. why: what has changed, or is waited for."""

    word: str
    why: str = ""


def says_the_same(told: str, defaults: dict[str, str], wanted: str, free: Sequence[str] = ()) -> bool:
    """Whether a recorded command does what another one does.

    told, defaults: as `WeightFile` has them. wanted: the other, which may name a default or not. free: options that may
    differ, without their dashes.
    """
    (words, given), (wanted_words, asked) = _options(told), _options(wanted)
    for name in free:
        given.pop(f"--{name}", None)
    known = {**defaults, **given}
    asked_of_known = all(known.get(option) == value for option, value in asked.items())
    return words == wanted_words and asked_of_known and set(given) <= set(asked)


def _options(command: str) -> tuple[list[str], dict[str, str]]:
    """The words before the first option, and the value of each option, several with spaces between."""
    words: list[str] = []
    options: dict[str, str] = {}
    for word in shlex.split(command):
        if word.startswith("--"):
            option = word
            options[option] = ""
        elif options:
            options[option] = f"{options[option]} {word}".strip()
        else:
            words.append(word)
    return words, options


class Recipe:
    """The recipe, walked in a folder.

    work: the folder; rendered sets, trainings and notes go there. profile: "full", which writes into the package, or
    "smoke", which does every stage in seconds on a copy of the package in `work`, to prove that the chain holds.
    stages: of the recipe. Raises InputError for another profile.
    """

    def __init__(self, work: str | Path, profile: str = "full", stages: Sequence[Stage] = STAGES) -> None:
        if profile not in ("full", "smoke"):
            raise InputError(f"--profile {profile!r}: use full or smoke")
        self.work, self.profile, self.stages = Path(work).absolute(), profile, tuple(stages)
        self.package = ASSETS.parent
        if profile == "smoke":
            copy = self.work / "package" / "idnb"
            copy.parent.mkdir(parents=True, exist_ok=True)
            with locked(copy.parent, "copying the package into this folder"):
                if not copy.is_dir():
                    self._copy_package(copy)
            self.package = copy

    def _copy_package(self, copy: Path) -> None:
        """Copy the package, whole or not at all."""
        unfinished = copy.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            shutil.copytree(self.package, unfinished, ignore=shutil.ignore_patterns("__pycache__"))
        except shutil.Error as error:  # one for all files, and a text for each
            shutil.rmtree(unfinished, ignore_errors=True)
            raise InputError(
                f"{copy}: the package could not be copied here ({error.args[0][0][2]}, and {len(error.args[0]) - 1:,} "
                "more); free some space, or choose another --out"
            ) from error
        os.replace(unfinished, copy)

    def place(self, text: str) -> str:
        """A word or file of the table, with this recipe's folders."""
        return text.replace("{package}", str(self.package)).replace("{work}", str(self.work))

    def words(self, stage: Stage) -> list[str]:
        """The words of a stage's command after `python -m`, those of the profile in their place."""
        words = stage.command.split()
        smoke = stage.smoke.split() if self.profile == "smoke" else []
        for option, value in zip(smoke[::2], smoke[1::2], strict=True):
            if option in words:
                words[words.index(option) + 1] = value
            else:
                words += [option, value]
        return words

    def command(self, stage: Stage) -> str:
        """The command as the manifest has it: without the folders of this machine."""
        kept, words = [], self.words(stage)
        for before, word in zip(["", *words], words, strict=False):
            if word == "--out" or before == "--out":
                continue
            kept.append(re.sub(r"\{work\}/(\w+/)?", "", word))
        return shlex.join(kept)

    def hashes(self, files: Sequence[str]) -> dict[str, str]:
        """SHA-256 of files of the table that are there; of a rendered set the one in its card."""
        found = {}
        for file in files:
            path = Path(self.place(file))
            if path.name == "card.json" and path.is_file():
                found[file] = str(read_json(path, DAMAGED).get("sha256", "not finished"))
            elif path.is_file():
                found[file] = file_sha256(path)
        return found

    def code(self, stage: Stage) -> str:
        """One hash of all code that a stage names. Raises InputError for a file that is not there."""
        total = hashlib.sha256()
        for name in stage.code:
            path = self.package / name
            files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
            if not files or not all(file.is_file() for file in files):
                raise InputError(f"stage {stage.name}: its code {name} is not in the package")
            for file in files:
                total.update(file.relative_to(self.package).as_posix().encode() + file.read_bytes())
        return total.hexdigest()

    def inputs(self, stage: Stage) -> dict[str, str]:
        """The hashes of all that a stage reads."""
        read = [other for other in self.stages if other.name in stage.reads]
        return {file: value for other in read for file, value in self.hashes(other.makes).items()}

    def note(self, stage: Stage) -> Path:
        """The file that says how a stage was made."""
        return self.work / "stages" / f"{stage.name}.json"

    def state(self, stage: Stage) -> State:
        """How a stage stands today."""
        made = self.hashes(stage.makes)
        complete = len(made) == len(stage.makes) and "not finished" not in made.values()
        if self.note(stage).is_file():
            told = read_json(self.note(stage), "delete it; its stage is made again then")
            now = {"command": self.command(stage), "inputs": self.inputs(stage), "code": self.code(stage), "made": made}
            changed = [name for name, value in now.items() if told.get(name) != value]
            return State("stale", f"changed: {', '.join(changed)}") if changed else State("done")
        waits = [name for name in stage.reads if self.state(self.stage(name)).word not in DONE]
        why = f"waits for {', '.join(waits)}" if waits else ""
        if not complete:
            began = Path(self.place(stage.makes[0])).parent.exists() and not self.bundled(stage)
            return State("begun" if began else "to do", why)
        told_command, defaults = self.told(stage)
        if self.profile == "full" and says_the_same(told_command, defaults, self.command(stage), stage.takes):
            return State("bundled")
        return State("stale", f"made by `{told_command}`" if self.profile == "full" else "of the package")

    def bundled(self, stage: Stage) -> bool:
        """Whether a stage's files are part of the package."""
        return stage.makes[0].startswith("{package}")

    def told(self, stage: Stage) -> tuple[str, dict[str, str]]:
        """The command that the manifest, or the card of a set, names for what a stage has made; its defaults then."""
        path = Path(self.place(stage.makes[0]))
        if path.name == "card.json":
            return str(read_json(path, DAMAGED).get("command", "nothing")), {}
        entry = next((one for one in read_manifest(self.package / "assets") if one.file == path.name), None)
        if entry is None or entry.command is None:
            return "nothing", {}
        return (
            stage.command if entry.command == f"idnb reproduce --only {stage.name}" else entry.command
        ), entry.defaults

    def make(self, stage: Stage, options: dict[str, Any] | None = None, report: Callable[[str], None] = print) -> bool:
        """Run a stage's command, or go on with it; write its note when it has made what it should.

        options: minutes, device and workers; each goes to a command that understands it. Returns whether it is done.
        Raises InputError when a stage before it is missing, or the command fails.
        """
        missing = [name for name in stage.reads if not self.hashes(self.stage(name).makes)]
        if missing:
            raise InputError(f"stage {stage.name} reads what {', '.join(missing)} makes: run that first")
        words = [self.place(word) for word in self.words(stage)]
        for name, value in (options or {}).items():
            if value is not None and name in stage.takes:
                words += [f"--{name}", str(value)]
        report(f"{stage.name}: {self.command(stage)}")
        self.work.mkdir(parents=True, exist_ok=True)
        with locked(self.work, "making a stage in this folder"):
            return self._run_command(stage, words, report)

    def _run_command(self, stage: Stage, words: list[str], report: Callable[[str], None]) -> bool:
        # The package that is meant, whatever lies in the folder in which this was called.
        environment = os.environ | {"PYTHONPATH": str(self.package.parent), "PYTHONSAFEPATH": "1"}
        inputs, code, began = self.inputs(stage), self.code(stage), time.time()
        done = subprocess.run([sys.executable, "-m", *words], env=environment, check=False)
        if done.returncode == 130:
            raise KeyboardInterrupt
        if done.returncode != 0:
            raise InputError(f"stage {stage.name} {how_it_ended(done.returncode)}")
        made = self.hashes(stage.makes)
        if len(made) < len(stage.makes) or "not finished" in made.values():
            report(f"{stage.name}: not finished; the same command goes on")
            return False
        told = {"command": self.command(stage), "inputs": inputs, "code": code, "made": made}
        seconds = {"seconds": round(time.time() - began)}
        write_text(self.note(stage), json.dumps(told | seconds, indent=2) + "\n")
        return True

    def stage(self, name: str) -> Stage:
        """The stage of that name. Raises InputError that lists the known names."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise InputError(f"stage {name!r} is unknown; there are: {', '.join(stage.name for stage in self.stages)}")
