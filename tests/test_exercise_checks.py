"""Checks of exercises that were once too mild or too strict: ten wrong and five unusual right answers for each."""

import dataclasses

import nbformat
import numpy as np
import pytest
import torch

import idnb
from idnb.checks import compare
from idnb.contours import contour_kind
from idnb.experiments.ablation import Budget, describe
from idnb.experiments.variants import TABLES, Variant
from idnb.widgets.drawing import paint_strokes
from idnb.widgets.session import Session
from tools.notebook_files import find


def cell_of(notebook, cell_id):
    cells = nbformat.read(find([notebook])[0], as_version=4).cells
    return next(cell.source for cell in cells if cell.id == cell_id)


def verdict_of(capsys, names, *sources):
    """Run cells among the given names; the first line that the last of them prints."""
    for source in sources:
        capsys.readouterr()
        exec(source, names)
    return capsys.readouterr().out.splitlines()[0]


# --- 02, exercise 3: the share of genuine pairs that a threshold lets in ---


def door(capsys, answer):
    draw = np.random.default_rng(0)
    panels = {}
    for name in ("ArcFace", "judge"):
        values = [
            torch.from_numpy(draw.normal(m, s, n)) for m, s, n in ((0.8, 0.1, 100), (0, 0.17, 9900), (0.25, 0.15, 100))
        ]
        bands = {"same person, other picture": values[0], "strangers": values[1]}
        panels[name] = (
            {key.replace("strangers", other_name()): v for key, v in bands.items()},
            {"shrunk to 8 × 8": values[2]},
        )
    names = {"np": np, "compare": compare, "panels": panels, "let_in": answer}
    return verdict_of(capsys, names, cell_of("02_model", "anatomy-43"))


def other_name():
    """The key under which the notebook keeps pairs of two people."""
    return next(key for key in ("strangers", "two people") if f'"{key}"' in cell_of("02_model", "anatomy-43"))


def sharp(same, strangers, far):
    return np.quantile(strangers, 1 - far)


DOOR_WRONG = [
    lambda s, t, far: 1.0,
    lambda s, t, far: 0.0,
    lambda s, t, far: far,
    lambda s, t, far: 1 - far,
    lambda s, t, far: sharp(s, t, far),
    lambda s, t, far: float(np.mean(s > np.quantile(t, far))),
    lambda s, t, far: float(np.mean(t > np.quantile(s, 1 - far))),
    lambda s, t, far: float(np.mean(s <= sharp(s, t, far))),
    lambda s, t, far: float(np.sum(s > sharp(s, t, far))),
    lambda s, t, far: float(np.mean(s > 0.5)),
    lambda s, t, far: None,
]
DOOR_RIGHT = [
    lambda s, t, far: float(np.mean(s > sharp(s, t, far))),
    lambda s, t, far: float(np.mean(s >= sharp(s, t, far))),
    lambda s, t, far: sum(v > sorted(t)[int(len(t) * (1 - far))] for v in s) / len(s),
    lambda s, t, far: (torch.as_tensor(s) > torch.quantile(torch.as_tensor(t), 1 - far)).double().mean(),
    lambda s, t, far: np.float32(np.mean([v > np.percentile(t, 100 * (1 - far)) for v in s])),
]


@pytest.mark.parametrize("answer", DOOR_WRONG)
def test_door_refuses(answer, capsys):
    assert door(capsys, answer).startswith(("not yet", "close"))


@pytest.mark.parametrize("answer", DOOR_RIGHT)
def test_door_accepts(answer, capsys):
    assert door(capsys, answer) == "correct"


# --- 05, exercise 1: a variant that differs in one thing ---

