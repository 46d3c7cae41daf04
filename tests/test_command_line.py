"""What holds for every command: one line and exit code 2 for what a person can correct, whatever the terminal."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from idnb.__main__ import COMMANDS, build_parser, main
from idnb.cli.arguments import Listed, Real, Whole, expand_home, parse_shard
from idnb.core.checkpoints import to_go_on
from idnb.core.errors import InputError
from idnb.core.messages import explain
from idnb.evaluation.store import RESULTS
from idnb.training.logs import CsvLog
from tests.full_disk import files_up_to
from tests.processes import below, running
from tools.notebook_files import REPO


def idnb(*words: str, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(REPO), **options.pop("environment", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120, **options}
    return subprocess.run([sys.executable, "-m", "idnb", *words], env=environment, **options)


@pytest.mark.parametrize(
    "error, words",
    [
        (OSError(28, "No space left on device", "runs/x"), "runs/x: the disk is full; free some space"),
        (OSError(30, "Read-only file system", "runs/x"), "runs/x: that disk can only be read; choose a place"),
        (PermissionError(13, "Permission denied", "runs/x"), "runs/x: no permission; choose a place"),
        (NotADirectoryError(20, "Not a directory", "runs/x"), "runs/x: a file stands where a folder should be"),
        (FileNotFoundError(2, "No such file", "runs/x"), "runs/x: is not there, or was deleted meanwhile"),
    ],
)
def test_what_the_file_system_refuses_is_one_line(monkeypatch, capsys, error, words):
    def fail(args):
        raise error

    monkeypatch.setattr("idnb.cli.doctor.run", fail)
    assert main(["doctor"]) == 2
    text = capsys.readouterr().err
    assert text.startswith(f"idnb: {words}") and text.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_output_that_cannot_be_written_is_told():
    for unbuffered, start in (("", "what was printed: the disk is full"), ("1", "the disk is full")):
        with open("/dev/full", "w") as full:
            done = idnb("fetch", stdout=full, environment={"PYTHONUNBUFFERED": unbuffered})
        assert done.returncode == 2
        assert done.stderr.decode().startswith(f"idnb: {start}") and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_that_is_not_utf8_gets_escapes(encoding):
    done = idnb("results", "table1", environment={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    assert "\\u2191" in done.stdout.decode(encoding)


# --- numbers --------------------------------------------------------------------------------------------------------


def options(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> list[tuple[tuple[str, ...], argparse.Action]]:
    """Every option of a command and of the commands below it, with the words that lead to it."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                found += options(inner, (*words, word))
        elif action.option_strings:
            found.append((words, action))
    return found


OPTIONS = [
    found for command in COMMANDS for found in options(build_parser(command)._actions[-1].choices[command], (command,))
]
NUMBERS = [(words, action) for words, action in OPTIONS if isinstance(action.type, Whole | Real | Listed)]


def test_every_number_has_its_range():
    for words, action in OPTIONS:
        name = f"{' '.join(words)} {action.option_strings[0]}"
        assert action.type not in (int, float), f"{name}: give it a type of idnb.cli.arguments"
        numeric = isinstance(action.default, int | float) and not isinstance(action.default, bool)
        assert not numeric or isinstance(action.type, Whole | Real), name
    assert len(NUMBERS) > 70


@pytest.mark.parametrize(
    "words, action", NUMBERS, ids=lambda value: value[-1] if isinstance(value, tuple) else value.dest
)
def test_senseless_numbers_are_one_line(words, action, capsys):
    kind = action.type.each if isinstance(action.type, Listed) else action.type
    wrong = ["-1", "nan", "inf", "-inf", "1e999", str(10**30), "", "one", "0x10", "٣", "1_0", "1,,2", "²"]
    wrong += ["0"] if kind.low >= 1 or not getattr(kind, "closed", True) else []
    wrong += ["0.5", "1e3"] if isinstance(kind, Whole) else []
    for text in wrong:
        assert main([*words, f"{action.option_strings[-1]}={text}"]) == 2, text
        said = capsys.readouterr().err
        assert said.startswith(f"idnb: {'/'.join(action.option_strings)}: ") and said.count("\n") == 1, said
        assert " is not a " in said and said.endswith(f"see `idnb {' '.join(words)} --help`\n")


