"""Figures from stored results: methods side by side (figure 3), variants with intervals, ambiguity, judges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.pictures import read_picture
from idnb.evaluation.setting import Setting, example_pairs
from idnb.experiments.columns import RULER, column, heading_of
from idnb.experiments.stored import grouped, metric_of, over_runs
from idnb.models.contour_encoder import ContourEncoder
from idnb.models.stylegan2 import Generator
from idnb.plots.grids import show_grid
from idnb.plots.style import COLOURS, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ambiguity_figure",
    "choose_people",
    "judges_figure",
    "kinds_figure",
    "methods_figure",
    "tradeoff_figure",
    "variants_figure",
]


def methods_figure(results: list[dict[str, Any]], faces: Any) -> Figure:
    """The paper's figure 3: contour, identity image, and what each method made of them.

    results: from `read_results`; its examples lie beside each file. The first run of each method is shown.
    faces: their set.
    """
    setting = Setting(**results[0]["setting"])
    pairs = example_pairs(setting, np.asarray(faces.identity))
    kind = contour_kind(setting.kind).sized(setting.contour_size)
    photos, people = faces.images(pairs.contour), faces.images(pairs.identity)
    contours = kind.display(kind.make(photos, kind.labels_of(faces, pairs.contour)), photos.shape[-1])
    pictures: list[list[Any]] = [list(photos), list(contours), list(people)]
    names = ["contour's photo", "contour", "identity"]
    for name, runs in grouped(results).items():
        path, shown = Path(runs[0]["path"]), runs[0]["setting"]
        if name == "ideal":
            continue  # of its own pairs only
        if any(shown[key] != getattr(setting, key) for key in ("kind", "mode", "seed", "contour_size")):
            raise InputError(f"{path}: has other pairs or contours than {results[0]['path']}; choose those of one kind")
        strip = path.with_name("examples.png") if path.name == "result.json" else path.with_suffix(".webp")
        if not strip.is_file():
            raise InputError(f"{strip} does not exist; make the run again with `idnb evaluate`")
        pixels = np.asarray(read_picture(strip, remedy="make the run again with `idnb evaluate`").convert("RGB"))
        if pixels.shape[1] != pixels.shape[0] * len(pairs):
            raise InputError(f"{strip}: holds other examples; measure all methods with the same pairs")
        pictures.append(list(np.split(pixels, len(pairs), axis=1)))
        names.append(name)
    columns = [list(column) for column in zip(*pictures, strict=True)]  # one row of pictures a pair
    return show_grid(columns, column_labels=names, title=f"{setting.kind}: one row a pair")


def variants_figure(results: list[dict[str, Any]], key: str = "judge.judge/similarity") -> Figure:
    """One measure of every method with its 95 % interval; dots are single runs. key: see `idnb.experiments.columns`."""
    groups = grouped(results)
    lacking = [run for run in results if metric_of(run, key) is None]
    if len(lacking) == len(results):
        raise InputError(f"measure {key!r} was not taken in {lacking[0].get('path', 'these results')}; choose another")
    with plt.rc_context(STYLE):
        fig, axis = plt.subplots(figsize=(7.0, 0.9 + 0.4 * len(groups)), layout="constrained")
        for place, runs in enumerate(groups.values()):
            found = over_runs(runs, key)
            if found is None:
                continue
            value, low, high = found
            axis.plot([low or value, high or value], [place, place], color=COLOURS[0])
            axis.plot(value, place, "o", color=COLOURS[0])
            singles = [metric["value"] for run in runs if (metric := metric_of(run, key))]
            axis.plot(singles, [place] * len(singles), "|", color="black", markersize=9)
        axis.set_yticks(range(len(groups)), list(groups))
        axis.margins(y=0.5 / len(groups))
        axis.invert_yaxis()
        axis.set_title("One row a variant, one tick a training")
        title = heading_of(next(run for run in results if run not in lacking), key)
        axis.set_xlabel(f"{title} ({'larger' if column(key).sign > 0 else 'smaller'} is better)")
        name, measure = key.split("/") if "/" in key else (key, "")
        real = results[0]["distributions"].get(name.removeprefix("judge."), None) if measure == "similarity" else None
        if real:
            axis.axvspan(real["same"]["q25"], real["same"]["q75"], color=COLOURS[2], alpha=0.15, lw=0)
            axis.axvspan(real["strangers"]["q25"], real["strangers"]["q75"], color=COLOURS[3], alpha=0.15, lw=0)
        fig.set_label(f"{title} of {', '.join(groups)}, with intervals")
    return fig


def ambiguity_figure(results: list[dict[str, Any]]) -> Figure:
    """What a contour of each size says about who it shows, and what an identity image adds.

    results: of `idnb ablate ambiguity`, any seeds.
    Left: similarity to the contour's person without an identity image, and to the identity image with one, by the
    held-out judge and between the genuine and impostor scores of real pairs. Right: how well the contour is kept.
    """
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.4), layout="constrained")
        real = results[0]["distributions"]["judge"]
        for place, (who, colour) in enumerate((("same", COLOURS[2]), ("strangers", COLOURS[3]))):
            left.axhspan(real[who]["q25"], real[who]["q75"], color=colour, alpha=0.15, lw=0)
            left.text(4, real[who]["q50"], ("same person", "strangers")[place], fontsize=8, va="center")
        curves = {
            "alone": ("contour alone, to the contour's person", "judge.judge/similarity_to_contour", COLOURS[0]),
            "guided": ("with identity image, to that person", "judge.judge/similarity", COLOURS[1]),
        }
        for name, (label, key, colour) in curves.items():
            runs = [run for run in results if run["training"]["variant"]["name"].startswith(name)]
            sizes = sorted({run["setting"]["contour_size"] for run in runs})
            for axis, measure in ((left, key), (right, RULER)):
                points = [over_runs([r for r in runs if r["setting"]["contour_size"] == s], measure) for s in sizes]
                table = np.array(
                    [[v, v if a is None else a, v if b is None else b] for v, a, b in filter(None, points)]
                )
                if len(table):
                    axis.plot(sizes, table[:, 0], "o-", color=colour, label=label)
                    axis.fill_between(sizes, table[:, 1], table[:, 2], color=colour, alpha=0.2, lw=0)
        for axis, label in ((left, "similarity, judge"), (right, heading_of(results[0], RULER))):
            axis.set_xscale("log", base=2)
            axis.set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
            axis.set_xlabel("side of the contour, pixels")
            axis.set_ylabel(label)
        left.set_title("Who is it?")
        right.set_title("Is the contour kept?")
        left.legend(fontsize=8)
        fig.set_label("Similarity and contour fidelity against contour size, with and without an identity image")
    return fig


def judges_figure(results: list[dict[str, Any]]) -> Figure:
    """Is an encoder fooling its own judge? Similarity by the network of the loss against that by the held-out judge.

    Both are given as a share of the way from strangers (0) to the same person (1), so that networks compare.
    """
    with plt.rc_context(STYLE):
        fig, axis = plt.subplots(figsize=(5.0, 4.0), layout="constrained")
        for place, (name, runs) in enumerate(grouped(results).items()):
            points = []
            for run in runs:
                pair = []
                for judge in ("training", "judge"):
                    metric, real = metric_of(run, f"judge.{judge}/similarity"), run["distributions"].get(judge)
                    if metric is None or real is None:
                        raise InputError(f"{run.get('path', name)}: was measured without the {judge} network")
                    low, high = real["strangers"]["mean"], real["same"]["mean"]
                    pair.append((metric["value"] - low) / (high - low))
                points.append(pair)
            table = torch.tensor(points)
            axis.plot(table[:, 0], table[:, 1], "o", color=COLOURS[place % len(COLOURS)], label=name)
        limit = max(1.1, *axis.get_xlim(), *axis.get_ylim())
        axis.plot([0, limit], [0, limit], ":", color="black", lw=1)
        axis.set_xlabel("network of the loss: 0 strangers, 1 same person")
        axis.set_ylabel("held-out judge")
        axis.legend(fontsize=8)
        fig.set_label("Similarity by the network of the loss against the held-out judge, each method a dot")
    return fig


def tradeoff_figure(results: list[dict[str, Any]]) -> Figure:
    """Contour against person: each method a dot, and a line through what the weight of L2 makes of one encoder.

    results: of `idnb ablate tradeoff`, with those of other methods where they are to be shown.
    Raises InputError where none of them is of that table.
    """
    measure = contour_kind(results[0]["setting"]["kind"]).measure
    most = max(result["pairs"] for result in results)
    with plt.rc_context(STYLE):
        fig, axis = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
        curve = []
        for name, runs in grouped(results).items():
            kept, person = over_runs(runs, measure.key), over_runs(runs, "judge.judge/similarity")
            if kept is None or person is None:
                continue
            x, (y, low, high) = kept[0], person
            weight = runs[0].get("training", {}).get("loss", {}).get("l2")
            variant = runs[0].get("training", {}).get("variant", {})
            photos = variant.get("bundled", False) and not variant.get("p_ideal")
            if photos:
                curve.append((weight, x, y))
            colour = COLOURS[0] if photos else COLOURS[1]
            axis.plot([x, x], [low or y, high or y], color=colour, lw=1)
            axis.plot(x, y, "o", color=colour)
            fewer = f", n = {runs[0]['pairs']}" if runs[0]["pairs"] < most else ""
            axis.annotate(
                (f"L2 {weight:g}" if photos else name) + fewer, (x, y), (5, 4), textcoords="offset points", fontsize=8
            )
        if not curve:
            raise InputError("no result is of `idnb ablate tradeoff`; make some first")
        _, xs, ys = zip(*sorted(curve), strict=True)
        axis.plot(xs, ys, color=COLOURS[0], lw=1)
        axis.margins(0.15)
        axis.set_xlabel(f"{heading_of(results[0], measure.key)}: is the contour kept?")
        axis.set_ylabel("similarity, held-out judge: is it the person?")
        fig.set_label("Contour fidelity against similarity to the person, for several weights of L2")
    return fig


def choose_people(faces: Any, contours: int, identities: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of different people for rows and columns, the same for every run with this seed.

    faces: a set. Returns row numbers of the set, [contours] and [identities]. Raises InputError when there are too few.
    """
    people, first = np.unique(faces.identity, return_index=True)
    wanted = contours + identities
    if contours < 1 or identities < 1 or wanted > len(people):
        raise InputError(f"{contours} contours and {identities} identities: the set has {len(people)} people")
    order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed)).numpy()[:wanted]
    return first[order[:contours]], first[order[contours:]]


