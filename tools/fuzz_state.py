"""What commands leave between two runs, for `tools.fuzz`: parts of a measurement, notes, logs, keys."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

from tools.fuzz_pictures import Target

__all__ = ["STATE"]


@functools.cache
def measuring() -> tuple[Any, Any, Any, Any]:
    """A method, a generator, a set of eight people and a setting of twelve pairs."""
    from idnb.evaluation.dataset import load_evaluation_set
    from idnb.evaluation.methods import load_method
    from idnb.evaluation.setting import Setting
    from idnb.faces.sources import load_faces
    from idnb.models.stylegan2_files import load_generator

    faces = load_faces("test").select(range(8))
    return load_method("copy"), load_generator(), load_evaluation_set(faces), Setting("copy", contours=4, count=3)


def make_measurement(folder: Path) -> None:
    """A run that was stopped when all was measured and nothing summed up."""
    from idnb.evaluation.protocol import evaluate

    evaluate(*measuring(), folder, shard=(0, 2), progress=False)


def read_measurement(folder: Path) -> str | None:
    """The run, gone on with."""
    from idnb.evaluation.protocol import evaluate

    found = evaluate(*measuring(), folder, progress=False)
    return None if found is not None and found["pairs"] == 12 else "a result of other pairs"


def make_notes(folder: Path) -> None:
    """Pairs, a log, a manifest, and the note of a variant."""
    from idnb.core.weights import ASSETS
    from idnb.faces.pairs import draw_pairs, save_pairs

    save_pairs(draw_pairs([0, 0, 1, 1], count=2), folder / "pairs.csv")
    shutil.copy(ASSETS / "manifest.json", folder)
    (folder / "log.csv").write_text("step,loss\n0,1.5\n1,1.25\n2,1.0\n")
    read_notes(folder)


def read_notes(folder: Path) -> str | None:
    """All of them."""
    from idnb.core.files import note_or_compare
    from idnb.core.weights import read_manifest
    from idnb.experiments.ablation import TABLES, Budget, describe
    from idnb.faces.pairs import load_pairs
    from idnb.training.logs import CsvLog

    description = describe(TABLES["table2"][0], 0, Budget(images=4), "tiny")
    note_or_compare(folder / "variant.json", description, "another variant")
    CsvLog(folder / "log.csv", ("step", "loss"), 2)
    load_pairs(folder / "pairs.csv", [0, 0, 1, 1])
    read_manifest(folder)
    return None


def make_game(folder: Path) -> None:
    """The key of a game, and answers."""
    names = {f"sketch-{i}": "abcd"[i % 4] for i in range(1, 9)}
    key = {"seed": 0, "data": "test", "right": names, "judge": dict.fromkeys(names, "a")}
    (folder / "sheets.key.json").write_text(json.dumps(key))
    (folder / "mine.txt").write_text("".join(f"{name} b\n" for name in names))


def read_game(folder: Path) -> str | None:
    """The score, or one line."""
    from idnb.__main__ import main

    code = main(["game", "--out", str(folder / "sheets"), "--answers", str(folder / "mine.txt")])
    return None if code in (0, 2) else f"exit code {code}"


def make_recipe(folder: Path) -> None:
    """A stage of the recipe that was made: a card and a note."""
    (folder / "people").mkdir()
    (folder / "people" / "card.json").write_text(json.dumps({"sha256": "0" * 64, "command": "idnb render"}))
    recipe = stages(folder)
    stage = recipe.stage("people")
    told = {"command": recipe.command(stage), "inputs": {}, "code": recipe.code(stage)}
    recipe.note(stage).parent.mkdir()
    recipe.note(stage).write_text(json.dumps(told | {"made": recipe.hashes(stage.makes), "seconds": 7}))


def stages(folder: Path) -> Any:
    """A recipe of one stage."""
    from idnb.experiments.reproduce import Recipe
    from idnb.experiments.stages import Stage

    makes = ("{work}/people/card.json",)
    stage = Stage("people", "two", "idnb render --out {work}/people", (), makes, ("faces/framing.py",), 1)
    return Recipe(folder, stages=(stage,))


def read_recipe(folder: Path) -> str | None:
    """How the stage stands."""
    recipe = stages(folder)
    return None if recipe.state(recipe.stage("people")).word in ("done", "stale", "begun", "to do") else "no state"


STATE: dict[str, Target] = {
    "measurement": Target(make_measurement, read_measurement, 4),
    "notes": Target(make_notes, read_notes, 6),
    "game": Target(make_game, read_game, 2),
    "recipe": Target(make_recipe, read_recipe, 2),
}
"""Name -> what is read."""