def test_what_argparse_finds_wrong_is_one_line(capsys):
    for words in (
        ["paint"],
        ["generate"],
        ["fetch", "--no-such"],
        ["evaluate", "--kind"],
        ["train", "encoder", "a\nb"],
    ):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.startswith("idnb: ") and said.count("\n") == 1 and "--help" in said


def test_shards():
    assert parse_shard(None) == (0, 1) and parse_shard("1/4") == (1, 4)
    for wrong in ("2/2", "1", "a/b", "-1/2", "0/0", "1/2/3", "²/4", f"0/{10**30}", ""):
        with pytest.raises(InputError, match="expected k/n"):
            parse_shard(wrong)


# --- names and places -----------------------------------------------------------------------------------------------


def test_home_is_found_in_every_word(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = argparse.Namespace(
        out="~/a", data="x,~/b@test,~", start="low_res=~/c.pt", files=["~/d", "e~"], path=Path("~/f"), n=3, none=None
    )
    assert vars(expand_home(given)) == {
        "out": "/home/me/a",
        "data": "x,/home/me/b@test,/home/me",
        "start": "low_res=/home/me/c.pt",
        "files": ["/home/me/d", "e~"],
        "path": Path("/home/me/f"),
        "n": 3,
        "none": None,
    }
    with pytest.raises(InputError, match=r"~nobody_here is no home folder here; write \./~nobody_here"):
        expand_home(argparse.Namespace(out="~nobody_here/a"))


def test_a_home_in_a_word_reaches_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["results", "methods", "--results=~/mine"]) == 2
    assert f"{tmp_path}/mine" in capsys.readouterr().err


def test_a_figure_has_a_figures_name(tmp_path, capsys):
    for words in (["results", "judges"], ["figure", "kinds"]):
        assert main([*words, "--out", str(tmp_path / "x.xyz")]) == 2
        assert "give a name that ends in .png, .pdf or .svg" in capsys.readouterr().err
    assert main(["render", "--identities", "1", "--out", str(tmp_path / "set"), "--sheet", "x.xyz"]) == 2
    assert "--sheet x.xyz: give a name that ends in .jpg" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_odd_names_never_reach_a_terminal_raw(tmp_path, capsys):
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    (folder / "x\x1b]0;title\x07\ny.png").write_bytes(b"no picture")
    Image.new("RGB", (64, 64)).save(folder / "good\x1b.png")
    for words in (
        ["data", "check", str(folder)],
        ["data", "check", str(folder), "--out", str(folder / "report.txt")],
        ["results", "methods", "--results", str(folder)],
        ["generate", "--contour", str(folder), "--contour-kind", "sketch", "--identity", "no\x1b\n", "--out", "x"],
        ["evaluate", "--data", "no\x1b\n"],
        ["train", "no\x1b\n"],
    ):
        assert main(words) in (1, 2)
        said = capsys.readouterr()
        assert "\x1b" not in said.out + said.err and "\x07" not in said.out + said.err
        assert "\\x1b" in said.out + said.err
        assert "\nb" not in said.out + said.err and "\ny" not in said.out + said.err
    assert "\x1b" not in (folder / "report.txt").read_text()


# --- the file system, through real commands -------------------------------------------------------------------------


