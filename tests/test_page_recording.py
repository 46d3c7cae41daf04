"""The recording of the page: its command line, its GIF, and the whole of it where there is a browser."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import page_recording
from tools.lab_browser import CHROMIUM, DRIVER
from tools.page_recording import main, record, save_gif


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "usage: python -m tools.page_recording" in text
    assert all(option in text for option in ("--out", "--width", "--seconds"))


def test_without_a_browser_the_remedy_is_named(monkeypatch, tmp_path: Path, capsys):
    monkeypatch.setattr(page_recording, "DRIVER", "")
    assert main(["--out", str(tmp_path / "page.gif")]) == 2
    assert "apt install chromium" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_page_that_does_not_come_up_is_said_in_words(monkeypatch, tmp_path: Path, capsys):
    def fail(*_arguments):
        raise RuntimeError("TimeoutError: the first picture")

    for name, value in {"CHROMIUM": "there", "DRIVER": "there", "record": fail}.items():
        monkeypatch.setattr(page_recording, name, value)
    assert main(["--out", str(tmp_path / "page.gif")]) == 1
    assert "not recorded: TimeoutError: the first picture" in capsys.readouterr().err


def test_frames_of_any_size_become_one_small_gif(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(page_recording, "MAX_BYTES", 60_000)
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (180, 160, 3), dtype=np.uint8) for _ in range(4)]  # the worst case for a GIF
    frames = [(Image.fromarray(picture), f"frame {k}") for k, picture in enumerate(noise)]
    frames.append((Image.new("RGB", (100, 60), "white"), "a smaller one"))
    out = save_gif(frames, tmp_path / "new" / "page.gif", seconds=0.5)
    assert out.stat().st_size < 60_000 and [path.name for path in out.parent.iterdir()] == ["page.gif"]
    with Image.open(out) as gif:
        assert gif.n_frames == 5 and gif.width <= 160 and gif.info["loop"] == 0 and gif.info["duration"] == 500


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm, version 20")
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (apt install chromium-driver)")
def test_the_page_is_recorded(tmp_path: Path):
    pytest.importorskip("selenium")
    out = record(tmp_path / "page.gif")
    assert out.stat().st_size < 1_500_000
    with Image.open(out) as gif:
        assert 8 <= gif.n_frames <= 12 and gif.width <= 700 and gif.is_animated
        shown = []
        for number in range(gif.n_frames):
            gif.seek(number)
            shown.append(gif.convert("RGB").tobytes())
    assert len(set(shown)) == len(shown)  # every step changes what is seen