FULL = next(row for row in TABLES["table2"] if row.name == "full")
VARIANT_WRONG = [
    Variant("", "", options={"modulation": "none"}),
    Variant("", ""),
    Variant("", "", options={"input_latent": True}),
    Variant("", "", options={"latent": False}),
    Variant("", "", options={"input_latent": False, "latents": False}),
    Variant("", "", options={"input_latent": False, "modulation": "vector"}),
    Variant("", "", options={"input_latent": False, "pretrained_identity": False}),
    Variant("", "", options={"input_latent": False}, weights={"l2": 0.0}),
    Variant("", "", options={"input_latent": False}, augment=True),
    Variant("", "", options={"input_latent": torch.zeros(3)}),
    {"input_latent": False},
]
VARIANT_RIGHT = [
    Variant("mine", "any title", options={"input_latent": False}),
    Variant("", "", options={"input_latent": 0}),
    Variant("", "", options={"input_latent": False, "modulation": "tensor", "pretrained_identity": True}),
    dataclasses.replace(FULL, options={**FULL.options, "input_latent": False}),
    Variant("", "", "dual", dict(input_latent=bool(np.False_)), {}, False, None, None),
]


def variant(capsys, answer):
    names = {"Variant": Variant, "describe": describe, "Budget": Budget, "SEED": 0, "compare": compare, "mine": answer}
    return verdict_of(capsys, names, cell_of("05", "ablations-exercise-arm-check"))


@pytest.mark.parametrize("answer", VARIANT_WRONG)
def test_variant_refuses(answer, capsys):
    assert variant(capsys, answer).startswith("not yet")


def test_an_option_that_does_not_exist_is_named(capsys):
    assert "latents" in variant(capsys, VARIANT_WRONG[4])


@pytest.mark.parametrize("answer", VARIANT_RIGHT)
def test_variant_accepts(answer, capsys):
    assert variant(capsys, answer) == "correct"


# --- 01, exercise 3: how far the nose lies beside the eyes ---


@pytest.fixture(scope="module")
def starter():
    faces = idnb.load_faces("starter")
    one_each = np.flatnonzero(faces.shot == 0)[:60]
    return {"np": np, "torch": torch, "compare": compare, "faces": faces, "one_each": one_each,
            "sample": faces.label_maps(one_each)}  # fmt: skip


def column(parts, *classes):
    return float(torch.nonzero(torch.isin(parts, torch.tensor(classes)))[:, 1].double().mean())


def row(parts, *classes):
    return float(torch.nonzero(torch.isin(parts, torch.tensor(classes)))[:, 0].double().mean())


NOSE_WRONG = [
    lambda p: 63.5,
    lambda p: column(p, 2),
    lambda p: column(p, 4, 5) - column(p, 2),
    lambda p: column(p, 2) - column(p, 4),
    lambda p: column(p, 2) - column(p, 5),
    lambda p: (column(p, 2) - column(p, 4, 5)) / 128,
    lambda p: row(p, 2) - row(p, 4, 5),
    lambda p: column(p, 2) - column(p, 6, 7),
    lambda p: column(p, 2) - 63.5,
    lambda p: None,
    lambda p: float("nan"),
]
NOSE_RIGHT = [
    lambda p: column(p, 2) - column(p, 4, 5),
    lambda p: column(p, 2) - (column(p, 4) + column(p, 5)) / 2,
    lambda p: torch.tensor(column(p, 2) - column(p, 4, 5)),
    lambda p: np.float32(column(p, 2)) - np.float32(np.mean([column(p, 4), column(p, 5)])),
    lambda p: float(sum((p == 2).sum(0) * torch.arange(128)) / (p == 2).sum()) - column(p, 4, 5),
]


@pytest.mark.parametrize("answer", NOSE_WRONG)
def test_nose_refuses(answer, capsys, starter):
    source = cell_of("01", "exercise-3-check").split("\nyaw = ")[0]
    assert verdict_of(capsys, {**starter, "nose_offset": answer}, source).startswith("not yet")


@pytest.mark.parametrize("answer", NOSE_RIGHT)
def test_nose_accepts(answer, capsys, starter):
    source = cell_of("01", "exercise-3-check").split("\nyaw = ")[0]
    assert verdict_of(capsys, {**starter, "nose_offset": answer}, source) == "correct"


# --- 06, exercise 3: glasses on a label map ---


