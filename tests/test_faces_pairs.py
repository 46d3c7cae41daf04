"""Pairs: the protocol's promises, values that must never change, and files."""

import re
import time
from pathlib import Path

import numpy as np
import pytest

from idnb.core.errors import InputError
from idnb.faces.pairs import MODES, Pairs, draw_pairs, load_pairs, save_pairs

PEOPLE = np.array([7, 7, 3, 7, 5, 5, 9, 7])  # 7 has four images, 5 two, 3 and 9 one

FIXED_ANY = [637, 17, 606, 935, 269, 813, 729, 816, 40, 911, 542, 2]
FIXED_SAME = [1, 7, 3, 3, 7, 0, 0, 7, 1, 5, 4, 0, 3, 1]


def as_sets(pairs: Pairs) -> dict[int, list[int]]:
    return {int(c): pairs.identity[pairs.contour == c].tolist() for c in np.unique(pairs.contour)}


def test_any_mode_draws_ten_different_others() -> None:
    pairs = draw_pairs(np.repeat(np.arange(15), 2), seed=1)
    assert len(pairs) == 300 and (np.bincount(pairs.contour) == 10).all()
    for contour, partners in as_sets(pairs).items():
        assert len(set(partners)) == 10 and contour not in partners and max(partners) < 30
    assert len(pairs.without_partner) == len(pairs.short) == 0
    assert str(pairs) == "300 pairs of 30 contours, mode any, seed 1"


def test_same_mode_lists_singletons() -> None:
    pairs = draw_pairs(PEOPLE, mode="same", count=2, seed=4)
    sets = as_sets(pairs)
    assert set(sets) == {0, 1, 3, 4, 5, 7} and sets[4] == [5] and sets[5] == [4]
    assert all(len(sets[c]) == 2 and set(sets[c]) < {0, 1, 3, 7} - {c} for c in (0, 1, 3, 7))
    assert pairs.without_partner.tolist() == [2, 6] and pairs.short.tolist() == [4, 5]
    assert "2 contours have fewer than 2 partners; 2 contours have no partner and no pair: 2, 6" in str(pairs)


def test_other_mode_never_shows_the_same_person() -> None:
    sets = as_sets(draw_pairs(PEOPLE, mode="other", count=8))
    assert sets[0] and set(sets[0]) == {2, 4, 5, 6} and set(sets[4]) == {0, 1, 2, 3, 6, 7}
    assert set(sets[6]) == {0, 1, 2, 3, 4, 5, 7}


def test_asking_for_all_gives_all_and_self_only_when_asked() -> None:
    sets = as_sets(draw_pairs(PEOPLE, count=99))
    assert all(set(partners) == set(range(8)) - {c} and len(partners) == 7 for c, partners in sets.items())
    sets = as_sets(draw_pairs(PEOPLE, count=99, allow_self=True))
    assert all(set(partners) == set(range(8)) for partners in sets.values())
    alone = draw_pairs(PEOPLE, mode="same", count=1, allow_self=True)
    assert as_sets(alone)[2] == [2] and len(alone.without_partner) == 0


def test_every_partner_and_every_place_is_equally_likely() -> None:
    counts, first = np.zeros(5), np.zeros(5)
    for seed in range(3000):
        pairs = draw_pairs(np.arange(6), count=2, seed=seed, contours=[2])
        counts += np.bincount(pairs.identity, minlength=6)[[0, 1, 3, 4, 5]]
        first += np.bincount(pairs.identity[:1], minlength=6)[[0, 1, 3, 4, 5]]
    assert np.abs(counts / 3000 - 0.4).max() < 0.04 and np.abs(first / 3000 - 0.2).max() < 0.035


def test_draws_never_change() -> None:
    # Written down once; must hold on every machine and with every version of numpy.
    assert draw_pairs(np.arange(1000), count=4, seed=0, contours=[0, 500, 999]).identity.tolist() == FIXED_ANY
    assert draw_pairs(PEOPLE, mode="same", count=3, seed=11).identity.tolist() == FIXED_SAME


def test_contours_can_be_a_part_of_the_set() -> None:
    pairs = draw_pairs(PEOPLE, contours=np.array([5, 1]), count=3)
    assert pairs.contour.tolist() == [1, 1, 1, 5, 5, 5] and pairs.n_images == 8


def test_the_size_of_the_paper_is_fast() -> None:
    people = np.random.Generator(np.random.PCG64(0)).integers(0, 604, 2824)
    start = time.perf_counter()
    assert len(draw_pairs(people)) == 28_240
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize("mode", MODES)
def test_save_and_load(mode: str, tmp_path: Path) -> None:
    pairs = draw_pairs(PEOPLE, mode=mode, count=3, seed=2)
    path = save_pairs(pairs, tmp_path / "new" / "pairs.csv")
    back = load_pairs(path, PEOPLE)
    for name, value in vars(pairs).items():
        np.testing.assert_array_equal(value, getattr(back, name), err_msg=name)
    assert [p.name for p in path.parent.iterdir()] == ["pairs.csv"]
    assert path.read_text().splitlines()[1] == "contour,identity"


def test_bad_files_are_named(tmp_path: Path) -> None:
    path = save_pairs(draw_pairs(PEOPLE, mode="same", count=2), tmp_path / "pairs.csv")
    text = path.read_text()
    last = text.splitlines()[-1]

    def complains(content: str, match: str, identities: np.ndarray | None = PEOPLE) -> None:
        path.write_text(content)
        with pytest.raises(InputError, match=rf"pairs\.csv.*{match}"):
            load_pairs(path, identities)

    complains(text[: -len(last) - 1], r"cut off")
    complains(text.replace(last, "7,7"), r"with itself")
    complains(text.replace(last, "7,2"), r"do not fit the mode 'same'")
    complains(text.replace(last, "7,800"), r"between 0 and 7")
    complains(text.replace(last, text.splitlines()[2]), r"twice")
    complains(text.replace('"same"', '"twin"'), r"unknown mode")
    complains(text, r"another set of faces", PEOPLE + 1)
    complains(text, r"another set of faces \(8 images; this one has 7\)", PEOPLE[:7])
    for broken in ("", "a,b\n1,2\n", text.replace(last, "7;2"), re.sub(r'"seed": \d+', '"sed": 1', text)):
        complains(broken, r"not a list of pairs")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"not a list of pairs"):
        load_pairs(path)
    with pytest.raises(InputError, match=r"missing\.csv does not exist"):
        load_pairs(tmp_path / "missing.csv")


def test_bad_arguments() -> None:
    for wrong in ([], [[1, 2]], [0.5, 1.5], ["a", "b"]):
        with pytest.raises(InputError, match=r"one whole number for each image"):
            draw_pairs(wrong)
    with pytest.raises(InputError, match=r"'twin'.*any, same, other"):
        draw_pairs(PEOPLE, mode="twin")
    for count in (0, -1, 2.0, True):
        with pytest.raises(InputError, match=r"count.*at least 1"):
            draw_pairs(PEOPLE, count=count)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"seed is -1"):
        draw_pairs(PEOPLE, seed=-1)
    with pytest.raises(InputError, match=r"0 to 7"):
        draw_pairs(PEOPLE, contours=[8])
    with pytest.raises(InputError, match=r"more than once"):
        draw_pairs(PEOPLE, contours=[1, 1])
    with pytest.raises(InputError, match=r"no pair is possible in mode 'same' with 3 image"):
        draw_pairs([1, 2, 3], mode="same")
    with pytest.raises(InputError, match=r"no pair is possible"):
        draw_pairs([1])
