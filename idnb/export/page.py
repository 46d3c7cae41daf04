"""What the web page shows beside the networks: galleries, the judge's reference, walks, where refinement begins.

`page.json` describes it, `page.safetensors` holds the numbers, `people/` and `contours/` the pictures. Pictures are
PNG, so that a browser reads the very numbers that Python reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from idnb.contours.kinds import contour_kind
from idnb.core.files import write_bytes, write_text
from idnb.export.directions import WALKS, directions
from idnb.export.networks import Networks
from idnb.faces.labels import LABEL_NAMES, LABEL_PALETTE, LABEL_TITLES

__all__ = ["judge_reference", "spread_people", "write_page_data"]

PEOPLE, CONTOURS = 24, 16
"""How many pictures each gallery has."""

BINS, LOWEST = 56, -0.4
"""Bars of the two histograms of the judge, and the similarity at which they begin; they end at 1."""


def spread_people(faces: Any, count: int, shot: int, skip: int = 0) -> list[int]:
    """Rows of one picture each of people spread over a set. skip: begin so many people later."""
    numbers = np.unique(faces.identity)
    step = max(1, len(numbers) // count)
    rows = []
    for person in numbers[skip % step :: step][:count]:
        mine = np.flatnonzero(faces.identity == person)
        rows.append(int(mine[min(shot, len(mine) - 1)]))
    return rows


@torch.inference_mode()
def judge_reference(networks: Networks, faces: Any, people: int = 100) -> dict[str, Any]:
    """What similarity means for the judge: strangers, and two pictures of one person.

    faces: a set of people. people: how many are compared, with two pictures each.
    Returns, for "strangers" and "same": "bars", shares of all pairs, and "band", the middle 90 %; "from" and "to".
    """
    first, second = (spread_people(faces, people, shot) for shot in (0, 1))
    a, b = (networks.judge(faces.images(rows)) for rows in (first, second))
    cosines = a @ b.T  # [P, P]
    own = torch.eye(len(first), dtype=torch.bool)
    found: dict[str, Any] = {"from": LOWEST, "to": 1.0, "people": len(first)}
    for name, values in (("strangers", cosines[~own]), ("same", cosines[own])):
        bars, _ = np.histogram(values.clamp(LOWEST, 1.0).numpy(), BINS, (LOWEST, 1.0))
        band = torch.quantile(values, torch.tensor([0.05, 0.95])).tolist()
        found[name] = {"bars": [round(float(n) / len(values), 5) for n in bars], "band": [round(v, 4) for v in band]}
    return found


def _gallery(faces: Any, rows: Sequence[int], folder: Path, labels: bool) -> list[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    entries = []
    for number, row in enumerate(rows):
        name = f"{number:02d}.png"
        Image.fromarray(faces.pixels([row])[0]).save(folder / name, optimize=True)
        entry = {"file": f"{folder.name}/{name}", "person": int(faces.identity[row]), "picture": int(faces.shot[row])}
        if labels:
            entry["labels"] = f"{folder.name}/{number:02d}_labels.png"
            Image.fromarray(faces.label_maps([row])[0].numpy().astype(np.uint8)).save(
                folder / f"{number:02d}_labels.png", optimize=True
            )
        entries.append(entry)
    return entries


def write_page_data(networks: Networks, shown: Any, learned: Any, folder: Path) -> None:
    """Write everything that the page shows beside the networks.

    shown: the set of people of the galleries, never trained on. learned: the set from which walks are computed.
    folder: where `page.json` goes.
    """
    generator = networks.generator
    walks = directions(networks, learned)
    tensors = {"w_avg": generator.w_avg, "input": generator.input.input.detach()[0]}
    for name, code in walks.items():
        tensors[f"{name}.w_plus"], tensors[f"{name}.input_latent"] = code.w_plus, code.input_latent
    folder.mkdir(parents=True, exist_ok=True)
    content = save({name: x.float().contiguous() for name, x in tensors.items()})
    write_bytes(folder / "page.safetensors", content)  # safetensors itself writes files that only their owner may read
    page = {
        "people": _gallery(shown, spread_people(shown, PEOPLE, 0), folder / "people", labels=False),
        "contours": _gallery(shown, spread_people(shown, CONTOURS, 1, skip=3), folder / "contours", labels=True),
        "kinds": {kind: contour_kind(kind).title for kind in networks.encoders},
        "walks": {walk.name: {"parameter": walk.parameter, "reach": walk.reach} for walk in WALKS},
        "judge": judge_reference(networks, shown),
        "labels": [
            {"name": name, "title": title, "colour": list(colour)}
            for name, title, colour in zip(LABEL_NAMES, LABEL_TITLES, np.asarray(LABEL_PALETTE).tolist(), strict=True)
        ],
    }
    write_text(folder / "page.json", json.dumps(page, indent=1) + "\n")
