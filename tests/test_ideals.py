"""Ideal results: one's own is one's picture, bit by bit; who sits, in whose colours; sets of triples."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from idnb.__main__ import main
from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.evaluation.dataset import load_evaluation_set
from idnb.evaluation.game import pair_trials
from idnb.evaluation.ideal import IdealResults
from idnb.evaluation.setting import Setting, pairs_of
from idnb.experiments.ablation import Budget, build_encoder, run_variant
from idnb.experiments.stored import read_results
from idnb.experiments.tables import method_table
from idnb.experiments.variants import TABLES
from idnb.faces.labels import LABEL_NAMES
from idnb.faces.render.ideals import COLOURS_OF_CLOTHES, COLOURS_OF_PERSON, IdealPlan, ideal_result
from idnb.faces.render.sets import SetPlan, make_set, render_person
from idnb.faces.set_files import set_checksum
from idnb.faces.sources import load_faces
from idnb.faces.triples import COLOURS, load_triples
from idnb.models.encoder_files import load_encoder
from idnb.models.stylegan2_files import load_generator
from idnb.training.ideals import read_ideals
from idnb.training.pair_data import read_pair_data
from tests.evaluation_people import colour_set

PEOPLE = SetPlan(identities=6, shots=2, seed=5, size=32)
WORDS = ["render", "--identities", "6", "--shots", "2", "--seed", "5", "--size", "32"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of some people and that of their ideal results."""
    folder = tmp_path_factory.mktemp("sets")
    assert main([*WORDS, "--out", str(folder / "people")]) == 0
    assert main([*WORDS, "--pairs", "5", "--out", str(folder / "ideals")]) == 0
    return folder / "people", folder / "ideals"


@pytest.mark.parametrize("colours", COLOURS)
def test_ones_own_ideal_result_is_ones_picture(colours: str) -> None:
    for identity in range(2):
        strips = render_person(PEOPLE, identity)
        for shot in range(PEOPLE.shots):
            row = identity * PEOPLE.shots + shot
            for drawn, strip in zip(ideal_result(PEOPLE, row, row, colours), strips, strict=True):
                np.testing.assert_array_equal(drawn, strip[:, shot * 32 : (shot + 1) * 32])


def test_the_person_is_given_and_the_rest_is_the_contours() -> None:
    """A dark person without glasses in front of the camera, a fair one with glasses and a beard takes the seat."""
    crowd = SetPlan(identities=300, shots=2, seed=3, size=64)
    drawn = [crowd.identity(i)[0] for i in range(120)]
    dark = next(
        i
        for i, p in enumerate(drawn)
        if p["skin.melanin"] > 0.8 and not p["glasses.worn"] and crowd.shot(i, 0)["cloth.neckline"] > 0.025
    )
    fair = next(i for i, p in enumerate(drawn) if p["skin.melanin"] < 0.2 and p["glasses.worn"])
    own, own_labels = render_person(crowd, dark)
    own, own_labels = own[:, :64], own_labels[:, :64]

    def mean(image: NDArray[np.uint8], labels: NDArray[np.uint8], name: str) -> NDArray[np.float64]:
        return image[labels == LABEL_NAMES.index(name)].mean(0)

    results = {colours: ideal_result(crowd, 2 * dark, 2 * fair, colours) for colours in COLOURS}
    (dyed, labels), (undyed, same) = results["contour"], results["identity"]
    glasses = LABEL_NAMES.index("eye_g")
    assert (labels == glasses).sum() > 20 and not (own_labels == glasses).any() and not (same == glasses).any()
    hair = [found == LABEL_NAMES.index("hair") for found in (own_labels, labels, same)]
    assert (hair[2] ^ hair[0]).sum() < (hair[1] ^ hair[0]).sum()  # the contour's cut, on another head
    assert np.abs(mean(dyed, labels, "nose") - mean(own, own_labels, "nose")).mean() < 15
    assert (mean(undyed, same, "nose") - mean(own, own_labels, "nose")).min() > 30
    np.testing.assert_array_equal(dyed[0, 0], own[0, 0])  # the same background
    # Which picture of the person was handed in: nothing of it but the colour of the clothes is seen.
    np.testing.assert_array_equal(ideal_result(crowd, 2 * dark, 2 * fair + 1, "contour")[0], dyed)
    other, _ = ideal_result(crowd, 2 * dark, 2 * fair + 1, "identity")
    cloth = same == LABEL_NAMES.index("cloth")
    changed = np.abs(other.astype(int) - undyed).max(2) > 0
    assert changed[cloth].mean() > 0.9 and changed[~cloth].mean() < 0.02  # pixels at the edge hold some cloth