@pytest.fixture(scope="module")
def glasses_names():
    faces, session = idnb.load_faces("test"), Session.bundled()
    rows = [int(np.flatnonzero(faces.shot == 1)[k]) for k in range(3)]
    bare = next(k for k, r in enumerate(rows) if not (faces.label_maps([r]) == 3).any())

    def pixels_of(part, images):
        with torch.inference_mode():
            return (session.parser.label_maps(images.clamp(-1, 1)) == part).sum(dim=(1, 2))

    def box(label_map, *parts):
        ys, xs = torch.nonzero(torch.isin(label_map, torch.tensor(parts)), as_tuple=True)
        return None if len(xs) == 0 else (int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max()))

    return {
        "np": np, "torch": torch, "compare": compare, "paint_strokes": paint_strokes, "GLASSES": 3, "NEED": 120,
        "faces": faces, "session": session, "contour_rows": rows, "bare": bare, "box": box, "pixels_of": pixels_of,
        "person": faces.images([0])[0], "contour_kind": contour_kind,
    }  # fmt: skip


def spectacles(at, r=8.0, eye_r=2.5, bridge=True, order="glass eyes bridge", value=3, level=-3, half=4):
    (xa, ya), (xb, yb) = at
    parts = {
        "glass": [{"v": value, "r": r, "p": [x - half, y, x + half, y]} for x, y in at],
        "eyes": [{"v": v, "r": eye_r, "p": [x - 4, y, x + 4, y]} for v, (x, y) in zip((5, 4), at, strict=True)],
        "bridge": [{"v": value, "r": 1, "p": [xa, ya + level, xb, yb + level]}] if bridge else [],
    }
    return [stroke for name in order.split() for stroke in parts[name]]


def ring(x, y, radius=8):
    turns = np.linspace(0, 2 * np.pi, 25)
    return {"v": 3, "r": 1, "p": np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], 1).ravel().tolist()}


def flipped(strokes):
    return [{**s, "p": np.reshape(s["p"], (-1, 2))[:, ::-1].ravel().tolist()} for s in strokes]


def bridge_of(at):
    return {"v": 3, "r": 1, "p": [at[0][0], at[0][1] - 3, at[1][0], at[1][1] - 3]}


GLASSES_WRONG = {
    "nothing": (lambda at: [], "no stroke"),
    "none": (lambda at: None, "not yet"),
    "swapped": (lambda at: flipped(spectacles(at)), "x and y are swapped"),
    "rings": (lambda at: [ring(*at[0]), ring(*at[1]), bridge_of(at)], "thin ring"),
    "one eye": (lambda at: spectacles(at)[:1], "one eye has no glass"),
    "another class": (lambda at: spectacles(at, value=14), "no class 3"),
    "everywhere": (lambda at: [{"v": 3, "r": 60, "p": [64, 64, 64, 64]}], "more than glasses"),
    "eyes hidden": (lambda at: spectacles(at, order="eyes glass bridge"), "hidden"),
    "no bridge": (lambda at: spectacles(at, bridge=False), "bridge"),
    "too low": (lambda at: spectacles([(x, y + 40) for x, y in at]), "no class 3"),
    "no points": (lambda at: [{"v": 3, "r": 8}], "not yet"),
}
GLASSES_RIGHT = {
    "as shown": lambda at: spectacles(at),
    "smaller": lambda at: spectacles(at, r=7),
    "larger, with small eyes": lambda at: spectacles(at, r=9, eye_r=1.5),
    "bridge first, through the eyes": lambda at: spectacles(at, order="bridge glass eyes", level=0),
    "a tuple": lambda at: tuple(spectacles(at, half=5)),
    "one stroke for a glass and the bridge": lambda at: [*spectacles(at), bridge_of(at)],
}


def pair_of_glasses(capsys, names, answer):
    stub, tools, check = (cell_of("06", f"{name}") for name in ("exercise-3-stub", "glasses-tools", "exercise-3-check"))
    names = dict(names)
    exec(stub, names)
    names["glasses"] = lambda label_map: answer(names["eye_centres"](label_map))
    return verdict_of(capsys, names, tools, check)


@pytest.mark.parametrize("name", GLASSES_WRONG)
def test_glasses_refuse_and_say_why(name, capsys, glasses_names):
    answer, words = GLASSES_WRONG[name]
    said = pair_of_glasses(capsys, glasses_names, answer)
    assert said.startswith("not yet") and words in said


@pytest.mark.parametrize("name", GLASSES_RIGHT)
def test_glasses_accept(name, capsys, glasses_names):
    assert pair_of_glasses(capsys, glasses_names, GLASSES_RIGHT[name]) == "correct"
