"""Ablations and their tables on networks of random weights: what is planned, trained, measured, stored, printed."""

import json
from dataclasses import replace

import pytest
import torch

import idnb.cli.ablate as command
from idnb.__main__ import main
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.core.weights import find_weight
from idnb.evaluation.methods import CopyIdentity, EnlargedContour, load_method
from idnb.evaluation.protocol import evaluate
from idnb.evaluation.setting import Setting
from idnb.experiments.ablation import Budget, build_encoder, describe, finished, plan, run_variant, same_training
from idnb.experiments.figures import ambiguity_figure, judges_figure, methods_figure, tradeoff_figure, variants_figure
from idnb.experiments.paper import PAPER_TABLE_1, paper_table
from idnb.experiments.stored import over_runs, read_results
from idnb.experiments.tables import method_table
from idnb.experiments.variants import TABLES
from idnb.faces.sources import load_faces
from idnb.models.stylegan2 import Generator
from idnb.training.config import Phase
from tests.evaluation_people import People, colour_set

BUDGET = Budget(images=4, batch=2, steps=1, people=2, contours=4)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator.from_preset(TINY).eval().requires_grad_(False)


def test_the_plan():
    todo = list(plan("table2", [0, 1, 2]))
    assert len(todo) == 12 and [seed for _, seed in todo] == [0] * 4 + [1] * 4 + [2] * 4
    assert len(list(plan("ambiguity", [0]))) == 6
    for table in TABLES.values():
        assert len({variant.name for variant in table}) == len({variant.title for variant in table}) == len(table)
    with pytest.raises(InputError, match="table 'table3' is unknown"):
        list(plan("table3", [0]))
    with pytest.raises(InputError, match="each once"):
        list(plan("table2", [1, 1]))


@pytest.mark.parametrize("table", TABLES)
def test_every_arm_can_be_built_and_differs_from_the_others(table):
    seen = []
    for variant in TABLES[table]:
        encoder = build_encoder(variant, "low_res", "tiny", 0)
        options = sorted(getattr(encoder, "options", {}).items())
        description = (type(encoder).__name__, options, variant.weights, variant.augment, variant.size, variant.p_ideal)
        seen.append((str(description), variant.contour_size))
    assert len(set(seen)) == len(seen)


def test_rows_of_table_2_add_one_thing_each():
    encoders = [build_encoder(variant, "low_res", "tiny", 0) for variant in TABLES["table2"]]
    assert all(encoder.options["uses_identity"] for encoder in encoders)
    switches = [tuple(encoder.options.values())[:3] for encoder in encoders]
    assert switches == [
        ("none", False, False),
        ("tensor", False, False),
        ("tensor", True, False),
        ("tensor", True, True),
    ]
    pairs = {variant.name: build_encoder(variant, "low_res", "tiny", 0) for variant in TABLES["ambiguity"][:2]}
    alone, guided = pairs["alone_4"], pairs["guided_4"]
    assert alone.options == guided.options | {"uses_identity": False}  # one architecture, told of nobody or of somebody
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), guided.parameters(), strict=True))
    again = build_encoder(TABLES["table2"][1], "low_res", "tiny", 0)
    assert all(torch.equal(a, b) for a, b in zip(encoders[1].parameters(), again.parameters(), strict=True))
    other = build_encoder(TABLES["table2"][1], "low_res", "tiny", 1)
    assert not all(torch.equal(a, b) for a, b in zip(encoders[1].parameters(), other.parameters(), strict=True))


def test_the_budget_and_the_description_of_an_arm():
    variants = {variant.name: variant for table in TABLES.values() for variant in table}
    budget = Budget(images=800, steps=2)
    assert budget.phases(variants["full"]) == (Phase(1, 600), Phase(2, 200))
    assert budget.phases(variants["psp"]) == (Phase(1, 800),)
    assert budget.phases(variants["paper"]) == (Phase(1, 600, 64), Phase(2, 200, 64))
    assert budget.phases(variants["l2_2"]) == (Phase(2, 800),)  # the bundled encoder knows all steps already
    bundled = find_weight("encoder_low_res").sha256
    assert describe(variants["l2_2"], 0, budget, "tiny")["start"] == bundled
    full = describe(variants["full"], 0, budget, "tiny")
    paper_terms = {"l2": 3.0, "perceptual": 0.6, "identity": 1.0, "w_norm": 0.002}
    assert full["loss"] == paper_terms | dict.fromkeys(("contour", "latent_norm"), 0.0)
    assert describe(variants["no_l2"], 0, budget, "tiny")["loss"] == {**full["loss"], "l2": 0.0}
    assert describe(variants["paper"], 0, budget, "tiny")["loss"]["l2"] == 0.1
    assert same_training(full, describe(replace(variants["full"], name="a", title="b"), 0, budget, "tiny"))
    assert not same_training(full, describe(variants["full"], 1, budget, "tiny"))
    assert not same_training(full, describe(variants["views"], 0, budget, "tiny"))


