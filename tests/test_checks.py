"""Checks say the right word and the likely mistake, and never raise."""

from typing import Any

import numpy as np
import pytest
import torch

from idnb.checks import FALSE_CLAIM, claim, compare, predict, recall, reveal


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: Any, **options: Any) -> str:
        assert compare(*arguments, **options) is None  # type: ignore[func-returns-value]
        return capsys.readouterr().out

    return run


X = torch.linspace(-1, 1, 24).reshape(1, 3, 2, 4)


@pytest.mark.parametrize(
    "yours, expected",
    [
        (X.clone(), X),
        (X.double().numpy(), X),
        (X + 5e-5, X),
        (3, 3),
        (3.0, 3),
        (torch.tensor(2.5), 2.5),
        (np.float32(2.5), 2.5),
        ([1, 2], (1, 2)),
        (" W+ ", "W+"),
        ((X, 3), (X, 3)),
        ({"a": X, "b": "c", "extra": 1}, {"a": X, "b": "c"}),
        (torch.tensor([1.0, float("inf"), float("nan")]), torch.tensor([1.0, float("inf"), float("nan")])),
        (True, True),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
        (torch.nn.Parameter(X.clone()), X),
    ],
)
def test_correct(yours: Any, expected: Any, says: Any) -> None:
    assert says(yours, expected) == "correct\n"


@pytest.mark.parametrize(
    "yours, expected, word",
    [
        (None, X, "None"),
        (..., X, "fill in"),
        (ValueError("no"), X, "stopped with ValueError: no"),
        (lambda x: x, X, "call it"),
        (X[0], X, "length 1"),
        (X[0], X.repeat(2, 1, 1, 1), "is the batch axis lost"),
        (X.movedim(1, -1), X, "another order"),
        (X.unsqueeze(0), X, "length 1"),
        (X.reshape(1, 4, 3, 2), X, "another order"),
        (X.reshape(24), X, r"shape [24], expected [1, 3, 2, 4]"),
        (X, 1.0, "mean or sum missing"),
        ("three", 3, "expected a number, got str"),
        (object(), X, "got object"),
        (X * float("nan"), X, "24 of 24 values are NaN"),
        ((X + 1) / 2, X, "in [-1, 1], not [0, 1]"),
        (2, 3, "2 is not it"),
        (2.0, 3.0, "yours is 2"),
        (torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 4, 3]), "2 of 4 values differ"),
        (X.long(), X, "digits cut off"),
        ("Z", "W", "'Z' is not it"),
        (4, "W", "expected a text, got int"),
        ({"a": 1}, {"a": 1, "b": 2}, "there is no b"),
        (7, {"a": 1}, "expected a dictionary"),
        ((1, "a"), (1, "b"), "part 2: 'a' is not it"),
        ((1,), (1, "b"), "expected 2 parts, got 1 parts"),
        (5, (1, "b"), "expected 2 parts, got int"),
        (False, True, "not it"),
        ([[1, 2], [3]], X, "got list"),
    ],
)
def test_not_yet_with_a_reason(yours: Any, expected: Any, word: str, says: Any) -> None:
    text = says(yours, expected, name="thing")
    assert text.startswith("thing: not yet – ") and word in text


def test_close(says: Any) -> None:
    assert says(X + 0.01, X).startswith("close – the largest difference is 0.01")
    assert says(1.02, 1.0).startswith("close – yours is 1.02")
    assert says("w+", "W+").startswith("close")
    assert says(X + 0.01, X, close=0.001).startswith("not yet")
    assert says(X + 0.01, X, tolerance=0.02) == "correct\n"
    labels = torch.zeros(100, dtype=torch.long)
    nearly = labels.clone()
    nearly[:3] = 1
    assert says(nearly, labels).startswith("close – 3 of 100 values differ")


def test_known_mistakes_are_explained(says: Any) -> None:
    mistakes = {"you forgot the square root": 9.0, "you added instead": 6.0, "not wrong at all": 3.0}
    assert says(9.0, 3.0, mistakes=mistakes) == "not yet – you forgot the square root\n"
    assert says(3.0, 3.0, mistakes=mistakes) == "correct\n"
    assert (
        says(5.0, 3.0, mistakes=mistakes, hint="think of Pythagoras") == "not yet – yours is 5. think of Pythagoras\n"
    )
    shapes = {"the channels come last here": X.movedim(1, -1)}
    assert "the channels come last here" in says(X.movedim(1, -1), X, mistakes=shapes)
    assert says(3.001, 3.0, mistakes={"you rounded": 3.001}) == "not yet – you rounded\n"


