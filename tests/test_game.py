"""The game "which of four is drawn?": fair trials, sheets with the right pictures, answers, scores by hand."""

import json

import numpy as np
import pytest
import torch

from idnb.__main__ import main
from idnb.core.errors import InputError
from idnb.evaluation.game import LETTERS, draw_sheet, draw_trials, judge_answers, read_answers, score
from idnb.evaluation.intervals import share_interval

IDENTITY = np.repeat(np.arange(10), 3)


def test_trials_are_fair():
    trials = draw_trials(IDENTITY, 60, seed=1)
    for trial in trials:
        people = IDENTITY[list(trial.candidates)]
        assert len(set(people)) == 4 and IDENTITY[trial.contour] not in people
        assert people[trial.right] == IDENTITY[trial.given] and trial.candidates[trial.right] != trial.given
    assert {trial.right for trial in trials} == {0, 1, 2, 3}
    assert trials == draw_trials(IDENTITY, 60, seed=1) != draw_trials(IDENTITY, 60, seed=2)
    with pytest.raises(InputError, match="a game needs one trial"):
        draw_trials(np.arange(10), 5, seed=0)  # nobody has a second picture


def test_the_judge_answers_from_the_same_pictures():
    def colour(images):
        return torch.nn.functional.normalize(images.mean((2, 3)), dim=1)

    people = torch.eye(3)[:, :, None, None].expand(3, 3, 8, 8)
    candidates = torch.stack([people[0], people[1], people[2], -people[0]])[None]  # [1, 4, 3, 8, 8]
    assert judge_answers(colour, people[1:2], candidates) == ["b"]


def test_a_sheet_shows_each_picture_in_its_place():
    drawn = torch.full((2, 3, 16, 16), -1.0)
    candidates = torch.full((2, 4, 3, 16, 16), 1.0)
    candidates[1, 2] = 0.0
    sheet = np.asarray(draw_sheet(drawn, candidates, ["sketch-1", "sketch-2"]))
    middle = sheet.shape[0] // 2
    grey = np.argwhere((sheet[middle:] == 127).all(2) | (sheet[middle:] == 128).all(2))
    assert len(grey) == 192 * 192  # one grey picture, in the second row
    assert grey[:, 1].min() == 3 * 200 + 24  # third candidate, after the drawn one


def test_answers_are_read_line_by_line():
    names = ["sketch-1", "sketch-2"]
    assert read_answers("# mine\nsketch-2 B\n\nsketch-1 a # sure\n", names, "f") == {"sketch-2": "b", "sketch-1": "a"}
    for text, said in (
        ("sketch-1 e", "f, line 1: 'sketch-1 e' is no answer"),
        ("sketch-9 a", "is no answer"),
        ("sketch-1 a\nsketch-1 b", "line 2: 'sketch-1' is answered twice"),
        ("sketch-1 a", "f: 'sketch-2' has no answer"),
    ):
        with pytest.raises(InputError, match=said):
            read_answers(text, names, "f")


def test_scores_by_hand():
    right = dict(zip("wxyz", "abcd", strict=True))
    found = score(dict(zip("wxyz", "abca", strict=True)), right, dict(zip("wxyz", "abba", strict=True)))
    assert (found.share.value, found.judge.value, found.agreement.value) == (0.75, 0.5, 0.75)
    # Wilson for 3 of 4: (0.75 + 3.8415 / 8) / (1 + 3.8415 / 4) = 0.6275, half 0.3270
    assert found.share.low == pytest.approx(0.3006, abs=2e-4) and found.share.high == pytest.approx(0.9544, abs=2e-4)
    assert share_interval(0, 5).low == pytest.approx(0) and share_interval(5, 5).high == pytest.approx(1)
    with pytest.raises(InputError, match="6 of 5 trials"):
        share_interval(6, 5)


def test_the_whole_game(tmp_path, capsys):
    out, answers, key = tmp_path / "sheets", tmp_path / "mine.txt", tmp_path / "sheets.key.json"
    words = ["game", "--out", str(out)]
    assert main([*words, "--answers", str(answers)]) == 2 and "does not exist" in capsys.readouterr().err
    assert main([*words, "--kind", "low_res", "--trials", "7"]) == 0
    assert [path.name for path in sorted(out.iterdir())] == ["low_res_1.png", "low_res_2.png"]
    assert "7 trials" in capsys.readouterr().out
    known = json.loads(key.read_text())
    assert list(known["right"]) == [f"low_res-{i}" for i in range(1, 8)]
    assert main([*words, "--trials", "7"]) == 2 and "a game is there already" in capsys.readouterr().err
    answers.write_text("\n".join(f"{name} {letter}" for name, letter in known["right"].items()))
    assert main([*words, "--answers", str(answers)]) == 0
    text = capsys.readouterr().out
    assert "all: n = 7; right 100 % (65–100)" in text and "chance 25 %" in text
    share = sum(known["judge"][name] == letter for name, letter in known["right"].items()) / 7
    assert f"as the judge {100 * share:.0f} %" in text and share > 0.5  # the bundled encoder draws who it was given
    assert set(known["judge"].values()) <= set(LETTERS)
    key.write_text("{}")
    assert main([*words, "--answers", str(answers)]) == 2 and "is damaged" in capsys.readouterr().err
