"""The recipe: its table holds together, bundled weights name its commands, and the chain runs on small settings."""

import json
import re
import shutil
from itertools import pairwise

import pytest

from idnb.__main__ import main
from idnb.contours.kinds import CONTOURS
from idnb.core.errors import InputError
from idnb.core.lock import locked
from idnb.experiments.reproduce import Recipe, says_the_same
from idnb.experiments.stages import STAGES, Stage
from tests.full_disk import files_up_to

PEOPLE = Stage(
    "people",
    "two people",
    "idnb render --identities 2 --shots 1 --seed 5 --size 32 --out {work}/people",
    (),
    ("{work}/people/card.json",),
    ("faces/framing.py",),
    0.1,
    takes=("workers",),
)
MORE = Stage(
    "more",
    "two other people",
    "idnb render --identities 2 --shots 1 --seed 6 --size 32 --out {work}/more",
    ("people",),
    ("{work}/more/card.json",),
    ("faces/framing.py",),
    0.1,
)


def test_the_table_leads_back_to_the_renderer():
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names)
    for place, stage in enumerate(STAGES):
        assert set(stage.reads) <= set(names[:place]), f"{stage.name} reads what comes after it"
        words = stage.command.split()
        assert stage.reads or words[1] == "render", f"{stage.name} starts from nothing"
        assert stage.makes and stage.minutes > 0 and len(stage.smoke.split()) % 2 == 0
        for before, word in pairwise(words):
            used = set(re.findall(r"\{work\}/(\w+)", word))
            assert before == "--out" or used <= set(stage.reads), f"{stage.name} uses {word} and does not say so"


def test_every_entry_that_the_recipe_makes_names_its_command(tmp_path):
    recipe = Recipe(tmp_path)
    names = ("starter", "test", "lpips", "identity", "judge", "attributes", "parser", "generator", *CONTOURS)
    made = {name: recipe.state(recipe.stage(name)) for name in names}
    assert {name: state.word for name, state in made.items()} == dict.fromkeys(made, "bundled"), made
    assert recipe.state(recipe.stage("train")).word == "to do"


def test_done_stale_and_missing(tmp_path, capfd):
    recipe = Recipe(tmp_path, stages=(PEOPLE, MORE))
    assert recipe.state(PEOPLE).word == "to do"
    assert (recipe.state(MORE).word, recipe.state(MORE).why) == ("to do", "waits for people")
    with pytest.raises(InputError, match="stage more reads what people makes: run that first"):
        recipe.make(MORE)
    assert recipe.make(PEOPLE, {"workers": 1, "device": "cpu"}) and recipe.make(MORE)
    assert [recipe.state(stage).word for stage in recipe.stages] == ["done", "done"]
    card = tmp_path / "people" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sha256": "another"}))
    assert recipe.state(PEOPLE).why == "changed: made" and recipe.state(MORE).why == "changed: inputs"
    note = recipe.note(MORE)
    note.write_text(json.dumps(json.loads(note.read_text()) | {"code": "older"}))
    assert recipe.state(MORE).why == "changed: inputs, code"
    wrong = Stage("wrong", "nothing", "idnb render --identities 0", (), ("{work}/x",), PEOPLE.code, 1)
    with pytest.raises(InputError, match="stage wrong ended with exit code 2"):
        recipe.make(wrong)
    with pytest.raises(InputError, match="stage 'face' is unknown; there are: people, more"):
        recipe.stage("face")
    with pytest.raises(InputError, match="--profile 'big': use full or smoke"):
        Recipe(tmp_path, "big")


def test_a_recorded_command_says_the_same_by_its_defaults():
    wanted = "idnb train judge --data starter train --steps 9 --batch 64 --export"
    defaults = {"--batch": "64", "--seed": "2"}
    assert says_the_same(wanted, {}, wanted) and says_the_same(wanted, {"--seed": "2"}, wanted)
    assert says_the_same("idnb train judge --steps 9 --data starter train --export", defaults, wanted)
    for other in (
        "idnb train judge --data starter train --steps 9 --export --batch 65",
        "idnb train judge --data starter --steps 9 --export",
        "idnb train judge --data starter train --steps 9 --export --without",
        "idnb train judge --data starter train --steps 9",
        "idnb train identity --data starter train --steps 9 --export",
    ):
        assert not says_the_same(other, defaults, wanted), other
    assert not says_the_same("idnb train judge --data starter train --steps 9 --export", {"--batch": "32"}, wanted)
    told = "idnb train judge --data starter train --steps 9 --device cuda --export"
    assert says_the_same(told, defaults, wanted, ["device"]) and not says_the_same(told, defaults, wanted)


def test_the_list_shows_every_stage(tmp_path, capsys):
    assert main(["reproduce", "--list", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for stage in STAGES:
        assert any(line.startswith(stage.name) for line in text.splitlines()), stage.name
    assert "idnb train generator --data starter --phases 16:16000" in text
    assert str(tmp_path) not in text


def test_a_copy_of_the_package_is_whole_or_not_there(tmp_path, capsys):
    folder = tmp_path / "package"
    (folder / "unfinished" / "core").mkdir(parents=True)  # of a command that was killed
    words = ["reproduce", "--profile", "smoke", "--list", "--out", str(tmp_path)]
    with files_up_to(20_000):
        assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "the package could not be copied here" in said and "another --out" in said
    assert [path.name for path in folder.iterdir()] == [".lock"]
    with locked(folder):
        assert main(words) == 2 and "is copying the package into this folder" in capsys.readouterr().err
    Recipe(tmp_path, "smoke")
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "idnb"]
    assert (folder / "idnb" / "assets" / "manifest.json").is_file()


@pytest.mark.slow
@pytest.mark.long
def test_the_whole_chain_on_small_settings(tmp_path):
    """Every stage of the recipe for real, in seconds, on a copy of the package; a second walk finds nothing to do."""
    words = ["reproduce", "--profile", "smoke", "--out", str(tmp_path), "--processes", "2", "--device", "cpu"]
    bundled = (Recipe(tmp_path / "nowhere").package / "assets" / "manifest.json").read_bytes()
    assert main(words) == 0
    recipe = Recipe(tmp_path, "smoke")
    assert {stage.name: recipe.state(stage).word for stage in STAGES} == {stage.name: "done" for stage in STAGES}
    assert (Recipe(tmp_path / "nowhere").package / "assets" / "manifest.json").read_bytes() == bundled
    entries = json.loads((recipe.package / "assets" / "manifest.json").read_text())["weights"]
    judge = next(entry for entry in entries if entry["name"] == "judge_tiny")
    assert "--steps 4" in judge["command"]
    shutil.rmtree(tmp_path / "package")