def test_a_task_may_have_more_than_one_right_answer(says: Any) -> None:
    assert says(4.0, 3.0, also=[4.0]) == says(3.0, 3.0, also=[4.0]) == "correct\n"
    assert says(4.0, 3.0, also=[4.0], mistakes={"one too many": 4.0}) == "correct\n"
    assert says(5.0, 3.0, also=[4.0, 6.0]).startswith("not yet")
    assert says(None, 3.0, also=["x"]).startswith("not yet")


def test_never_raises(says: Any) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("broken")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("broken")

        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("broken")

    for yours in (Broken(), [Broken()], {"a": Broken()}, torch.zeros(2).to_sparse(), "x", b"x", {1}):
        for expected in (X, 1.0, "a", [1, 2], {"a": 1}, {"a": X}, object(), None):
            says(yours, expected, mistakes={"oh": Broken()})


def test_prediction_beside_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["many people", "one person", "nobody"]
    predict("fits", "B", options)
    assert capsys.readouterr().out == "Your prediction is kept: b) one person\n"
    reveal("fits", "a", "Pixels average.")
    assert capsys.readouterr().out == (
        "You predicted:  b) one person\nWhat happened:  a) many people – not as predicted\nPixels average.\n"
    )
    predict("fits", "many people", options)
    reveal("fits", "a")
    assert "a) many people – as you predicted" in capsys.readouterr().out
    reveal("fits", ["a", "b"])
    assert "What happened:  a) many people and b) one person – as you predicted\n" in capsys.readouterr().out
    reveal("fits", ["b", "c"])
    assert "b) one person and c) nobody – not as predicted\n" in capsys.readouterr().out
    reveal("fits", "three of five")
    assert capsys.readouterr().out.endswith("What happened:  three of five\n")


@pytest.mark.parametrize("choice", ["", None, ..., [], torch.zeros(2)])
def test_no_prediction_yet(choice: Any, capsys: pytest.CaptureFixture[str]) -> None:
    predict("later", choice, {"x": "up", "y": "down"})
    assert capsys.readouterr().out == 'Choose your prediction: one of "x", "y", and run again.\n'
    for name in ("later", "never asked"):
        reveal(name, "x", "Because it is so.")
        text = capsys.readouterr().out
        assert text.startswith("No prediction yet") and "up" not in text and "Because" not in text
    predict("later", "y", {"x": "up", "y": "down"})
    reveal("later", "x", "Because it is so.")
    assert "What happened:  x) up – not as predicted\nBecause it is so.\n" in capsys.readouterr().out


@pytest.mark.parametrize("strict", ["", "strict"])
def test_a_claim_says_whether_it_holds(
    strict: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDNB_CLAIMS", strict)
    for true in (True, np.float32(0.2) < 0.3, torch.tensor(0.2) < 0.3):
        claim("strangers differ (0.20 of 0.30)", true)
        assert capsys.readouterr().out == "Holds: strangers differ (0.20 of 0.30).\n"
    for false in (False, torch.tensor(float("nan")) < 0.3):
        if strict:
            with pytest.raises(AssertionError, match="strangers differ"):
                claim("strangers differ", false)
        else:
            claim("strangers differ", false)
        assert capsys.readouterr().out == f"{FALSE_CLAIM}strangers differ.\n"


def test_recall_gives_feedback_for_each_option(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"a": ("Z", "Z is where we sample."), "b": ("W+", "One style per layer.")}
    asked = "Which space?\n  a) Z\n  b) W+\n"
    recall("Which space?", options, "b", "b")
    assert capsys.readouterr().out == asked + "b) Right. One style per layer.\n"
    recall("Which space?", options, "b", "(A)")
    assert capsys.readouterr().out == asked + "a) Not this one. Z is where we sample.\n"
    recall("Which space?", options, "b")
    assert capsys.readouterr().out == asked + 'Choose your answer: one of "a", "b", and run again.\n'
    recall("Which space?", options, "b", "q")
    assert "'q' is none of the options" in capsys.readouterr().out
    recall("?", {"a": "only text"}, "a", "a")  # type: ignore[dict-item]


def test_who_has_not_begun_gets_no_hint(capsys):
    compare(..., 1.0, hint="the answer is one")
    assert "the answer is one" not in capsys.readouterr().out
    compare(2.0, 1.0, hint="the answer is one")
    assert "the answer is one" in capsys.readouterr().out
