"""Files are written whole or not at all: by every writer there is, on a disk that is full, and when something fails."""

import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from idnb.core.checkpoints import save_run
from idnb.core.errors import InputError, InputErrors
from idnb.core.files import LARGEST_TEXT, read_json, whole_file, write_bytes, write_text
from idnb.core.folders import is_hidden
from idnb.core.messages import explain, printable
from tests.full_disk import files_up_to
from tools.notebook_files import REPO

NOISE = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)


def figure(file):
    fig = plt.figure()
    fig.add_subplot().imshow(NOISE)
    try:
        fig.savefig(file, format="png")
    finally:
        plt.close(fig)


WRITERS = {
    "a.bin": lambda file: file.write(bytes(200_000)),
    "a.pt": lambda file: torch.save({"a": torch.zeros(100_000)}, file),
    "a.png": lambda file: Image.fromarray(NOISE).save(file, format="PNG"),
    "a.jpg": lambda file: Image.fromarray(NOISE).save(file, format="JPEG", quality=100),
    "a.webp": lambda file: Image.fromarray(NOISE).save(file, format="WEBP", lossless=True),
    "a.npz": lambda file: np.savez_compressed(file, a=NOISE),
    "figure.png": figure,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there(name, tmp_path):
    path = tmp_path / "new" / name
    for kept in (None, b"the old one"):
        if kept:
            path.write_bytes(kept)
        with pytest.raises(OSError) as caught, files_up_to(20_000), whole_file(path) as file:
            WRITERS[name](file)
        assert caught.value.filename == str(path)
        assert [file.name for file in path.parent.iterdir()] == ([name] if kept else [])
        assert (f"{path} is as it was before" if kept else f"nothing was left at {path}") in explain(caught.value)
    assert path.read_bytes() == b"the old one"
    with whole_file(path) as file:
        WRITERS[name](file)
    assert path.stat().st_size > 20_000 and os.listdir(path.parent) == [name]


def test_an_error_on_the_way_leaves_nothing(tmp_path):
    for error in (KeyboardInterrupt, InputError("no"), RuntimeError):
        with pytest.raises(BaseException) as caught, whole_file(tmp_path / "a") as file:
            file.write(b"half")
            raise error
        assert caught.type in (KeyboardInterrupt, InputError, RuntimeError) and not os.listdir(tmp_path)


def test_two_writers_of_one_name_do_not_meet(tmp_path):
    with whole_file(tmp_path / "a") as first, whole_file(tmp_path / "a") as second:
        first.write(b"first")
        second.write(b"second")
    assert (tmp_path / "a").read_bytes() == b"first" and os.listdir(tmp_path) == ["a"]


def test_what_a_killed_process_left_goes_with_the_next_file(tmp_path):
    code = "import sys, os\nfrom idnb.core.files import whole_file\nwith whole_file(sys.argv[1]) as file:\n"
    code += (
        " file.write(b'half')\n file.flush()\n os.kill(os.getpid(), 9) if len(sys.argv) < 3 else print(flush=True)\n"
    )
    command = [sys.executable, "-c", code + " input()", str(tmp_path / "a")]
    options = {"env": {**os.environ, "PYTHONPATH": str(REPO)}, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*command, "stay"], **options) as other:
        other.stdout.readline()  # it is at work
        (alive,) = tmp_path.iterdir()
        assert subprocess.run(command, check=False, **options).returncode == -9
        (left,) = set(tmp_path.iterdir()) - {alive}
        (tmp_path / ".idnb-elsewhere-1-0.part").touch()  # of another machine: who knows
        (tmp_path / ".mine").touch()
        assert left.read_bytes() == b"half" and is_hidden(left.name)
        write_text(tmp_path / "b", "b")
        there = {".idnb-elsewhere-1-0.part", ".mine", "b", alive.name}
        assert set(os.listdir(tmp_path)) == there
        other.communicate(b"\n")
    assert set(os.listdir(tmp_path)) == there - {alive.name} | {"a"} and (tmp_path / "a").read_bytes() == b"half"


def test_texts_that_are_none(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{}")
    (tmp_path / "list.json").write_text("[1]")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(LARGEST_TEXT + 1)
    for name, said in (
        ("pipe", "no file, but a folder, a pipe or a device"),
        ("folder", "no file, but a folder"),
        ("bytes", "no text in UTF-8"),
        ("list", "a list where an object belongs"),
        ("large", "64 MB, too much for a text"),
        ("none", "does not exist"),
    ):
        with pytest.raises(InputError, match=rf"{name}\.json .*?{said}.*; make it again"):
            read_json(tmp_path / f"{name}.json", "make it again")
    (tmp_path / "marked.json").write_text('{"a": "é"}', encoding="utf-8-sig")
    assert read_json(tmp_path / "marked.json", "") == {"a": "é"}


def test_places_that_take_no_file(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    for path, words in (
        (tmp_path, "is a folder where a file should be"),
        (tmp_path / "file" / "below" / "a", "a file stands where a folder should be"),
        (tmp_path / "file" / "a", "a file stands where a folder should be"),
        (tmp_path / ("n" * 300), "the name is too long"),
    ):
        with pytest.raises(OSError) as caught:
            write_text(path, "x")
        message = explain(caught.value)
        assert words in message and str(tmp_path) in message and "\n" not in message
    with pytest.raises(InputError, match="null is a device or a pipe, not a file"):
        write_text(os.devnull, "x")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write all
    with pytest.raises(PermissionError) as caught:
        write_text(tmp_path / "file", "y")
    assert "no permission" in explain(caught.value) and (tmp_path / "file").read_text() == "x"


def test_a_link_is_followed_and_stays_one(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "a")
    write_bytes(tmp_path / "link", b"1")
    save_run({"a": torch.ones(1)}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and torch.load(tmp_path / "far" / "a") == {"a": torch.ones(1)}


def test_odd_names_are_escaped():
    assert printable("a\nb\x1b[31m\u202e\udcff\x7f é 顔 \u200d") == "a\\nb\\x1b[31m\\u202e\\udcff\\x7f é 顔 \u200d"
    assert explain(InputError("a\nb: no")) == "a\\nb: no"
    assert explain(InputErrors("a: no\nb\x1b: no")) == "a: no\nb\\x1b: no"
    assert explain(OSError(28, "No space left on device", "a\n.png")).startswith(
        "a\\n.png: the disk is full; free some"
    )
    assert explain(OSError("broken data")) == "broken data; check the path and the disk"
    assert explain(OSError(112, "Host is down", "x")) == "x: Host is down; check the path and the disk"
