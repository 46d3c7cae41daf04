"""What holds for every command: one line and exit code 2 for what a person can correct, whatever the terminal."""

import argparse
import os
import subprocess
import sys

import pytest

from idnb.__main__ import COMMANDS, build_parser, main
from idnb.cli.arguments import Listed, Real, Whole, parse_shard
from idnb.core.errors import InputError
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
