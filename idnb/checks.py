"""Claims, checks of exercises, recorded predictions, recall questions. None of them raises: a notebook always runs on.

The words "correct", "close" and "not yet" are what a check prints; the tools of the series look for them. One thing
does raise, in the tests of the series alone: a claim that does not hold.
"""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["FALSE_CLAIM", "claim", "compare", "predict", "recall", "reveal"]

FALSE_CLAIM = "Does not hold here: "
"""What a claim that fails begins with; `tools.notebook_checks` looks for it in committed outputs."""

_predictions: dict[str, tuple[str, dict[str, str]]] = {}
"""Name of a prediction -> the key that was chosen ("" while undecided) and the texts of all options."""


def claim(sentence: str, holds: Any) -> None:
    """Print a sentence about what was measured, and say whether it holds.

    sentence: the claim with its number, such as `f"two samples are as alike as strangers ({mean:.2f})"`.
    holds: whether the measured numbers agree: a truth value, or one number or tensor that has one.
    Raises AssertionError: the claim does not hold, and IDNB_CLAIMS is "strict", as in the tests of the notebooks. A
    reader has changed something, perhaps, so a reader's notebook prints the line and runs on.
    """
    true = bool(holds)
    print(f"Holds: {sentence}." if true else f"{FALSE_CLAIM}{sentence}.")
    if not true and os.environ.get("IDNB_CLAIMS") == "strict":
        raise AssertionError(f"{FALSE_CLAIM}{sentence}")


def compare(
    yours: Any,
    expected: Any,
    name: str = "",
    tolerance: float = 1e-4,
    close: float = 0.05,
    mistakes: Mapping[str, Any] | None = None,
    hint: str = "",
    also: Sequence[Any] = (),
) -> None:
    """Compare an answer with the expected one, and say what may have gone wrong.

    yours: the student's answer: a tensor, array, number, text, truth value, or a list or dict of such.
    expected: the right answer, of the same kind.
    name: what is compared; printed before the verdict when there is more than one check.
    tolerance: numbers count as equal when they differ by at most this times the size of the expected values (their
        largest magnitude, at least 1e-8).
    close: the same for "close".
    mistakes: explanation -> the wrong answer it explains. Where `yours` equals one, its explanation is printed.
    hint: printed when the answer is wrong and no mistake is recognised; not to somebody who has not begun.
    also: other answers that are right as well, where the task can be read in more than one way.

    Prints one line: "correct", "close" or "not yet", with the reason. Never raises. Returns nothing, so that the last
    line of a cell stays clean.
    """
    prefix = f"{name}: " if name else ""
    try:
        verdict, why = _judge(yours, expected, tolerance, close)
        if any(_judge(yours, other, tolerance, 0.0)[0] == "correct" for other in also):
            verdict, why = "correct", ""
        if verdict != "correct":
            for explanation, wrong in (mistakes or {}).items():
                if _judge(wrong, expected, tolerance, 0.0)[0] != "correct" and (
                    _judge(yours, wrong, max(tolerance, 1e-3), 0.0)[0] == "correct"
                ):
                    verdict, why = "not yet", explanation
                    break
            else:
                why = f"{why}. {hint}" if hint and yours is not None and yours is not Ellipsis else why
    except Exception as error:  # the student's object may do anything when it is looked at
        verdict, why = "not yet", f"the answer cannot be compared ({type(error).__name__}: {error})"
    print(f"{prefix}{verdict}" + (f" – {why}" if why else ""))


def _judge(yours: Any, expected: Any, tolerance: float, close: float) -> tuple[str, str]:
    """Verdict and reason."""
    if yours is None:
        return "not yet", "the answer is None: does your function return its result, and is every blank filled in?"
    if yours is Ellipsis:
        return "not yet", "the answer is still ...: fill in the blank"
    if isinstance(yours, BaseException):
        return "not yet", f"your code stopped with {type(yours).__name__}: {yours}"
    if callable(yours) and not callable(expected) and not isinstance(yours, torch.Tensor):
        return "not yet", "the answer is a function: call it and hand over what it returns"
    if isinstance(expected, str):
        return _judge_text(yours, expected)
    if isinstance(expected, Mapping):
        return _judge_items(yours, expected, tolerance, close)
    if isinstance(expected, list | tuple) and not _is_numbers(expected):
        if not isinstance(yours, list | tuple) or len(yours) != len(expected):
            found = f"{len(yours)} parts" if isinstance(yours, list | tuple) else type(yours).__name__
            return "not yet", f"expected {len(expected)} parts, got {found}"
        return _judge_items(dict(enumerate(yours, 1)), dict(enumerate(expected, 1)), tolerance, close)
    return _judge_numbers(yours, expected, tolerance, close)