def test_an_arm_from_training_to_result(generator, tmp_path, monkeypatch):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "cache"))
    variant, faces = TABLES["table2"][1], [load_faces("starter")]
    result = run_variant(variant, 3, BUDGET, generator, faces, colour_set(), tmp_path)
    assert result["pairs"] == 40 and result["training"]["seed"] == 3 and result["setting"]["method"] == "+ IFBlock"
    assert result["parameters"] > 1e5 and finished(tmp_path / "ifblock_seed3" / "training", 4)
    assert not finished(tmp_path / "ifblock_seed3" / "training", 5) and not finished(tmp_path, 1)
    assert run_variant(variant, 3, BUDGET, generator, faces, colour_set(), tmp_path) == result
    with pytest.raises(InputError, match="another budget"):
        run_variant(variant, 3, Budget(images=6, batch=2, people=2), generator, faces, colour_set(), tmp_path)


def test_a_training_in_bf16_is_recorded_and_leaves_the_generator_as_it_was(generator, tmp_path):
    halves, faces = replace(BUDGET, precision="bf16"), [load_faces("starter")]
    result = run_variant(TABLES["table2"][0], 0, halves, generator, faces, colour_set(), tmp_path)
    assert result["training"]["budget"]["precision"] == "bf16" and generator.compute_dtype == torch.float32


def test_the_command(generator, tmp_path, monkeypatch, capsys):
    def train(variant, seed, budget, *args):
        method = CopyIdentity() if variant.name == "full" else EnlargedContour("low_res")
        result = evaluate(
            method, None, colour_set(), Setting(variant.title, contours=4), tmp_path / f"{variant.name}{seed}"
        )
        return result | {"training": describe(variant, seed, budget, "tiny")}

    monkeypatch.setattr(command, "run_variant", train)
    asked = []
    monkeypatch.setattr(command, "load_evaluation_set", lambda *args, **words: asked.append(words["full"]))
    monkeypatch.setattr("idnb.models.stylegan2_files.load_generator", lambda *args, **words: generator)
    words = ["ablate", "table2", "--seeds", "0,1", "--images", "4", "--store", str(tmp_path / "store")]
    assert main([*words, "--variants", "full,baseline", "--full", "--out", str(tmp_path)]) == 0 and asked == [True]
    text = capsys.readouterr().out
    assert (
        "| baseline: identity stacked on the input | " in text
        and "40 = 4 x 10; 2; t" in text
        and "as printed in the paper" in text
    )
    assert "Every variant: 4 images" in text and "Training seeds 0, 1" in text
    assert len(list((tmp_path / "store" / "table2").glob("*.json"))) == 4
    monkeypatch.setattr(command, "run_variant", lambda *args: pytest.fail("nothing is done twice"))
    assert main([*words, "--variants", "full,baseline", "--out", str(tmp_path)]) == 0
    elsewhere = ["ablate", "table1", "--variants", "full", *words[2:], "--out", str(tmp_path)]  # the same training
    capsys.readouterr()
    assert main(elsewhere) == 0
    text = capsys.readouterr().out
    assert "taken over" in text and "| dual, trained alike |" in text
    assert main([*words, "--variants", "half"]) == 2 and "has no row 'half'" in capsys.readouterr().err
    for what in ("variants", "judges"):
        code = main(["results", what, "--results", str(tmp_path / "store"), "--out", str(tmp_path / "x.png")])
        assert code == (0 if what == "variants" else 2)  # judges needs the network of the loss as well
    assert (tmp_path / "x.png").stat().st_size > 5000
    capsys.readouterr()
    table = ["results", "table2", "--results", str(tmp_path / "store")]
    assert main(table) == 0
    text = capsys.readouterr().out
    assert "two strangers" in text and "pitch, r" not in text
    assert main([*table, "--all"]) == 0 and len(capsys.readouterr().out) > len(text)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- idnb results table2 -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    for _ in range(2):  # a second time changes nothing
        assert main([*table, "--into", str(page)]) == 0
        wanted = f"before\n<!-- idnb results table2 -->\n\n{text}\n<!-- end -->\nafter\n"
        assert page.read_text(encoding="utf-8") == wanted
    capsys.readouterr()
    assert main([*table, "--all", "--into", str(page)]) == 2
    assert "put the lines <!-- idnb results table2 --all --> and <!-- end -->" in capsys.readouterr().err
    assert main(["results", "table2", "--results", str(tmp_path / "nothing")]) == 0
    assert "No variant is finished" in capsys.readouterr().out
    assert main(["results", "figure3"]) == 2 and "--out FILE.png" in capsys.readouterr().err


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("results"), colour_set()
    for seed in (0, 1, 2):
        setting = Setting("copy", contours=4, seed=seed)
        evaluate(CopyIdentity(), None, data, setting, folder / f"copy{seed}", progress=False)
    evaluate(
        EnlargedContour("low_res"), None, data, Setting("enlarged", contours=4), folder / "enlarged", progress=False
    )
    return folder


