"""Files that commands write by a name of the user's: none is replaced unasked, an input never."""

from PIL import Image

from idnb.__main__ import main
from idnb.evaluation.store import RESULTS


def test_no_command_replaces_a_file_unasked(tmp_path, capsys):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for folder in (photos, out):
        folder.mkdir()
    Image.new("RGB", (64, 64)).save(photos / "a.png")
    png, answers = out / "a.png", tmp_path / "out.key.json"
    commands = {
        png: [
            ["results", "judges", "--results", str(RESULTS / "table1"), "--out", str(png)],
            ["figure", "kinds", "--out", str(png)],
            ["render", "--identities", "1", "--out", str(tmp_path / "set"), "--sheet", str(png)],
            ["data", "check", str(photos), "--out", str(png)],
        ],
        out / "sketch_2.png": [["game", "--out", str(out), "--kind", "sketch", "--trials", "7"]],
        answers: [["game", "--out", str(out)]],
        out / "mapping.onnx": [["export", "onnx", "--out", str(out)]],
        out / "report.json": [["inspect", "generator", "--out", str(out)]],
    }
    for path, all_words in commands.items():
        path.write_bytes(b"mine")
        for words in all_words:
            assert main(words) == 2
            said = capsys.readouterr().err
            assert f"{path} is there already; add --overwrite" in said or f"{path} exists: a game is there" in said
        assert path.read_bytes() == b"mine" and not (tmp_path / "set").exists()
        path.unlink()
    png.write_bytes(b"mine")
    for words in commands[png][:1] + commands[png][-1:]:
        assert main([*words, "--overwrite"]) == 0
        assert png.read_bytes() != b"mine"
    before = (photos / "a.png").read_bytes()  # an input, or a file in a folder of inputs, is never replaced
    for words in (["data", "check", str(photos)], ["figure", "kinds", "--data", str(photos)]):
        assert main([*words, "--out", str(photos / "a.png"), "--overwrite"]) == 2
        assert "would be written over the input" in capsys.readouterr().err
    assert (photos / "a.png").read_bytes() == before
