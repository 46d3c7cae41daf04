"""The protocol: every test contour with ten seeded identities, measured by judges that took no part in training.

A run is cut into chunks of whole contours. Each is measured on its own and stored at once, so a run can be interrupted,
go on, and be shared by several processes, with the same numbers. No pair is left out: the summary is written only when
every chunk is there, and says how many pairs it holds.

Any object with `generate(generator, x_c, x_id, steps)` that returns `.images` [B, steps, 3, H, W] can be measured.

Paper: sections 3.1 and 3.3. It pairs each of 2,824 test images with ten identities and takes IDSIM from the network of
the loss; here a held-out judge stands beside it.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.files import write_text
from idnb.core.images import save_png, sheet
from idnb.core.lock import locked
from idnb.core.resize import resize
from idnb.evaluation.dataset import EvaluationSet
from idnb.evaluation.metrics import identity_ranks, means_without
from idnb.evaluation.results import read_result
from idnb.evaluation.setting import Setting, chunks_of, example_pairs, pairs_of, part_of, rulers
from idnb.evaluation.store import Columns, chunk_path, claim, load_chunks, save_chunk, save_columns
from idnb.evaluation.summary import summarise
from idnb.evaluation.truth import KNOWN, shape_distance
from idnb.faces.pairs import Pairs
from idnb.models.attribute_regressor import ATTRIBUTES

__all__ = ["evaluate", "measure_pairs", "weights_fingerprint"]


def weights_fingerprint(*parts: Any) -> str:
    """A short hash of all weights, so that results of different networks are never mixed.

    parts: networks; what is none adds nothing. Returns 16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, nn.Module):
            for name, value in part.state_dict().items():
                digest.update(name.encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@torch.inference_mode()
def measure_pairs(method: Any, generator: Any, data: EvaluationSet, setting: Setting, pairs: Pairs) -> Columns:
    """Generate and measure some pairs.

    pairs: usually those of one chunk. Returns columns of one value a pair:
    perceptual, lpips_vgg: distances to the contour's photo. psnr, line_f or iou (and iou_counts): the contour was kept,
    `Contour.fidelity`.
    NAME.identity, NAME.contour: similarity to the identity image and to the contour's photo, by judge NAME;
    NAME.rank: place of the identity among all people, the picture handed in left out, -1 for people without another;
    NAME.person, NAME.other: similarity to the mean vector of the identity and of the contour's person. ruler.S: as
    psnr, at a contour size of S pixels, where sizes are a choice. read.X: pose and light read off the output.
    shape.identity, shape.contour: distance to the true shape of either. features, features_imagenet: of the distances
    between sets.
    seconds: to generate, a pair.
    """
    parts: list[Columns] = []
    for start in range(0, len(pairs), setting.batch):
        rows = slice(start, start + setting.batch)
        contour, identity = pairs.contour[rows], pairs.identity[rows]
        photos = data.full_images(contour)  # [B, 3, H, H]
        x_c = data.contours(setting.kind, contour, setting.contour_size)
        began = time.perf_counter()
        result = method.generate(generator, x_c, data.images(identity), steps=setting.steps)
        seconds = (time.perf_counter() - began) / len(contour)
        outputs = result.images[:, -1].float().cpu().clamp(-1.0, 1.0)  # [B, 3, H, H]
        if not bool(torch.isfinite(outputs).all()):
            raise InputError(f"{setting.method}: an output holds values that are no numbers; was its training whole?")
        small = resize(outputs, data.size)
        found: dict[str, Tensor] = {"perceptual": data.perceptual(outputs, photos)}
        if data.lpips_vgg is not None:
            found["lpips_vgg"] = data.lpips_vgg(outputs, photos)
        kind = contour_kind(setting.kind)
        found |= kind.fidelity(outputs, x_c, data.parser)
        for side in rulers(setting.kind, data.size):
            at_side = kind.sized(side).fidelity(outputs, data.contours(setting.kind, contour, side), data.parser)
            found[f"ruler.{side}"] = at_side[kind.measure.name]
        for name, judge in data.judges.items():
            found |= judge_columns(name, judge(small), data, contour, identity)
        if data.regressor is not None and data.truth is not None:
            readings = data.regressor(small)  # [B, K]
            found |= {f"read.{key}": readings[:, ATTRIBUTES.index(key)] for key in KNOWN}
            for whose, who in (("identity", identity), ("contour", contour)):
                found[f"shape.{whose}"] = shape_distance(readings, data.truth[who], data.regressor)
        found["features"] = data.features(outputs)
        if data.imagenet is not None:
            found["features_imagenet"] = data.imagenet[0](outputs)
        columns = {key: value.cpu().numpy() for key, value in found.items()}
        columns["seconds"] = np.full(len(contour), seconds)
        if getattr(result, "converged", None) is not None:
            columns["converged"] = np.asarray(result.converged)
        parts.append(columns | {"contour": contour, "identity": identity})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def judge_columns(
    name: str, vectors: Tensor, data: EvaluationSet, contour: NDArray[np.int64], identity: NDArray[np.int64]
) -> dict[str, Tensor]:
    """What one judge says of outputs with vectors [B, D]; see `measure_pairs`."""
    known, people = data.vectors[name], data.people[name]
    who, other = data.person[identity], data.person[contour]
    own = means_without(known, data.person, torch.as_tensor(identity))  # [B, D]
    alone = ~own.any(dim=1)  # people of one picture have no other to be found by
    return {
        f"{name}.identity": (vectors * known[identity]).sum(1),
        f"{name}.contour": (vectors * known[contour]).sum(1),
        f"{name}.person": (vectors * people[who]).sum(1),
        f"{name}.other": (vectors * people[other]).sum(1),
        f"{name}.rank": torch.where(alone, -1, identity_ranks(vectors, people, who, own)),
    }


def evaluate(
    method: Any,
    generator: Any,
    data: EvaluationSet,
    setting: Setting,
    out: Path,
    shard: tuple[int, int] = (0, 1),
    progress: bool = True,
    examples: bool = True,
) -> dict[str, Any] | None:
    """Measure a method, or go on where `out` stopped.

    method: see the module's text. data: the test people and the judges. out: folder of this run; it will hold
    `pairs.csv`, `setting.json`, `columns.npz` (every pair), `examples.png` and `result.json` (every metric).
    shard: (k, n): do only every n-th chunk from the k-th on; a last call without shard puts the parts together.
    examples: write `examples.png`; not for a method that knows the pairs of the run alone.
    Returns what `result.json` holds; None for a shard.
    Raises InputError where `out` holds a run with another setting, other weights or other pairs.
    """
    out.mkdir(parents=True, exist_ok=True)
    pairs = pairs_of(setting, data.identity)
    weights = weights_fingerprint(method, generator, *data.judges.values(), data.parser, data.regressor, data.features)
    description = {"setting": asdict(setting), "set": data.name, "weights": weights}
    description["generator"] = weights_fingerprint(generator)
    if data.lpips_vgg is not None:
        description["lpips_vgg"] = data.lpips_vgg.name
    if hasattr(method, "checksum"):
        description["pictures"] = method.checksum
    if data.imagenet is not None:
        description["imagenet"] = data.imagenet[0].name
    claim(out, description, pairs, data)
    if (out / "result.json").is_file():
        return read_result(out / "result.json")
    chunks = chunks_of(pairs)

    def measure(places: range) -> None:
        mine = [i for i in places if not chunk_path(out, i).is_file()]
        for i in tqdm(mine, desc=out.name, unit="chunk", disable=not progress, mininterval=1.0):
            save_chunk(out, i, measure_pairs(method, generator, data, setting, part_of(pairs, chunks[i])))

    if shard[1] > 1:
        measure(range(shard[0], len(chunks), shard[1]))
        return None
    with locked(out, "measuring into this folder"):
        measure(range(len(chunks)))
        parts = list(load_chunks(out, [rows.stop - rows.start for rows in chunks]))
        columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        if not all(np.array_equal(columns[name], getattr(pairs, name)) for name in ("contour", "identity")):
            raise InputError(f"{out}: its parts (chunk_*.npz) are of other pairs; delete them and start again")
        parameters = sum(p.numel() for p in method.parameters()) if isinstance(method, nn.Module) else 0
        result = description | summarise(columns, pairs, data, setting) | {"parameters": parameters}
        if examples:
            save_examples(out / "examples.png", method, generator, data, setting)
        save_columns(
            out / "columns.npz", {key: value for key, value in columns.items() if not key.startswith("features")}
        )
        write_text(out / "result.json", json.dumps(result, indent=1) + "\n")
        for i in range(len(chunks)):
            chunk_path(out, i).unlink(missing_ok=True)
    return result


def save_examples(path: Path, method: Any, generator: Any, data: EvaluationSet, setting: Setting) -> None:
    """Write the outputs for a few pairs side by side, for figures that compare methods."""
    pairs = example_pairs(setting, data.identity)
    x_c = data.contours(setting.kind, pairs.contour, setting.contour_size)
    result = method.generate(generator, x_c, data.images(pairs.identity), steps=setting.steps)
    images = result.images[:, -1].float().cpu().clamp(-1.0, 1.0)
    save_png(sheet(images, columns=len(images)), path)