def test_tables(measured):
    results = read_results(measured)
    text = method_table(results)
    lines = text.splitlines()
    assert len({line.count("|") for line in lines[:7]}) == 1  # as many cells in every row
    assert "| copy |" in lines[2] and "40 = 4 x 10; 3; t" in lines[2]
    assert "| enlarged |" in lines[3] and "40 = 4 x 10; 1; bootstrap" in lines[3]
    assert "none dropped" in text and "n = contours x identities" in text and "two strangers" in text
    assert all(line.count("|") <= 8 for line in lines)  # seven columns
    mean, low, high = over_runs(results[:3], "perceptual")
    assert low < mean < high
    assert mean == pytest.approx(sum(r["metrics"]["perceptual"]["value"] for r in results[:3]) / 3)
    for place, value in enumerate((0.9, 0.9, 0.9, None)):  # outputs that are all alike correlate with nothing
        results[place]["metrics"]["correlation"] = {"pose.yaw": {"value": value, "low": value, "high": value, "n": 40}}
    alike = method_table(results, ["correlation/pose.yaw"]).splitlines()
    assert "yaw, r" in alike[0] and "0.900" in alike[2] and "–" in alike[3]
    results[0]["setting"]["kind"] = "sketch"
    with pytest.raises(InputError, match="do not share a table"):
        method_table(results)
    assert "0.7733" in paper_table(PAPER_TABLE_1)


def test_figures(measured):
    results = read_results(measured)
    fig = methods_figure([results[0], results[3]], People())
    assert fig.get_label()
    with pytest.raises(InputError, match="has other pairs or contours than"):
        methods_figure([results[3], results[1] | {"setting": {**results[1]["setting"], "kind": "sketch"}}], People())
    assert variants_figure(results).axes[0].get_xlabel().startswith("IDSIM, held-out judge")
    with pytest.raises(InputError, match=r"measure 'judge.facenet/similarity' was not taken in"):
        variants_figure(results, "judge.facenet/similarity")
    for result, name, size in zip(results, ("alone", "guided", "alone", "guided"), (4, 4, 8, 8), strict=True):
        result["training"] = {"variant": {"name": f"{name}_{size}"}}
        result["setting"]["contour_size"] = size
    assert len(ambiguity_figure(results).axes) == 2
    with pytest.raises(InputError, match="ablate tradeoff"):
        tradeoff_figure([r | {"training": {"variant": {"p_ideal": 0.6}, "loss": {"l2": 1.0}}} for r in results])
    with pytest.raises(InputError, match="ablate tradeoff"):
        tradeoff_figure([r | {"training": {"variant": {}, "loss": {"l2": 1.0}}} for r in results])
    told = [{"variant": {"bundled": True, "p_ideal": 0.0}, "loss": {"l2": weight}} for weight in (8.0, 0.5, 2.0)]
    arms = [
        r | {"training": t, "setting": {**r["setting"], "method": f"arm {t['loss']['l2']}", "contour_size": None}}
        for r, t in zip(results, told, strict=False)
    ]
    axis = tradeoff_figure([*arms, results[3]]).axes[0]
    assert [text.get_text() for text in axis.texts] == ["L2 8", "L2 0.5", "L2 2", "enlarged"]
    assert len(axis.lines[-1].get_xdata()) == 3  # the curve goes through the three weights
    for result in results:
        result["metrics"]["judge.training"] = result["metrics"]["judge.judge"]
        result["distributions"]["training"] = result["distributions"]["judge"]
    assert len(judges_figure(results).axes[0].get_legend_handles_labels()[0]) == 2


def test_bad_folders_and_names(tmp_path, capsys):
    with pytest.raises(InputError, match="no results there"):
        read_results(tmp_path)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match=r"x.json is damaged"):
        read_results(tmp_path)
    with pytest.raises(InputError, match="method 'magic' is unknown"):
        load_method("magic")
    with pytest.raises(InputError, match="a sketch is no picture"):
        load_method("enlarged", kind="sketch")
    for words, message in (
        (["--shard", "2/2"], "expected k/n"),
        (["--seeds", "one"], "--seeds: 'one' is not a whole number from 0 to"),
        (["dual", "copy", "--weights", "x"], "--weights belongs to one method"),
    ):
        assert main(["evaluate", *words]) == 2 and message in capsys.readouterr().err
    assert json.loads(json.dumps(BUDGET.__dict__))["images"] == 4
