"""Differences between rows, the paper's signs, and what tables say of themselves; numbers worked out by hand."""

import json

import pytest

from idnb.__main__ import main
from idnb.evaluation.protocol import weights_fingerprint
from idnb.evaluation.store import RESULTS
from idnb.experiments.columns import column, table_columns
from idnb.experiments.sentences import sentences
from idnb.experiments.signs import paired_difference, sign_table, verdict
from idnb.experiments.stored import grouped
from idnb.experiments.tables import method_table
from idnb.models.stylegan2_files import load_generator

BANDS = {"judge": {"same": {"mean": 0.8, "n": 30}, "strangers": {"mean": 0.0, "n": 90}, "rank1": 0.9}}


def run(method, judge, seed=None, pairs=1000, perceptual="LPIPS (AlexNet, 128 px)", **metrics):
    """A stored result with few figures."""
    content = {
        "setting": {"method": method, "kind": "low_res", "mode": "any", "count": 10, "contour_size": None},
        "set": "test",
        "pairs": pairs,
        "contours": pairs // 10,
        "people": 300,
        "parameters": 0,
        "names": {"perceptual": perceptual, "frechet": "Frechet distance", "kernel": "kernel distance", "gallery": "g"},
        "distributions": BANDS,
        "oracle": {"frechet": 0.5, "kernel": 0.001},
        "metrics": {
            "perceptual": {"value": 0.4},
            "judge.training": {"similarity": {"value": judge}},
            "judge.judge": {"similarity": {"value": judge}},
            "frechet": {"value": 9.0},
            "kernel": {"value": 0.05},
            **metrics,
        },
    }
    return content | ({} if seed is None else {"training": {"seed": seed}})


def test_differences_are_taken_seed_by_seed():
    ours = [run("a", value, seed) for seed, value in enumerate((0.30, 0.41, 0.52))]
    other = [run("b", value, seed) for seed, value in enumerate((0.10, 0.20, 0.30, 0.9))]
    mean, low, high, seeds = paired_difference(ours, other, "judge.judge/similarity")
    # differences 0.20, 0.21, 0.22: mean 0.21, sd 0.01, t(2) = 4.303, half width 4.303 * 0.01 / sqrt(3)
    assert seeds == 3 and mean == pytest.approx(0.21)
    assert high - mean == pytest.approx(0.0248433, abs=1e-6) and mean - low == pytest.approx(0.0248433, abs=1e-6)
    assert paired_difference(ours[:1], other, "judge.judge/similarity") is None  # one seed has no scatter
    assert paired_difference([run("c", 0.5)], other, "judge.judge/similarity") is None  # not trained: no seed


@pytest.mark.parametrize(
    ("interval", "paper", "said"),
    [((0.1, 0.3), 0.2, "agrees"), ((0.1, 0.3), -0.2, "reversed"), ((-0.1, 0.3), 0.2, "open"), ((-2, -1), -1, "agrees"),
     ((0.1, 0.3), 0.0, "open")],
)  # fmt: skip
def test_verdicts(interval, paper, said):
    assert verdict(*interval, paper) == said


def test_signs_beside_the_papers():
    values = {"pSp": (0.10, 0.12), "ReStyle": (0.20, 0.22), "dual, trained alike": (0.50, 0.52)}
    results = [run(name, value, seed) for name, pair in values.items() for seed, value in enumerate(pair)]
    results.append(run("pulse", 0.9, pairs=100))
    text = sign_table("table1", results)
    row = next(line for line in text.splitlines() if line.startswith("| ReStyle − pSp"))
    # the paper: IDSIM falls from pSp to ReStyle; here it rises by 0.1 with both seeds; equal Frechet distances: open
    assert row.count("reversed") == 2 and row.count("open") == 2 and "| 2 |" in row
    assert "| the paper's encoder − PULSE | none in common |" in text
    assert "Of 24 signs: 4 agrees, 2 reversed, 18 open" in text
    assert "The largest clash is PULSE: in the paper its IDSIM is 0.0215, place 4 of 4; here it is 0.900" in text


def test_sentences_say_what_intervals_carry():
    results = [run("a", value, seed) for seed, value in enumerate((0.30, 0.41, 0.52))]
    results += [run("b", value, seed) for seed, value in enumerate((0.10, 0.20, 0.30))]
    results += [run("dual", 0.6), run("copy", 1.0)]
    told = sentences(results, table_columns(results))
    assert "'a' is first (0.410) and 'b' next (0.200); paired over 3 seeds 0.210 (0.185–0.235): more" in told[0]
    assert "'a' 0.110, 'b' 0.100" in told[1]
    assert "'dual' 75 %" in told[2]  # 0.6 of 0.8
    assert "best of all rows on these pairs in 2 of" in told[3] and "judge ('copy')" in told[3]
    assert "distance" not in told[3]  # a tie is no win
    results = [run("a", value, seed) for seed, value in enumerate((0.30, 0.41, 0.12))]
    results += [run("b", value, seed) for seed, value in enumerate((0.10, 0.20, 0.30))]
    assert "open, as the interval holds 0" in sentences(results, table_columns(results))[0]


def test_one_seed_is_marked_and_its_comparisons_counted():
    results = [run("a", 0.3, 0), run("b", 0.2, 0), run("c", 0.1, 0), run("c", 0.1, 1)]
    text = method_table(results, ["judge.judge/similarity", "frechet"])
    assert "| a † |" in text and "| b † |" in text and "| c |" in text and "† One training" in text
    assert "6 comparisons (pairs of rows x columns) rest on a row of one seed" in text  # a-b, a-c, b-c, two columns


