"""How good a generator is: what it makes, what it leaves out, how it spreads, what it can reach.

    samples        sheets at two truncations, and how often a detector trained on photographs finds one face
    similarity     the cosine of two random samples by an identity network, beside that of two strangers
    parts          the area of each part of a face, by a parser, in its images and in those of people
    distribution   Frechet and kernel distance to rendered people, beside the floor: two halves of the real people
    reach          optimisation of codes of faces it has never seen, in W, in W+, in W+ and input latent
    reconstruction the same faces by the picture encoder that grew up with it

A generator is the ceiling of everything inverted with it, so these metrics stand in its model card.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.psnr import psnr
from idnb.core.resize import resize
from idnb.evaluation.features import FeatureNetwork
from idnb.evaluation.frechet import features_of, frechet_distance, kernel_distance
from idnb.faces.iou import mean_iou
from idnb.faces.labels import LABEL_NAMES, N_LABELS
from idnb.faces.synthetic import Faces
from idnb.inversion.objectives import Distance
from idnb.inversion.optimise import InversionConfig, invert_images
from idnb.inversion.results import Inversion
from idnb.models.embedder import FaceEmbedder
from idnb.models.face_parser import FaceParser
from idnb.models.stylegan2 import Generator

__all__ = [
    "pairwise_similarity",
    "disjoint_halves",
    "distribution",
    "reconstruction",
    "faces_found",
    "mean_interval",
    "part_areas",
    "reach",
    "samples",
]


@torch.inference_mode()
def samples(generator: Generator, count: int, truncation_psi: float, seed: int, batch: int = 16) -> Tensor:
    """Random images, [count, 3, H, H] clamped to [-1, 1]; the same codes for every truncation."""
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.style_dim, generator=random).to(generator.w_avg)
    parts = [
        generator(part, truncation_psi).clamp(-1, 1).cpu()
        for part in tqdm(z.split(batch), desc="samples", leave=False, disable=count < 200)
    ]
    return torch.cat(parts)  # [count, 3, H, H]


def faces_found(images: Tensor) -> float:
    """Share of images in which MTCNN, trained on photographs, finds exactly one face with p > 0.95.

    images: [N, 3, H, H] in [-1, 1]; smaller ones are enlarged to 512 px, where the detector is at home.
    """
    from idnb.faces.align import detect_faces

    large = [resize(image[None], max(512, images.shape[-1]), "bicubic")[0] for image in images]
    one = [len(detect_faces(image, min_probability=0.95)) == 1 for image in large]
    return sum(one) / max(1, len(one))


@torch.inference_mode()
def pairwise_similarity(images: Tensor, network: FaceEmbedder) -> float:
    """The mean cosine of two of the images, by an identity network; 0 for strangers, 1 for one person.

    images: [N, 3, H, H] in [-1, 1], N at least two.
    """
    vectors = torch.cat([network(part) for part in images.split(64)])  # [N, D], of length one
    count = len(vectors)
    return float((vectors.sum(dim=0).square().sum() - count) / (count * (count - 1)))


@torch.inference_mode()
def reconstruction(
    images: Tensor, truth: Tensor, label_maps: Tensor, perceptual: Distance, parser: FaceParser
) -> dict[str, Any]:
    """How near pictures come to those that they are to be equal to.

    images, truth: [N, 3, H, H] in [-1, 1]. label_maps: [N, h, h], the true ones. perceptual: see `Reconstruction`.
    Returns means over pictures: perceptual distance, PSNR in dB, and mean IoU of parts by the parser, beside the
    parser's own on `truth`, which nothing can pass.
    """
    images = images.clamp(-1, 1)
    distances = [torch.as_tensor(perceptual(a, b)) for a, b in zip(images.split(32), truth.split(32), strict=True)]

    def miou(pictures: Tensor) -> float:
        parts = zip(pictures.split(32), label_maps.split(32), strict=True)
        counts = [contour_kind("label_map").fidelity(x, maps, parser)["iou_counts"].sum(dim=0) for x, maps in parts]
        return round(mean_iou(torch.stack(counts).sum(dim=0)), 4)

    return {
        "images": len(images),
        "perceptual_mean": round(float(torch.cat([d.flatten() for d in distances]).mean()), 4),
        "psnr_mean": round(float(psnr(images, truth).mean()), 2),
        "miou": miou(images),
        "miou_of_photos": miou(truth),
    }


def part_areas(generator: Generator, faces: Faces, parser: FaceParser, count: int, seed: int) -> dict[str, Any]:
    """How much of a picture each part of a face covers: what a generator has dropped shows as an area near 0.

    A Frechet distance hardly sees it: few people wear glasses, and samples without any look as good as others. Bau et
    al., "Seeing what a GAN cannot generate", ICCV 2019.

    generator: frozen. faces: the real people. parser: see `load_face_parser`. count: images on each side. seed: of
    samples, and of the choice of real ones.
    Returns n, and for every class that real pictures hold its mean area in percent, {"value", "real"}.
    """
    rows = np.random.default_rng(seed).permutation(len(faces))[:count]

    def areas(pictures: Iterable[Tensor]) -> NDArray[np.float64]:
        batches = tqdm(pictures, desc="parts", total=-(-len(rows) // 64), leave=False, disable=len(rows) < 200)
        maps = torch.cat([parser.label_maps(part) for part in batches])  # [N, size, size]
        return torch.bincount(maps.flatten(), minlength=N_LABELS).double().cpu().numpy() / maps.numel() * 100

    made = areas(samples(generator, len(rows), 1.0, seed).to(generator.w_avg.device).split(64))
    real_rows = np.array_split(np.sort(rows), -(-len(rows) // 64))
    real = areas(faces.images(part).to(generator.w_avg.device) for part in real_rows)
    seen = {name: (a, b) for name, a, b in zip(LABEL_NAMES, made, real, strict=True) if b > 0}
    return {
        "images_a_side": len(rows),
        **{n: {"value": round(float(a), 3), "real": round(float(b), 3)} for n, (a, b) in seen.items()},
    }


def disjoint_halves(faces: Faces, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of `count` images of one set that share no person.

    faces: the set. count: images in each; fewer when the set has fewer. seed: of the draw.
    Returns two arrays of places in the set, of equal length.
    Raises InputError when the set has fewer than two people.
    """
    random = np.random.default_rng(seed)
    people = np.unique(faces.identity)
    if len(people) < 2:
        raise InputError(f"{faces!r}: two halves need at least two people")
    first = random.permutation(people)[: len(people) // 2]
    inside = np.isin(faces.identity, first)
    halves = [random.permutation(np.flatnonzero(part)) for part in (inside, ~inside)]
    count = min(count, *map(len, halves))
    return halves[0][:count], halves[1][:count]


def distribution(
    generator: Generator, faces: Faces, networks: Sequence[FeatureNetwork], count: int, seed: int
) -> dict[str, Any]:
    """Distances between generated and real images, beside those between real ones.

    generator: frozen. faces: the real people. networks: each gives a Frechet and a kernel distance.
    count: images on each side, at most half of the set. seed: of samples and halves.
    Returns n, the set's name, and for every network and distance the value at truncation 1 and its floor: the
    distance between two halves of the set with different people, of the same n.
    """
    halves = disjoint_halves(faces, count, seed)
    count = len(halves[0])
    images = samples(generator, count, 1.0, seed)
    result: dict[str, Any] = {"set": faces.folder.name, "images_a_side": count, "seed": seed}
    for network in networks:

        def real(rows: np.ndarray, network: FeatureNetwork = network) -> Tensor:
            parts = (faces.images(part) for part in np.array_split(rows, max(1, len(rows) // 64)))
            return features_of(network, tqdm(parts, desc="real", leave=False, disable=count < 200))

        first, second, made = real(halves[0]), real(halves[1]), features_of(network, images)
        result[network.frechet_name] = {
            "value": round(frechet_distance(made, first), 4),
            "floor": round(frechet_distance(second, first), 4),
        }
        result[network.kernel_name] = {
            "value": round(kernel_distance(made, first), 6),
            "floor": round(kernel_distance(second, first), 6),
        }
    return result


def reach(
    generator: Generator,
    targets: Tensor,
    perceptual: Distance | None,
    config: InversionConfig,
    perceptual_size: int = 64,
) -> tuple[Inversion, dict[str, Any]]:
    """Optimise codes of faces from the mean of w, in the space of `config`, and sum up how near they come.

    targets: [N, 3, H, H] in [-1, 1], H the generator's size. The other arguments: see `Reconstruction`.
    Returns the inversion, and its metrics: PSNR in dB with mean, 95 % interval over faces, extremes, n, settings.
    """
    found = invert_images(generator, targets, perceptual, config=config, perceptual_size=perceptual_size)
    assert found.psnr is not None
    last = found.psnr[-1]
    metrics: dict[str, Any] = {
        "faces": len(targets),
        "space": config.space,
        "steps": config.steps,
        "learning_rate": config.learning_rate,
        "psnr_mean": round(float(last.mean()), 2),
        "psnr_95": mean_interval(last),
        "psnr_worst": round(float(last.min()), 2),
        "psnr_best": round(float(last.max()), 2),
        "psnr_of_mean_face": round(float(found.psnr[0].mean()), 2),
        "seconds_a_face": round(found.seconds, 2),
    }
    if perceptual is not None:
        with torch.inference_mode():
            small = [resize(part, perceptual_size) for part in (found.images, targets)]
            metrics["perceptual_mean"] = round(float(torch.as_tensor(perceptual(*small)).mean()), 4)
        metrics["perceptual_distance"] = type(perceptual).__name__
    return found, metrics


def mean_interval(values: Tensor) -> list[float]:
    """95 % bootstrap interval of a mean: values [N] -> [low, high], rounded to two digits."""
    random = torch.Generator().manual_seed(0)
    rows = torch.randint(0, len(values), (2000, len(values)), generator=random)
    means = values.detach().double().cpu()[rows].mean(dim=1)
    return [round(float(means.quantile(q)), 2) for q in (0.025, 0.975)]
