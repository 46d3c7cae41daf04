"""A short run of `tools.fuzz`: broken files for every reader, each a right answer or an InputError."""

import random

import pytest

from idnb.core.errors import InputError
from tools.fuzz import GOOD, fuzz, run_case
from tools.fuzz_mutations import BLIND, BOMB, KNOWING, MUTATIONS, bomb, spoil
from tools.fuzz_targets import TARGETS, Target


@pytest.mark.slow
def test_every_broken_file_is_read_or_named():
    outcomes = fuzz(list(range(150)), seed=7)
    assert len(outcomes) == 150 and len({outcome.target for outcome in outcomes}) > len(TARGETS) // 2
    bad = [outcome for outcome in outcomes if outcome.kind not in GOOD]
    assert not bad, "\n\n".join(f"case {o.case}: {o.target}, {o.mutation}: {o.kind}\n{o.detail}" for o in bad)
    assert sum(outcome.kind == "InputError" for outcome in outcomes) > 50


def missing(folder):
    (folder / "nothing").read_bytes()


def named(folder):
    raise InputError("a.txt is damaged")


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (lambda folder: None, "answer"),
        (lambda folder: "seven is no colour", "wrong"),
        (lambda folder: str(1 / 0), "traceback"),
        (missing, "OSError"),
        (named, "InputError"),
    ],
)
def test_what_became_of_a_case_is_told_apart(monkeypatch, tmp_path, read, kind):
    (tmp_path / "valid" / "numbers").mkdir(parents=True)
    (tmp_path / "valid" / "numbers" / "a.txt").write_text("1,2\n")
    monkeypatch.setitem(TARGETS, "numbers", Target(lambda folder: None, read))
    found = [run_case(tmp_path / "valid", ["numbers"], 0, 3, tmp_path / "work") for _ in range(2)]
    assert found[0][:3] == found[1][:3] and found[0][2] == kind and found[0][1].startswith("a.txt ")
    assert (kind in GOOD) == (kind in ("answer", "OSError", "InputError"))
    assert (tmp_path / "valid" / "numbers" / "a.txt").read_text() == "1,2\n"


def test_mutations_come_again_and_differ():
    content, others = bytes(range(256)) * 8, [b"another file" * 50]
    for name in (mutation.__name__ for mutation in BLIND):
        made = {MUTATIONS[name](content, others, random.Random(seed)) for seed in range(20)}
        assert (len(made) > 3 and content not in made) or name in ("cut", "repeat", "splice", "another")
        assert MUTATIONS[name](content, others, random.Random(5)) == MUTATIONS[name](content, others, random.Random(5))
    assert {mutation.__name__ for mutation in (*BLIND, *KNOWING)} == set(MUTATIONS)
    way, changed = spoil(b'{"a": [1, 2]}', others, random.Random(2))
    assert way in MUTATIONS and isinstance(changed, bytes)
    assert len(bomb()) < BOMB // 500