def test_searches_say_how_far_they_are_on_the_way_to_the_person():
    text = method_table([run("pulse", 0.5, pairs=100), run("pulse_without_identity", 0.0, pairs=100)])
    said = next(line for line in text.splitlines() if line.startswith("- Searches: share of the way"))
    same, strangers = (run("pulse", 0.5)["distributions"]["judge"][who]["mean"] for who in ("same", "strangers"))
    assert f"'pulse' {100 * (0.5 - strangers) / (same - strangers):.0f} %" in said
    assert f"'pulse_without_identity' {100 * (0.0 - strangers) / (same - strangers):.0f} %" in said


def test_a_column_holds_one_n_and_one_name():
    results = [run("dual", 0.6), run("pulse", 0.5, pairs=100), run("dual", 0.61, pairs=100)]
    large, small = method_table(results).split("**On 100 pairs (10 contours):**")
    assert "Frechet distance ↓" in large and "pulse" not in large
    assert (
        "kernel distance ↓" in small and "Frechet" not in small and "| dual |" in small
    )  # few images: the unbiased one
    two = [run("dual", 0.6), run("average", 0.0, perceptual="LPIPS (VGG16, 128 px)")]
    lines = method_table(two, ["perceptual"]).splitlines()
    assert [head.strip() for head in lines[0].split("|")[3:5]] == [
        "LPIPS (AlexNet, 128 px) ↓",
        "LPIPS (VGG16, 128 px) ↓",
    ]
    assert "| dual | 1,000 = 100 x 10; 1; bootstrap | 0.400 | – |" in lines


def test_runs_of_two_designs_are_no_seeds_of_one_method():
    runs = grouped([run("dual", 0.5, pairs=100), run("dual", 0.6)])["dual"]
    assert [one["pairs"] for one in runs] == [1000]


def test_real_photos_have_their_own_row():
    text = method_table([run("dual", 0.6)], ["frechet", "judge.judge/similarity"])
    assert "| *all real photos of the set* |  | 0.50 |  |" in text and "the contour's photo itself" not in text
    assert "| *two strangers* | 90 pairs |  | 0.000 |" in text


def test_columns_know_their_direction():
    assert column("frechet").sign == -1 and column("judge.judge/rank1").sign == 1


def test_pages_are_filled_by_one_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["results", "pages"]) == 2
    assert "no page has a place for a table" in capsys.readouterr().err
    page = tmp_path / "README.md"
    page.write_text(
        "a\n<!-- idnb results table2 -->\n<!-- end -->\nb\n<!-- idnb results signs -->\nwas here\n<!-- end -->\n"
    )
    assert main(["results", "pages"]) == 0
    assert "2 tables are in their places" in capsys.readouterr().out
    text = page.read_text()
    assert "+ IFBlock − baseline" in text and "| **" not in text and "was here" not in text and "\nb\n" in text
    for bad, said in (("figure3", "prints no table"), ("nonsense", "is no command")):
        page.write_text(f"<!-- idnb results {bad} -->\n<!-- end -->\n")
        assert main(["results", "pages"]) == 2 and said in capsys.readouterr().err


def test_contours_of_two_sizes_share_one_ruler():
    def sized(side, **metrics):
        result = run("dual", 0.6, psnr={"value": 25.0, "low": 24.0, "high": 26.0}, **metrics)
        result["setting"] |= {"method": f"{side} px", "contour_size": side}
        result["names"]["ruler"] = 8
        return result

    at = {"psnr_at": {side: {"value": value} for side, value in (("4", 28.0), ("8", 22.0), ("ruler", 22.0))}}
    text = method_table([sized(4, **at), sized(64, **at)], ["contour", "frechet"])
    assert "contour, dB at 8 px ↑" in text and "22.0" in text and "25.0" not in text
    assert "contour fidelity, PSNR at another size is another ruler" in text
    alone = [run("dual", 0.6, psnr={"value": 25.0}, **at)]
    told = sentences(alone, table_columns(alone))
    assert "The same pictures of 'dual', by contours of other sizes: 28.0 dB at 4 px, 22.0 dB at 8 px." in told[0]


def test_a_run_that_stands_in_two_tables_has_one_number():
    stored: dict[str, list] = {}
    for path in RESULTS.glob("*/*.json"):
        if "_any_" in path.name:  # runs of `idnb evaluate`; names of trainings are those of their table
            stored.setdefault(path.name, []).append(json.loads(path.read_text())["metrics"])
    several = {name: found for name, found in stored.items() if len(found) > 1}
    assert several, "no run stands in two tables any more: this test can go"
    for name, found in several.items():
        assert all(one == found[0] for one in found), name


def test_every_stored_result_was_drawn_by_the_bundled_generator():
    results = [json.loads(path.read_text()) for path in RESULTS.glob("*/*.json")]
    drawn_by = {result["generator"] for result in results if "setting" in result}  # the others are of generators
    assert drawn_by == {weights_fingerprint(load_generator("tiny"))}


def test_what_is_beyond_an_ideal_result_is_named():
    """A better value than the perfect answer's is told as one; methods that do nothing are not compared."""
    results = [run("dual", 0.6, frechet={"value": 9.0}), run("ideal", 0.7, frechet={"value": 10.0})]
    lines = method_table([*results, run("copy", 1.0)], ["judge.judge/similarity", "frechet"]).splitlines()
    (found,) = [line for line in lines if "Ideal results: " in line]
    assert "better than they are in 1 of 2 columns" in found and "('dual' 9.00, ideal 10.00)" in found
    alone = method_table(results, ["judge.judge/similarity"])
    assert "Ideal results: no method is better in any of 1 columns." in alone
