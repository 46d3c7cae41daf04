"""What a generator is looked at for: sheets of samples, parts, likeness, distances, and how near it comes to new faces.

`inspect_generator` measures, prints and draws all of it into one folder; what is measured is in
`idnb.evaluation.generator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.images import save_png, sheet
from idnb.core.messages import printable
from idnb.evaluation.features import FEATURE_NETWORKS, FeatureNetwork, feature_network
from idnb.evaluation.generator import (
    distribution,
    faces_found,
    pairwise_similarity,
    part_areas,
    reach,
    reconstruction,
    samples,
)
from idnb.faces.labels import LABEL_NAMES, LABEL_TITLES
from idnb.faces.synthetic import Faces, finished
from idnb.inversion.optimise import InversionConfig
from idnb.inversion.results import Inversion
from idnb.models.face_parser import load_face_parser
from idnb.models.identity_files import load_identity_network
from idnb.models.lpips_distance import load_lpips
from idnb.models.picture_encoder import PictureEncoder
from idnb.models.stylegan2 import Generator
from idnb.plots.style import save_figure

__all__ = ["Inspection", "draw_reach", "inspect_generator"]

SAMPLED = 300  # samples whose likeness is measured
PARSED = 1000  # pictures, at most, of which the parts are measured
SPACES = {"w": "W", "w_plus": "W+", "w_plus_latent": "W+ and input latent"}  # that are searched


@dataclass(frozen=True)
class Inspection:
    """How much is looked at.

    images: most on each side of a distance. features: names of feature networks; missing ones are left out. faces:
    optimised ones of the test set, one a person, 0 for none. reconstructed: by the picture encoder.
    config: of the optimisation. seed: of samples, halves and faces.
    """

    images: int = 5000
    features: Sequence[str] = ("identity", "inception")
    faces: int = 50
    reconstructed: int = 300
    config: InversionConfig = field(default_factory=InversionConfig)
    seed: int = 0


def inspect_generator(
    generator: Generator,
    people: Faces,
    others: Faces,
    out: Path,
    settings: Inspection,
    encoder: PictureEncoder | None = None,
) -> dict[str, Any]:
    """Measure a generator, print what is found, and draw it into a folder.

    generator: frozen. people: what it learnt from. others: people it has never seen. out: folder, which exists.
    encoder: a picture encoder that grew up with the generator, or None.
    Returns the metrics. Raises InputError for a set of smaller pictures than the generator's.
    """
    device, seed = generator.w_avg.device, settings.seed
    people, others = (of_size(finished(faces, print), generator.size) for faces in (people, others))
    report: dict[str, Any] = {"one_face_found": {"images": 64}}
    for psi in (0.7, 1.0):
        images = samples(generator, 64, psi, seed)
        path = out / f"samples_{psi:g}.png"
        save_png(sheet(images), path)
        share = report["one_face_found"][f"truncation {psi:g}"] = faces_found(images)
        print(f"{printable(path)}: 64 samples at truncation {psi:g}; one face found in {share:.0%}")

    judge = load_identity_network("tiny", judge=True, device=device)
    rows = one_a_person(others, SAMPLED, seed)
    pictures = {"samples": samples(generator, len(rows), 1.0, seed), "people": others.images(rows)}
    cosine = {name: round(pairwise_similarity(part.to(device), judge), 4) for name, part in pictures.items()}
    report["pairwise_similarity"] = {"images_a_side": len(rows), **cosine}
    print(
        f"mean cosine of two samples at truncation 1 by the held-out judge: {cosine['samples']:.3f}; of two people: "
        f"{cosine['people']:.3f}; n = {len(rows)} a side"
    )

    parser = load_face_parser(device=device)
    parts = part_areas(generator, people, parser, min(settings.images, PARSED), seed)
    print(
        f"{'area in percent, by the parser':<32}{'samples':>10}{'people':>10}   n = {parts['images_a_side']:,} a side"
    )
    for name, area in parts.items():
        if isinstance(area, dict):
            print(f"{LABEL_TITLES[LABEL_NAMES.index(name)]:<32}{area['value']:>10.2f}{area['real']:>10.2f}")
    report["parts"] = parts

    networks = feature_networks(settings.features, device)
    report["distribution"] = distribution(generator, people, networks, settings.images, seed)
    for name, value in report["distribution"].items():
        if isinstance(value, dict):
            print(f"{name:45} {value['value']:10.4f}   floor {value['floor']:10.4f}")
    print(f"  n = {report['distribution']['images_a_side']:,} a side, set {report['distribution']['set']}")

    if encoder is not None:
        rows = one_a_person(others, settings.reconstructed, seed)
        truth = others.images(rows, generator.size).to(device)
        with torch.inference_mode():
            copies = torch.cat([generator.synthesis(*encoder.invert(generator, part)) for part in truth.split(16)])
        maps = others.label_maps(rows).to(device)
        metrics = reconstruction(copies, truth, maps, load_lpips().to(device), parser)
        report["reconstruction"] = {"set": others.folder.name, "seed": seed, **metrics}
        beside = torch.stack([truth[:32], copies[:32]], dim=1).flatten(0, 1)  # each beside its copy
        save_png(sheet(beside), out / "reconstructions.png")
        print(
            f"unseen faces reconstructed by the picture encoder: LPIPS {metrics['perceptual_mean']:.3f}, "
            f"{metrics['psnr_mean']:.2f} dB, mIoU {metrics['miou']:.3f} (photos {metrics['miou_of_photos']:.3f}); "
            f"n = {metrics['images']}"
        )

    if settings.faces:
        report["optimisation"] = invert_test_faces(generator, others, out, settings)
    return report


def invert_test_faces(generator: Generator, others: Faces, out: Path, settings: Inspection) -> dict[str, Any]:
    """Optimise the same new faces in each space; a line, a picture and the figures of each."""
    rows = one_a_person(others, settings.faces, settings.seed)
    targets = others.images(rows, generator.size).to(generator.w_avg.device)
    perceptual = load_lpips().to(targets.device)
    result: dict[str, Any] = {"set": others.folder.name, "seed": settings.seed}

    for space, title in SPACES.items():
        config = replace(settings.config, space=space)
        found, metrics = reach(generator, targets, perceptual, config, perceptual_size=generator.size)
        result[space] = metrics
        save_figure(draw_reach(found, targets, title), out / f"reach_{space}.png")
        low, high = metrics["psnr_95"]
        print(
            f"optimisation of {title:<19}: {metrics['psnr_mean']:.2f} dB ({low:.2f} to {high:.2f}), "
            f"LPIPS {metrics['perceptual_mean']:.3f}; n = {metrics['faces']}, {metrics['seconds_a_face']:.1f} s a face"
        )
    return result


def of_size(faces: Faces, size: int) -> Faces:
    """A set, if its pictures are at least as large as the generator's; smaller ones would look blurred beside them."""
    if faces.image_size < size:
        raise InputError(f"{faces!r}: smaller than the generator's {size} px; render a set with --size {size}")
    return faces


