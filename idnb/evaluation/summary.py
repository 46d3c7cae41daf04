"""From the columns of a run to its figures, each with interval and n, beside genuine and impostor scores and an oracle.

Genuine scores: of two pictures of one person by a judge; impostor scores: of two strangers. The oracle: what contour
fidelity and readings give on the contours' own photos, which no output can be asked to surpass.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from idnb.contours.kinds import contour_kind
from idnb.core.roc import area_above
from idnb.evaluation.frechet import frechet_distance, kernel_distance
from idnb.evaluation.intervals import Clusters
from idnb.evaluation.metrics import identity_ranks, means_without
from idnb.evaluation.setting import rulers
from idnb.evaluation.truth import KNOWN, shape_distance
from idnb.faces.iou import mean_iou
from idnb.faces.pairs import Pairs
from idnb.models.attribute_regressor import ATTRIBUTES, POSE

if TYPE_CHECKING:
    from idnb.evaluation.dataset import EvaluationSet
    from idnb.evaluation.setting import Setting

__all__ = ["oracle", "score_distributions", "summarise"]

Columns = dict[str, NDArray[Any]]


def summarise(columns: Columns, pairs: Pairs, data: EvaluationSet, setting: Setting) -> dict[str, Any]:
    """Every figure of a run, ready for JSON.

    columns: of `idnb.evaluation.protocol.measure_pairs` for all pairs. Figures are {value, low, high, n}; those over
    judges are in "judges", by judge; "preference" and "rank1" are shares.
    """
    clusters = Clusters(columns["contour"])
    known = score_distributions(data)
    strangers = data.identity[columns["contour"]] != data.identity[columns["identity"]]
    metrics: dict[str, Any] = {"perceptual": clusters.mean(columns["perceptual"])._asdict()}
    if "lpips_vgg" in columns:
        metrics["lpips_vgg"] = clusters.mean(columns["lpips_vgg"])._asdict()
    measure = contour_kind(setting.kind).measure.name
    metrics[measure] = clusters.mean(columns[measure])._asdict()
    sides = rulers(setting.kind, data.size)
    if sides:
        metrics["psnr_at"] = {str(side): clusters.mean(columns[f"ruler.{side}"])._asdict() for side in sides}
    if data.size // 8 in sides:
        metrics["psnr_at"]["ruler"] = metrics["psnr_at"][str(data.size // 8)]
    if "iou_counts" in columns:
        metrics["miou"] = clusters.mean_iou(columns["iou_counts"])._asdict()
    for name in data.judges:
        similarity, rank = columns[f"{name}.identity"], columns[f"{name}.rank"]
        nearer = similarity > columns[f"{name}.contour"]
        person_nearer = columns[f"{name}.person"] > columns[f"{name}.other"]
        metrics[f"judge.{name}"] = {
            "similarity": clusters.mean(similarity)._asdict(),
            "similarity_to_contour": clusters.mean(columns[f"{name}.contour"], strangers)._asdict(),
            "preference": clusters.mean(nearer.astype(float), strangers)._asdict(),
            "person_preference": clusters.mean(person_nearer.astype(float), strangers)._asdict(),
            "rank1": clusters.mean((rank == 0).astype(float), rank >= 0)._asdict(),
            "above_lower_quartile": clusters.mean((similarity > known[name]["same"]["q25"]).astype(float))._asdict(),
            "median_similarity": round(float(np.median(similarity)), 5),
        }
    metrics |= truth_metrics(columns, data, clusters, strangers)
    features = torch.as_tensor(columns["features"])
    metrics["frechet"] = {"value": frechet_distance(features, data.reference), "n": len(features)}
    metrics["kernel"] = {"value": kernel_distance(features, data.reference_features), "n": len(features)}
    names: dict[str, Any] = {}
    if data.imagenet is not None:
        network, _, reference = data.imagenet
        features = torch.as_tensor(columns["features_imagenet"])
        metrics["frechet_imagenet"] = {"value": frechet_distance(features, reference), "n": len(features)}
        metrics["kernel_imagenet"] = {"value": kernel_distance(features, reference), "n": len(features)}
        names = {"frechet_imagenet": network.frechet_name, "kernel_imagenet": network.kernel_name}
    metrics["seconds"] = {"value": float(columns["seconds"].mean()), "n": len(features)}
    if "converged" in columns:
        metrics["converged"] = clusters.mean(columns["converged"].astype(float))._asdict()
    return {
        "pairs": len(pairs),
        "contours": len(np.unique(pairs.contour)),
        "without_partner": len(pairs.without_partner),
        "people": len(np.unique(data.identity)),
        "metrics": rounded(metrics),
        "distributions": rounded(known),
        "oracle": rounded(oracle(data, setting, np.unique(pairs.contour))),
        "names": {
            "perceptual": getattr(data.perceptual, "name", "perceptual distance"),
            "lpips_vgg": getattr(data.lpips_vgg, "name", ""),
            "frechet": data.features.frechet_name,
            "kernel": data.features.kernel_name,
            "gallery": "own picture left out",
            "ruler": data.size // 8,
        }
        | names,
        "machine": {
            "torch": torch.__version__.split("+")[0],
            "threads": torch.get_num_threads(),
            "cpu": platform.machine(),
        },
    }


def truth_metrics(
    columns: Columns, data: EvaluationSet, clusters: Clusters, strangers: NDArray[np.bool_]
) -> dict[str, Any]:
    """Correlation and error of pose and light, and nearness of shape; nothing for sets without known truth."""
    if data.regressor is None or data.truth is None:
        return {}
    truth = data.truth.numpy()
    found: dict[str, Any] = {"correlation": {}, "error": {}}
    for name in KNOWN:
        column = ATTRIBUTES.index(name)
        read, known = columns[f"read.{name}"].astype(np.float64), truth[columns["contour"], column].astype(np.float64)
        found["correlation"][name] = clusters.correlation(read, known)._asdict()
        unit = float(data.regressor.deviation[column])
        unit = float(np.degrees(unit)) if name in POSE else unit
        found["error"][name] = clusters.mean(np.abs(read - known) * unit)._asdict()  # degrees for yaw and pitch
    nearer = columns["shape.identity"] < columns["shape.contour"]
    found["shape"] = {
        "distance": clusters.mean(columns["shape.identity"])._asdict(),
        "distance_to_contour": clusters.mean(columns["shape.contour"], strangers)._asdict(),
        "preference": clusters.mean(nearer.astype(float), strangers)._asdict(),
    }
    return found


def score_distributions(data: EvaluationSet) -> dict[str, dict[str, Any]]:
    """For each judge, the genuine and impostor distributions: similarities of all pairs of the set.

    Genuine pairs ("same") show one person, impostor pairs ("strangers") two. Each distribution has mean, n and the
    quantiles 5, 25, 50, 75, 95 %. "rank1" is how often a real picture finds its person among all, its own picture left
    out of that person's mean; "auc" how often a genuine pair is the more similar.
    """
    found: dict[str, dict[str, Any]] = {}
    person, everybody = data.person, torch.arange(len(data.person))
    first, second = torch.triu_indices(len(person), len(person), offset=1)
    same = person[first] == person[second]
    for name, vectors in data.vectors.items():
        scores = (vectors @ vectors.T)[first, second]
        own = means_without(vectors, person, everybody)  # [N, D]
        ranks = identity_ranks(vectors, data.people[name], person, own)  # [N]
        shared = own.any(dim=1)  # people with one picture have no other to be found by
        scores_of = {"same": quantiles(scores[same].numpy()), "strangers": quantiles(scores[~same].numpy())}
        rank1 = (ranks == 0)[shared].float().mean() if bool(shared.any()) else torch.tensor(float("nan"))
        auc = area_above(scores[same].numpy(), scores[~same].numpy())
        found[name] = scores_of | {"rank1": float(rank1), "people": int(person.max()) + 1, "auc": auc}
    return found


def quantiles(scores: NDArray) -> dict[str, Any]:
    """Mean, n and five quantiles of scores."""
    if not len(scores):
        return {"mean": float("nan"), "n": 0} | {f"q{q:02d}": float("nan") for q in (5, 25, 50, 75, 95)}
    points = np.percentile(scores, [5, 25, 50, 75, 95])
    named = {f"q{q:02d}": float(v) for q, v in zip((5, 25, 50, 75, 95), points, strict=True)}
    return {"mean": float(scores.mean()), "n": len(scores)} | named


@torch.inference_mode()
def oracle(data: EvaluationSet, setting: Setting, contours: NDArray[np.int64]) -> dict[str, Any]:
    """The oracle: the measures on the contours' own photos, and the distance of the real test set to the reference."""
    kind, fidelity, counts, readings = contour_kind(setting.kind), [], [], []
    for rows in np.array_split(contours, 1 + len(contours) // 100):
        photos, x_c = data.full_images(rows), data.contours(setting.kind, rows, setting.contour_size)
        found = kind.fidelity(photos, x_c, data.parser)
        fidelity.append(found[kind.measure.name])
        if "iou_counts" in found:
            counts.append(found["iou_counts"].sum(0))
        if data.regressor is not None:
            readings.append(data.regressor(data.images(rows)))
    result: dict[str, Any] = {kind.measure.name: float(torch.cat(fidelity).mean())}
    if counts:
        result["miou"] = mean_iou(torch.stack(counts).sum(0))
    if data.regressor is not None and data.truth is not None:
        read, known = torch.cat(readings), data.truth[torch.as_tensor(contours)]
        columns = [ATTRIBUTES.index(name) for name in KNOWN]
        pairs = [torch.corrcoef(torch.stack([read[:, c], known[:, c]]))[0, 1] for c in columns] if len(read) > 1 else []
        result["correlation"] = {name: float(value) for name, value in zip(KNOWN, pairs, strict=False)}
        result["shape_distance"] = float(shape_distance(read, known, data.regressor).mean())
        result["shape_distance_strangers"] = float(shape_distance(read, known.roll(1, 0), data.regressor).mean())
    sets = {"": (data.real, data.reference_features)}
    if data.imagenet is not None:
        sets["_imagenet"] = data.imagenet[1:]
    for name, (real, reference) in sets.items():
        if reference is real:  # two halves of it
            order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
            real, reference = (real[part] for part in order.chunk(2))
        result[f"frechet{name}"], result[f"kernel{name}"] = (
            frechet_distance(real, reference),
            kernel_distance(real, reference),
        )
    return result


def rounded(value: Any, digits: int = 6) -> Any:
    """The same structure with floats rounded; figures over nothing are left out, numbers that are none become None."""
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if not (isinstance(inner, dict) and inner.get("n") == 0)}
        return {key: rounded(inner, digits) for key, inner in kept.items()}
    if isinstance(value, np.floating | float):
        return round(float(value), digits) if np.isfinite(value) else None
    return value