def test_a_set_of_triples(sets: tuple[Path, Path]) -> None:
    people, plan = load_faces(sets[0]), IdealPlan(6, 2, 5, 32, pairs=5)
    expected = pairs_of(Setting("any method", contours=5, count=1), people.identity)
    for colours in COLOURS:
        triples = load_triples(sets[1], people, colours)
        assert len(triples) == len(triples.ideal) == 5
        assert {*zip(triples.contour, triples.given, strict=True)} == {
            *zip(expected.contour, expected.identity, strict=True)
        }
        for row, (contour, given) in enumerate(zip(triples.contour, triples.given, strict=True)):
            image, labels = ideal_result(PEOPLE, int(contour), int(given), colours)
            stored = triples.ideal.pixels([row])[0]
            assert np.abs(image.astype(int) - stored).mean() < 6  # what WebP loses of so few pixels
            np.testing.assert_array_equal(triples.ideal.label_maps([row])[0], labels)
            of_person = contour if colours == "contour" else given
            for names, source in ((COLOURS_OF_PERSON, of_person), (COLOURS_OF_CLOTHES, of_person)):
                for name in names:
                    assert triples.ideal.parameters[name][row] == people.parameters[name][source]
            of_cut = given if colours == "contour" else contour
            for name, source in (("shape.chin-width-incr", given), ("hair.cut", of_cut), ("pose.yaw", contour)):
                assert triples.ideal.parameters[name][row] == people.parameters[name][source]
    assert json.loads((sets[1] / "card.json").read_text())["command"] == plan.command
    assert set_checksum(sets[1]) == json.loads((sets[1] / "card.json").read_text())["sha256"]


def test_batches_with_ideal_results(sets: tuple[Path, Path]) -> None:
    """A triple's photo is its ideal result, its contour and identity image those of the pair; mirrored or not."""
    preset, people = replace(TINY, encoder_size=32, loss_size=32, low_res_size=4), load_faces(sets[0])
    data = read_pair_data([people], "low_res", preset, cache=False, report=lambda _: None)
    assert data.ideals is None and len(data.draw(8, torch.Generator().manual_seed(0)).photo) == 8
    data.ideals = read_ideals(sets[1], people, "low_res", preset, 1.0)
    triples = load_triples(sets[1], people, "contour")
    batch = data.draw(20, torch.Generator().manual_seed(1))
    shown = triples.ideal.images(list(range(5)))
    for photo, x_id, contour in zip(batch.photo, batch.x_id, batch.contour_input, strict=True):
        apart = [min((photo - one).abs().max(), (photo.flip(2) - one).abs().max()) for one in shown]
        which = int(torch.stack(apart).argmin())
        assert apart[which] < 0.01
        of_contour, of_given = (people.images([int(rows[which])])[0] for rows in (triples.contour, triples.given))
        assert min((x_id - of_given).abs().max(), (x_id.flip(2) - of_given).abs().max()) < 0.01
        small = contour_kind("low_res", size=4)
        expected = small.network_input(small.make(of_contour[None]), 32)[0]
        mirrored = (photo.flip(2) - shown[which]).abs().max() < 0.01
        assert (contour - (expected.flip(2) if mirrored else expected)).abs().max() < 0.01
    data.ideals = replace(data.ideals, share=0.5)
    which = data.ideals.mix(torch.zeros(400).long(), torch.zeros(400).long(), torch.Generator().manual_seed(2))[2]
    assert 150 < (which >= 0).sum() < 250 and which.max() == 4