def one_a_person(faces: Faces, count: int, seed: int) -> np.ndarray:
    """Rows of one picture each of so many people at most, drawn with a seed."""
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(faces))
    first = np.unique(faces.identity[shuffled], return_index=True)[1]
    return random.permutation(shuffled[first])[:count]


def feature_networks(names: Sequence[str], device: torch.device | str) -> list[FeatureNetwork]:
    """The feature networks that are there; a line about each that is not."""
    networks = []
    for name in names:
        try:
            networks.append(feature_network(name, device=device))
        except InputError as error:
            if name not in FEATURE_NETWORKS:
                raise
            print(f"without {name} features: {error}")
    return networks


def draw_reach(found: Inversion, targets: Tensor, space: str) -> Any:
    """Eight targets above their inversions, from the worst PSNR to the best in even steps, numbers below."""
    from idnb.plots.grids import show_grid

    assert found.psnr is not None
    order = found.psnr[-1].argsort()
    chosen = order[torch.linspace(0, len(order) - 1, min(8, len(order))).round().long()].tolist()
    captions = [["" for _ in chosen], [f"{float(found.psnr[-1, i]):.1f} dB" for i in chosen]]
    return show_grid(
        [[targets[i] for i in chosen], [found.images[i].clamp(-1, 1) for i in chosen]],
        ("rendered", f"{space} optimised"),
        title=f"{space} optimisation of {len(order)} unseen faces, from the worst to the best",
        captions=captions,
        alt=f"Rendered faces above the images that {space} optimisation found for them, from the worst to the best",
    )
