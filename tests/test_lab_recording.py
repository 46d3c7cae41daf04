"""The recording of the labs: its command line, its GIF, and the whole of it where there is a browser."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import lab_recording
from tools.lab_browser import CHROMIUM, DRIVER
from tools.lab_recording import main, record, save_gif
from tools.notebook_files import REPO


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "usage: python -m tools.lab_recording" in text
    assert all(option in text for option in ("--out", "--width", "--seconds"))


def test_without_a_browser_the_remedy_is_named(monkeypatch, tmp_path: Path, capsys):
    monkeypatch.setattr(lab_recording, "DRIVER", "")
    assert main(["--out", str(tmp_path / "lab.gif")]) == 2
    assert "apt install chromium" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_labs_that_do_not_come_up_are_said_in_words(monkeypatch, tmp_path: Path, capsys):
    def fail(*_arguments):
        raise RuntimeError("InputError: no trained encoder is bundled")

    for name, value in {"CHROMIUM": "there", "DRIVER": "there", "record": fail}.items():
        monkeypatch.setattr(lab_recording, name, value)
    assert main(["--out", str(tmp_path / "lab.gif")]) == 1
    assert "not recorded: InputError: no trained encoder" in capsys.readouterr().err


def test_frames_of_any_size_become_one_small_gif(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(lab_recording, "MAX_BYTES", 60_000)
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (180, 160, 3), dtype=np.uint8) for _ in range(4)]  # the worst case for a GIF
    frames = [(Image.fromarray(picture), f"frame {k}") for k, picture in enumerate(noise)]
    frames.append((Image.new("RGB", (100, 60), "white"), "a smaller one"))
    out = save_gif(frames, tmp_path / "new" / "lab.gif", seconds=0.5)
    assert out.stat().st_size < 60_000 and [path.name for path in out.parent.iterdir()] == ["lab.gif"]
    with Image.open(out) as gif:
        assert gif.n_frames == 5 and gif.width <= 160 and gif.info["loop"] == 0 and gif.info["duration"] == 500


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (apt install chromium-driver)")
def test_the_labs_are_recorded(tmp_path: Path):
    pytest.importorskip("selenium")
    setup = (
        f"import sys\nsys.path.insert(0, {str(REPO / 'tests')!r})\n"
        "import torch\ntorch.set_num_threads(1)\nimport idnb\n"
        "from idnb.widgets import DrawLab, FaceLab\nfrom widget_parts import untrained_session\n"
        'session, faces = untrained_session(("low_res", "label_map")), idnb.load_faces("test")'
    )
    out = record(tmp_path / "lab.gif", cells=(setup, *lab_recording.CELLS[1:]))
    assert out.stat().st_size < 1_500_000
    with Image.open(out) as gif:
        assert 8 <= gif.n_frames <= 12 and gif.width <= 700 and gif.is_animated
        shown = []
        for number in range(gif.n_frames):
            gif.seek(number)
            shown.append(gif.convert("RGB").tobytes())
    assert len(set(shown)) == len(shown)  # every step changes what is seen
