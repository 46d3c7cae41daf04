"""What holds for every command: one line and exit code 2 for what a person can correct, whatever the terminal."""

import os
import subprocess
import sys

import pytest

from idnb.__main__ import main
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
