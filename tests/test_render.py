"""The renderer: the same people from the same seed, in any number of processes, interrupted or not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idnb.__main__ import main
from idnb.core.errors import InputError
from idnb.faces.labels import LABEL_NAMES
from idnb.faces.render import people
from idnb.faces.render.check import MIN_DISTANCE, identity_distance
from idnb.faces.render.sets import SetPlan, make_set, render_person
from idnb.faces.set_files import set_checksum
from idnb.faces.sources import load_faces
from tests.processes import below, running

PLAN = SetPlan(identities=3, shots=2, seed=5, size=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    make_set(PLAN, folder, workers=1)
    return folder


def test_the_number_of_processes_does_not_change_a_pixel(made: Path, tmp_path: Path) -> None:
    card = make_set(PLAN, tmp_path / "two", workers=2)
    assert card["sha256"] == json.loads((made / "card.json").read_text())["sha256"] == set_checksum(made)


def test_an_interrupted_set_goes_on(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    words = ["render", "--identities", "3", "--shots", "2", "--seed", "5", "--size", "32", "--out", str(folder)]
    process = subprocess.Popen([sys.executable, "-m", "idnb", *words], stderr=subprocess.DEVNULL)
    for _ in range(1200):
        if (folder / "images" / "00000.webp").exists():
            break
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert (folder / "images" / "00000.webp").exists()
    first = (folder / "images" / "00000.webp").stat().st_mtime_ns
    assert main(words) == 0
    assert (folder / "images" / "00000.webp").stat().st_mtime_ns == first  # what was finished stays
    assert set_checksum(folder) == set_checksum(made)
    assert not list(folder.rglob("*.part"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the children in /proc")
def test_a_killed_process_is_told_and_a_killed_parent_leaves_none(tmp_path: Path) -> None:
    words = ["render", "--identities", "40", "--shots", "1", "--seed", "5", "--size", "16", "--workers", "2"]
    command = [sys.executable, "-m", "idnb", *words, "--out", str(tmp_path / "set")]
    for killed_first in ("child", "parent"):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        ends = time.monotonic() + 300
        before = len(list(tmp_path.rglob("*.webp")))
        while len(list(tmp_path.rglob("*.webp"))) == before and time.monotonic() < ends:
            time.sleep(0.1)
        with pytest.raises(InputError, match=rf"process {process.pid} on .* is rendering into this folder"):
            make_set(SetPlan(40, 1, 5, 16), tmp_path / "set")
        children = below(process.pid)
        workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(workers) == 2
        os.kill(workers[0] if killed_first == "child" else process.pid, signal.SIGKILL)
        _, said = process.communicate(timeout=300)
        if killed_first == "child":
            assert process.returncode == 2 and "a process that renders was ended from outside" in said
            assert "Traceback" not in said
        while any(running(child) for child in children) and time.monotonic() < ends:
            time.sleep(0.1)
        assert not any(running(child) for child in children)


def test_files_of_others_are_no_set_that_was_begun(tmp_path: Path) -> None:
    for name in ("labels/00001.png", "images/00000.webp", "people.csv.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(InputError, match=rf"{name} is there, but no card\.json of a set that was begun"):
            make_set(PLAN, tmp_path)
        assert (tmp_path / name).read_bytes() == b"mine" and not (tmp_path / "card.json").exists()
        (tmp_path / name).unlink()


def test_the_table_holds_what_was_drawn(made: Path) -> None:
    faces = load_faces(made)
    assert len(faces) == 6
    for row in range(6):
        identity, shot = int(faces.identity[row]), int(faces.shot[row])
        person = people.sample_identity(people.identity_generator(PLAN.seed, identity))
        values = person | people.sample_shot(people.shot_generator(PLAN.seed, identity, shot))
        assert set(values) == set(faces.parameters)
        for name, value in values.items():
            known = faces.parameters[name][row]
            assert known == value if isinstance(value, str) else known == pytest.approx(value, rel=1e-4, abs=1e-9)


def test_finished_sets_need_no_renderer(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anny", None)
    assert make_set(PLAN, made)["sha256"] == set_checksum(made)


def test_without_the_extra_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from idnb.faces.render.head import load_head

    load_head.cache_clear()
    monkeypatch.setitem(sys.modules, "anny", None)
    with pytest.raises(InputError, match=r"pip install 'idnb\[render\]'"):
        make_set(PLAN, tmp_path / "new")


def test_another_plan_does_not_overwrite_a_set(made: Path) -> None:
    with pytest.raises(InputError, match=r"holds another set, made by `idnb render .*--seed 5"):
        make_set(SetPlan(3, 2, 6, 32), made)


@pytest.mark.parametrize("bad", [(0, 1, 0, 32), (1, 0, 0, 32), (1, 1, -1, 32), (1, 1, 0, 8), (1, 1, 0, 4096)])
def test_bad_plans(bad: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match=r"must|between"):
        SetPlan(*bad)


def test_a_strip_is_no_longer_than_its_format_allows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"100 pictures of 512 pixels make a strip of more than 16,383 pixels"):
        make_set(SetPlan(1, 100, 0, 512), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--identities", "2"]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_sheet(made: Path, tmp_path: Path) -> None:
    words = ["render", "--identities", "3", "--shots", "2", "--seed", "5", "--size", "32", "--out", str(made)]
    assert main([*words, "--sheet", str(tmp_path / "new" / "sheet.png")]) == 0
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.size == (8 * 32, 32)
        assert np.asarray(sheet)[:, 3 * 32 :].min() == 255  # places without a person are white


def test_the_bundled_test_set_can_be_made_again() -> None:
    """Up to rounding: other processors take sums in another order, and single strands of hair then fall another way."""
    faces = load_faces("test")
    image, label = render_person(SetPlan(300, 4, 3, 128), 7)
    rows = np.flatnonzero(faces.identity == 7)
    stored = np.concatenate(list(faces.pixels(rows)), 1)
    assert np.abs(image.astype(int) - stored).mean() < 3  # what WebP loses
    labels = np.concatenate(list(faces.label_maps(rows).numpy()), 1)
    hair = LABEL_NAMES.index("hair")
    differs = label != labels
    assert differs.mean() < 0.01
    assert (differs & (label != hair) & (labels != hair)).mean() < 0.0001


def test_identities_depend_on_seed_and_number_alone() -> None:
    def draw(seed: int, identity: int) -> dict[str, object]:
        return people.sample_identity(people.identity_generator(seed, identity))

    assert draw(1, 4) == draw(1, 4)
    assert draw(1, 4) != draw(2, 4)
    assert draw(1, 4) != draw(1, 5)


def test_distance_between_identities() -> None:
    two = [{"a": 0.0, "b": 1.0, "name": "x", "same": 3.0}, {"a": 2.0, "b": 1.0, "name": "y", "same": 3.0}]
    # Only `a` varies; in units of its standard deviation (1) the two are 2 apart.
    distance = identity_distance(two)
    assert distance[0, 1] == pytest.approx(2.0)
    assert np.isinf(distance[0, 0])
    many = [people.sample_identity(people.identity_generator(9, i)) for i in range(200)]
    assert 1.2 < np.median(identity_distance(many)[np.isfinite(identity_distance(many))]) < 1.5


def test_the_check_of_a_renderer_prints_its_figures_and_answers(capsys, monkeypatch) -> None:
    assert main(["render", "--check", "--identities", "3"]) == 0
    said = capsys.readouterr().out
    assert "3 new people" in said and "100.0% (at least" in said and said.endswith("\npassed\n")
    distance = float(said.split("two most alike: ")[1].split()[0])
    assert distance >= MIN_DISTANCE
    monkeypatch.setattr("idnb.faces.render.check.MIN_DISTANCE", distance + 1)
    assert main(["render", "--check", "--identities", "3"]) == 1 and "NOT passed" in capsys.readouterr().out


def test_eyes_lie_where_alignment_puts_them() -> None:
    """Frontal pictures have their eyes at the places that the FFHQ rule gives, whoever the person is."""
    faces = load_faces("test")
    frontal = np.flatnonzero(np.abs(faces.parameters["pose.yaw"]) < 0.12)[:60]
    rows, columns = np.mgrid[:128, :128] / 127
    for name, place in (("l_eye", 0.625), ("r_eye", 0.375)):
        from idnb.faces.labels import LABEL_NAMES

        middles = []
        for label in faces.label_maps(frontal).numpy():
            eye = label == LABEL_NAMES.index(name)
            if eye.sum() > 8:
                middles.append((columns[eye].mean(), rows[eye].mean()))
        x, y = np.mean(middles, 0)
        assert x == pytest.approx(place, abs=0.02)
        assert y == pytest.approx(0.472, abs=0.025)