def test_a_figure_on_a_full_disk_leaves_the_old_one(tmp_path, capsys):
    out = tmp_path / "judges.png"
    for kept in (False, True):
        if kept:
            out.write_bytes(b"mine")
        words = ["results", "judges", "--results", str(RESULTS / "table1"), "--out", str(out)]
        with files_up_to(2_000):
            code = main([*words, "--overwrite"] if kept else words)
        said = capsys.readouterr().err
        assert (
            code == 2 and said.startswith(f"idnb: {out}: a file may not grow so large here") and said.count("\n") == 1
        )
        assert ("is as it was before" if kept else "nothing was left at") in said
    assert [file.name for file in tmp_path.iterdir()] == ["judges.png"] and out.read_bytes() == b"mine"


def test_a_file_where_a_folder_should_be(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("x")
    assert (
        main(["results", "judges", "--results", str(RESULTS / "table1"), "--out", str(tmp_path / "file" / "a.png")])
        == 2
    )
    assert "a file stands where a folder should be" in capsys.readouterr().err
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "file"))
    assert main(["fetch", "facenet_vggface2", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'file'} is no folder; set IDNB_CACHE to one" in said
    monkeypatch.setenv("IDNB_CACHE", "~nobody_here/cache")
    assert main(["fetch", "facenet_vggface2", "--quiet"]) == 2
    assert "set IDNB_CACHE to a full path" in capsys.readouterr().err


def test_a_log_on_a_full_disk_loses_no_line(tmp_path):
    log = CsvLog(tmp_path / "log.csv", ("step", "loss"), 0)
    log.add(step=0, loss=0.5)
    before = (tmp_path / "log.csv").read_bytes()
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(OSError) as caught, files_up_to(len(before) + 3):
        log.add(step=1, loss=0.123456)
    assert (tmp_path / "log.csv").read_bytes() == before
    said = explain(caught.value)
    assert f"{tmp_path / 'log.csv'}: a file may not grow" in said and "the last checkpoint is whole" in said


# --- advice ---------------------------------------------------------------------------------------------------------

LOOPS = {
    "training/run.py": ("train encoder",),
    "training/logs.py": ("train encoder", "train generator", "train identity", "train parser"),
    "pretraining/gan/loop.py": ("train generator",),
    "pretraining/identity.py": ("train identity", "train judge"),
    "pretraining/measuring.py": ("train parser", "train attributes"),
    "core/checkpoints.py": ("train encoder", "train generator", "train identity", "train parser"),
}


def test_advice_names_options_that_exist():
    for module, commands in LOOPS.items():
        text = (REPO / "idnb" / module).read_text(encoding="utf-8")
        for advised in re.findall(r"(?<!\w)--[a-z][a-z0-9-]+", text):
            for command in commands:
                there = {
                    name for words, action in OPTIONS if " ".join(words) == command for name in action.option_strings
                }
                assert advised in there, f"{module}: {command} has no {advised}"


def test_advice_names_files_that_are_there(tmp_path):
    assert to_go_on(tmp_path / "checkpoint.pt").endswith("was saved yet, so the same command begins anew")
    (tmp_path / "checkpoint.pt").touch()
    assert to_go_on(tmp_path / "checkpoint.pt").endswith("is whole, the same command goes on from there")


# --- stopped from outside -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="reads the children in /proc")
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_command_that_is_stopped_leaves_no_children(signal_number, tmp_path):
    words = ["evaluate", "copy", "--processes", "2", "--threads", "1", "--contours", "all", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "idnb", *words]
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(REPO)}, stderr=subprocess.PIPE, preexec_fn=heard
    ) as process:
        ends = time.monotonic() + 180
        while len(below(process.pid)) < 3 and time.monotonic() < ends:  # two shares, and Python's own tracker
            time.sleep(0.1)
        children = below(process.pid)
        assert len(children) >= 3
        process.send_signal(signal_number)
        process.communicate(timeout=180)
        ends = time.monotonic() + 120
        while any(running(child) for child in children) and time.monotonic() < ends:
            time.sleep(0.2)
        assert not any(running(child) for child in children)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGKILL: -9, signal.SIGINT: 130}[signal_number]