def kinds_figure(
    encoders: list[ContourEncoder],
    generator: Generator,
    faces: Any,
    contours: np.ndarray,
    identities: np.ndarray,
    steps: int | None = None,
) -> Figure:
    """Rows of contours, kind after kind; columns of identities; generated faces where they meet. Paper: figure 4.

    encoders: one for each kind. generator: frozen. faces: a set. contours: row numbers of the set, the same count for
    each encoder. identities: row numbers of the set. Returns the figure.
    """
    x_id = faces.images(identities)  # [C, 3, H, H]
    rows: list[list[Any]] = [[None, *x_id]]
    labels = ["identities"]
    for encoder, part in zip(encoders, np.array_split(contours, len(encoders)), strict=True):
        kind = contour_kind(encoder.kind)
        for row in part:
            x_c = kind.make(faces.images([row]), kind.labels_of(faces, [row]))
            images = encoder.generate(generator, x_c, x_id, steps).images[:, -1]  # [C, 3, H, H]
            rows.append([kind.display(x_c, images.shape[-1])[0], *images.clamp(-1, 1)])
            labels.append(kind.title)
    heads = ["contour", *(f"person {i}" for i in faces.identity[identities])]
    title = "One identity in each column, one contour in each row"
    alt = (
        f"Generated faces: {len(rows) - 1} rows of contours ({', '.join(dict.fromkeys(labels[1:]))}), {len(x_id)} "
        "columns of identities; the contour of each face is that of its row, the identity that of its column"
    )
    return show_grid(rows, labels, heads, title, alt=alt)