def _is_numbers(values: Any) -> bool:
    try:
        return np.asarray(values).dtype.kind in "biuf"
    except (ValueError, TypeError, RuntimeError):
        return False


def _judge_text(yours: Any, expected: str) -> tuple[str, str]:
    if not isinstance(yours, str):
        return "not yet", f"expected a text, got {type(yours).__name__}"
    if yours.strip() == expected.strip():
        return "correct", ""
    if yours.strip().casefold() == expected.strip().casefold():
        return "close", "only capital and small letters differ"
    return "not yet", f"{yours!r} is not it"


def _judge_items(yours: Any, expected: Mapping, tolerance: float, close: float) -> tuple[str, str]:
    if not isinstance(yours, Mapping):
        return "not yet", f"expected a dictionary with {', '.join(map(str, expected))}, got {type(yours).__name__}"
    missing = [str(key) for key in expected if key not in yours]
    if missing:
        return "not yet", f"there is no {', '.join(missing)}"
    verdicts = {key: _judge(yours[key], value, tolerance, close) for key, value in expected.items()}
    for wanted in ("not yet", "close"):
        for key, (verdict, why) in verdicts.items():
            if verdict == wanted:
                return verdict, f"{'part ' if isinstance(key, int) else ''}{key}: {why}"
    return "correct", ""


def _as_numbers(value: Any) -> torch.Tensor | None:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        return None
    return torch.from_numpy(np.array(array)) if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8 else None


def _range(values: torch.Tensor) -> str:
    return f"[{float(values.min()):.3g}, {float(values.max()):.3g}]"


def _judge_numbers(yours: Any, expected: Any, tolerance: float, close: float) -> tuple[str, str]:
    a, b = _as_numbers(yours), _as_numbers(expected)
    if b is None:
        same = type(yours) is type(expected) and bool(yours == expected)
        return ("correct", "") if same else ("not yet", f"expected {expected!r}, got {yours!r}")
    if a is None:
        wanted = "a number" if b.ndim == 0 else f"numbers {list(b.shape)}"
        return "not yet", f"expected {wanted}, got {type(yours).__name__}"
    if a.shape != b.shape:
        return _judge_shape(a, b, tolerance)
    if a.numel() == 0:
        return "correct", ""
    whole_a, whole_b = not a.is_floating_point(), not b.is_floating_point()
    x, y = a.double(), b.double()
    if torch.isnan(x).any() and not torch.isnan(y).any():
        n_bad = int(torch.isnan(x).sum())
        return "not yet", f"{n_bad} of {x.numel()} values are NaN: a division by zero, or the logarithm of 0?"
    if b.dtype == torch.bool or (whole_a and whole_b):
        wrong = int((x != y).sum())
        if wrong == 0:
            return "correct", ""
        text = f"{yours} is not it" if b.ndim == 0 else f"{wrong} of {x.numel()} values differ"
        return ("close" if 0 < wrong <= close * x.numel() and b.ndim > 0 else "not yet"), text
    scale = max(float(y[torch.isfinite(y)].abs().max()) if torch.isfinite(y).any() else 0.0, 1e-8)
    agree = (x == y) | (torch.isnan(x) & torch.isnan(y))  # infinities and NaNs in the same places agree
    difference = float(torch.where(agree, 0.0, (x - y).abs()).max())
    if difference <= tolerance * scale:
        return "correct", ""
    if b.ndim == 0:
        text = f"yours is {float(x):.4g}"
    else:
        text = f"the largest difference is {difference:.3g}"
        if close > 0 and difference > close * scale:
            text += f"; your values lie in {_range(x)}, expected {_range(y)}"
            if math.isclose(float(x.min()), 0.0, abs_tol=0.05 * scale) and float(y.min()) < -0.5 * scale:
                text += ": images here are in [-1, 1], not [0, 1] or [0, 255]"
    if whole_a and not whole_b:
        text += f"; your type is {a.dtype}: were digits cut off?"
    return ("close" if difference <= close * scale else "not yet"), text