def test_an_interrupted_set_goes_on_and_is_used_as_far_as_it_is(sets: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "ideals"
    plan = IdealPlan(6, 2, 5, 32, pairs=5)
    make_set(plan, folder, workers=2)
    assert set_checksum(folder) == set_checksum(sets[1])
    card = json.loads((folder / "card.json").read_text())
    del card["sha256"]
    (folder / "card.json").write_text(json.dumps(card))
    last = plan.numbers[-1]
    (folder / "images" / f"{last:05d}.webp").unlink()
    told: list[str] = []
    some = load_triples(folder, load_faces(sets[0]), "contour", told.append)
    assert len(some) == 5 - plan.pictures(last) // 2 and "people are rendered so far" in told[0]
    assert main([*WORDS, "--pairs", "5", "--out", str(folder)]) == 0
    assert set_checksum(folder) == set_checksum(sets[1])


def test_bad_triples(sets: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people, ideals = sets
    everybody = load_faces(people)
    with pytest.raises(InputError, match=r"colours is 'both'; choose one of: contour, identity"):
        load_triples(ideals, everybody, "both")
    with pytest.raises(InputError, match=r"people holds no ideal results; make some with `idnb render --pairs`"):
        load_triples(people, everybody, "contour")
    for others in (load_faces("test"), everybody.select([0, 1])):
        with pytest.raises(
            InputError, match=r"belongs to the people of `idnb render --identities 6 --shots 2 --seed 5`"
        ):
            load_triples(ideals, others, "contour")
    assert main([*WORDS, "--pairs", "13", "--out", str(tmp_path / "new")]) == 2
    assert "pairs is 13; the set has 12 pictures" in capsys.readouterr().err
    assert main([*WORDS, "--out", str(ideals)]) == 2
    assert "holds another set" in capsys.readouterr().err


def test_the_game_on_ideal_results(sets: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sheets show the ideal results of the pairs, and the person asked for is the one that was given."""
    out = tmp_path / "sheets"
    words = ["game", "--data", str(sets[0]), "--ideals", str(sets[1]), "--trials", "4"]
    assert main([*words, "--out", str(out)]) == 0
    known = json.loads((tmp_path / "sheets.key.json").read_text())
    assert list(known["right"]) == [f"colours_of_{colours}-{i}" for colours in COLOURS for i in range(1, 5)]
    people = load_faces(sets[0])
    for colours in COLOURS:
        triples = load_triples(sets[1], people, colours)
        two = [
            r for r in np.argsort(triples.contour) if people.identity[triples.contour[r]] != triples.ideal.identity[r]
        ]
        with Image.open(out / f"colours_of_{colours}_1.png") as sheet:
            for row, place in enumerate(two[:4]):
                shown = np.asarray(sheet.crop((0, 220 * row + 20, 192, 220 * row + 212)))
                small = Image.fromarray(triples.ideal.pixels([place])[0])
                np.testing.assert_array_equal(shown, np.asarray(small.resize((192, 192), Image.Resampling.BICUBIC)))
    assert main([*words, "--kind", "sketch", "--out", str(tmp_path / "new")]) == 2
    assert "ideal results are the same for all kinds" in capsys.readouterr().err
    assert main([*words[:-1], "30", "--out", str(tmp_path / "new")]) == 2
    assert "pairs show two people; ask for fewer or render more pairs" in capsys.readouterr().err


def test_trials_over_pairs() -> None:
    identity = np.repeat(np.arange(8), 3)
    contour, given = np.array([0, 1, 4, 9, 20]), np.array([5, 2, 3, 16, 1])  # the second and the third show one person
    trials = pair_trials(identity, contour, given, 3, seed=1)
    assert [(trial.contour, trial.given) for trial in trials] == [(0, 5), (9, 16), (20, 1)]
    for trial in trials:
        shown = identity[list(trial.candidates)]
        assert len(set(shown)) == 4 and identity[trial.contour] not in shown
        assert shown[trial.right] == identity[trial.given] and trial.candidates[trial.right] != trial.given
    assert (
        trials == pair_trials(identity, contour, given, 3, seed=1) != pair_trials(identity, contour, given, 3, seed=2)
    )
    with pytest.raises(InputError, match="trials: 4, but only 3 pairs show two people"):
        pair_trials(identity, contour, given, 4, seed=1)


def test_a_variant_learns_from_ideal_results(sets: tuple[Path, Path], tmp_path: Path) -> None:
    """The bundled encoder goes on with them; without a folder of them it does not begin."""
    variant, people = TABLES["tradeoff"][0], load_faces(str(sets[0]))
    budget = Budget(images=4, batch=2, steps=1, contours=2)
    arguments = (variant, 0, budget, load_generator("tiny"), [people], colour_set())
    with pytest.raises(InputError, match="learns from ideal results"):
        run_variant(*arguments, tmp_path / "without")
    assert not (tmp_path / "without").exists()
    result = run_variant(*arguments, tmp_path / "with", ideals=sets[1])
    assert result is not None and result["training"]["variant"]["p_ideal"] == 0.6
    begun, bundled = build_encoder(variant, "low_res", "tiny", 0), load_encoder("tiny", "low_res")
    assert all(
        torch.equal(a, b) and a.requires_grad for a, b in zip(begun.parameters(), bundled.parameters(), strict=True)
    )


def test_ideal_results_are_measured_as_a_method(sets: tuple[Path, Path], tmp_path: Path) -> None:
    """Beside methods on the same pairs; every picture is that of its pair, and no other pair is answered."""
    people, ideals = (str(folder) for folder in sets)
    words = ["evaluate", "average", "--kind", "sketch", "--contours", "5", "--count", "1", "--data", people]
    words += ["--reference", "none", "--ideals", ideals, "--out", str(tmp_path / "runs")]
    assert main([*words, "--store", str(tmp_path / "kept")]) == 0
    results = read_results(tmp_path / "kept")
    assert {result["setting"]["method"]: result["pairs"] for result in results} == {"average": 5, "ideal": 5}
    assert "| **ideal results** |" in method_table(results)
    faces = load_faces(people)
    data = load_evaluation_set(faces, judges=["judge"], kind="sketch")
    method = IdealResults(ideals, faces, data, "sketch")
    pairs = pairs_of(method.setting, faces.identity)
    x_c, x_id = data.contours("sketch", pairs.contour), data.images(pairs.identity)
    backwards = method.generate(None, x_c.flip(0), x_id.flip(0)).images[:, 0]
    triples = load_triples(ideals, faces, "identity")
    order = {key: row for row, key in enumerate(zip(triples.contour.tolist(), triples.given.tolist(), strict=True))}
    rows = [order[key] for key in zip(pairs.contour.tolist(), pairs.identity.tolist(), strict=True)]
    torch.testing.assert_close(backwards.flip(0), triples.ideal.images(rows))
    with pytest.raises(InputError, match="a pair has no ideal result"):
        method.generate(None, x_c, x_id.flip(0))


def test_half_a_set_of_ideal_results_is_not_measured(sets: tuple[Path, Path], tmp_path: Path) -> None:
    people, whole = load_faces(str(sets[0])), sets[1]
    data = load_evaluation_set(people, judges=["judge"], kind="sketch")
    assert len(IdealResults(whole, people, data, "sketch").checksum) == 64
    half = tmp_path / "half"
    shutil.copytree(whole, half)
    card = json.loads((half / "card.json").read_text())
    del card["sha256"]
    (half / "card.json").write_text(json.dumps(card))
    max((half / "images").iterdir()).unlink()
    with pytest.raises(InputError, match=r"half: \d of 5 pairs are rendered; finish it"):
        IdealResults(half, people, data, "sketch")