def _judge_shape(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> tuple[str, str]:
    text = f"shape {list(a.shape)}, expected {list(b.shape)}"
    if a.squeeze().shape == b.squeeze().shape:
        return "not yet", f"{text}: only axes of length 1 differ; see unsqueeze, squeeze and keepdim"
    if a.ndim == b.ndim and sorted(a.shape) == sorted(b.shape):
        return "not yet", f"{text}: the axes are in another order; images are [B, C, H, W]"
    if a.ndim < b.ndim and b.ndim and tuple(b.shape[1:]) == tuple(a.shape):
        return "not yet", f"{text}: is the batch axis lost?"
    if b.ndim == 0 and a.numel() > 1:
        return "not yet", f"{text}: one number is wanted; is a mean or sum missing?"
    return "not yet", text


def predict(name: str, choice: Any, options: Mapping[str, str] | Sequence[str]) -> None:
    """Record a prediction before the result is seen.

    name: what is predicted; `reveal` finds it by this name.
    choice: the key of an option, such as "b"; "" or None while undecided.
    options: key -> text; a list gets the keys a, b, c, ...

    Prints what was recorded, or how to choose; never raises.
    """
    texts = _with_keys(options)
    key = _chosen(choice, texts)
    _predictions[str(name)] = (key or "", texts)
    if key is None:
        print(_asks(choice, texts, "prediction"))
    else:
        print(f"Your prediction is kept: {key}) {texts[key]}")


def reveal(name: str, outcome: str | Sequence[str], explanation: str = "") -> None:
    """Print the outcome beside the prediction that was recorded for it. Without a prediction nothing is given away.

    name: as in `predict`.
    outcome: the key of the option that came true ("b"), keys in a list if several tie, or what happened in words.
    explanation: one or two sentences on why.
    """
    key, texts = _predictions.get(str(name), ("", {}))
    if not key:
        print("No prediction yet: put your letter into the cell of the prediction, run that cell, then this one.")
        return
    outcomes = [outcome] if isinstance(outcome, str) else list(outcome)
    keys = [_chosen(one, texts) for one in outcomes]
    verdict = "" if None in keys else " – as you predicted" if key in keys else " – not as predicted"
    words = [one if k is None else f"{k}) {texts[k]}" for one, k in zip(outcomes, keys, strict=True)]
    print(f"You predicted:  {key}) {texts[key]}\nWhat happened:  {' and '.join(words)}{verdict}")
    if explanation:
        print(explanation)


def recall(question: str, options: Mapping[str, tuple[str, str]], solution: str, answer: Any = "") -> None:
    """Ask about an earlier notebook, with a sentence of feedback for every option.

    question: the question.
    options: key -> (text, feedback), such as `{"a": ("W+", "No: ..."), "b": (...)}`.
    solution: the key of the right option.
    answer: the key that the reader chose; "" while unanswered.

    Prints the question, the options and the feedback; never raises.
    """
    texts = {str(key): _part(value, 0) for key, value in options.items()}
    print(question)
    for key, text in texts.items():
        print(f"  {key}) {text}")
    chosen = _chosen(answer, texts)
    if chosen is None:
        print(_asks(answer, texts, "answer"))
        return
    right = chosen == str(solution)
    feedback = {str(key): _part(value, 1) for key, value in options.items()}[chosen]
    print(f"{chosen}) {'Right.' if right else 'Not this one.'} {feedback}".rstrip())


def _part(value: Any, index: int) -> str:
    if isinstance(value, str):
        return value if index == 0 else ""
    return str(value[index]) if len(value) > index else ""


def _with_keys(options: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    if isinstance(options, Mapping):
        return {str(key): str(text) for key, text in options.items()}
    return {chr(ord("a") + i): str(text) for i, text in enumerate(options)}


def _chosen(choice: Any, texts: Mapping[str, str]) -> str | None:
    """The key meant by a choice: capital letters, brackets, and the option's own text are understood."""
    plain = _plain(choice).strip("().").casefold()
    for key, text in texts.items():
        if plain and plain in (key.casefold(), text.strip().strip("().").casefold()):
            return key
    return None


def _plain(choice: Any) -> str:
    return str(choice).strip() if isinstance(choice, str | int | float) else ""


def _asks(choice: Any, texts: Mapping[str, str], what: str) -> str:
    keys = ", ".join(f'"{key}"' for key in texts)
    refused = f"{_plain(choice)!r} is none of the options. " if _plain(choice) else ""
    return f"{refused}Choose your {what}: one of {keys}, and run again."
