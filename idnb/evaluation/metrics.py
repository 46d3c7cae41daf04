"""What is measured on single images: perceptual distance, likeness of identity.

Every function works on plain tensors and returns one number an image, so that means and intervals are taken once, in
`idnb.evaluation.intervals`. Distances between sets of images are in `idnb.evaluation.frechet`, contour fidelity in
`idnb.contours`, known truth in `idnb.evaluation.truth`, signal to noise in `idnb.core.psnr`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.presets import get_preset
from idnb.core.resize import resize
from idnb.models.embedder import FaceEmbedder
from idnb.models.identity_files import load_identity_network
from idnb.models.lpips_distance import load_lpips

__all__ = [
    "JUDGES",
    "PerceptualMeasure",
    "identity_ranks",
    "load_judges",
    "load_lpips",
    "load_perceptual_measure",
    "means_without",
    "person_means",
]

JUDGES = ("training", "judge", "facenet")
"""Who may be asked about identity: the network that losses use, the held-out judge, FaceNet where its weights are."""


@dataclass
class PerceptualMeasure:
    """A perceptual distance and the name its numbers must bear.

    name: such as "LPIPS (AlexNet, 128 px)". network: two image batches to [B]. size: side in pixels at
    which both images are compared; the value depends on it.
    """

    name: str
    network: nn.Module
    size: int

    @torch.inference_mode()
    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of images a, b [B, 3, H, H] in [-1, 1] (values outside are cut off): [B], 0 for equal images."""
        pair = [resize(images, self.size).clamp(-1.0, 1.0) for images in (a, b)]
        return self.network(*pair)  # [B]


def load_perceptual_measure(net: str = "alex", preset: str = "tiny") -> PerceptualMeasure:
    """The perceptual distance of tables: LPIPS, at 128 px for preset tiny and at 256 px for paper.

    net: "alex" or "vgg", the backbone. preset: gives the size of comparison.
    Raises InputError for an unknown name, and where the package with VGG16's numbers is missing.
    """
    size = min(get_preset(preset).image_size, 256)
    title = {"alex": "AlexNet", "vgg": "VGG16"}.get(net, net)
    return PerceptualMeasure(f"LPIPS ({title}, {size} px)", load_lpips(net), size)


def load_judges(preset: str = "tiny", names: Iterable[str] | None = None) -> dict[str, FaceEmbedder]:
    """The networks that are asked about identity, by name.

    preset: "tiny" or "paper". names: some of `JUDGES`; None is all that are there. `paper` has no judge of ours.
    Raises InputError for an unknown name, and for weights that were asked for by name and are missing.
    """
    found: dict[str, FaceEmbedder] = {}
    for name in JUDGES if names is None else names:
        if name not in JUDGES:
            raise InputError(f"judge {name!r} is unknown; choose some of {', '.join(JUDGES)}")
        if names is None and name == "judge" and preset != "tiny":
            continue
        try:
            if name == "facenet":
                from idnb.models.facenet import load_facenet

                found[name] = load_facenet()
            else:
                found[name] = load_identity_network(preset, judge=name == "judge")
        except InputError:
            if names is not None or name != "facenet":
                raise
    return found


def person_means(vectors: Tensor, person: Tensor) -> Tensor:
    """One vector a person: the mean of the vectors of all their pictures, brought to length one.

    vectors: [N, D]; person: [N] long, numbers 0 to P - 1, each at least once. Returns [P, D].
    """
    people = int(person.max()) + 1
    sums = vectors.new_zeros(people, vectors.shape[1]).index_add_(0, person, vectors)
    return F.normalize(sums, dim=1)  # [P, D]


def means_without(vectors: Tensor, person: Tensor, rows: Tensor) -> Tensor:
    """The mean vector of each row's person, that row's own picture left out, brought to length one.

    vectors: [N, D]; person: [N] long from 0; rows: [B] long, which pictures. Returns [B, D]; zeros for a person of one
    picture.
    """
    people = int(person.max()) + 1
    sums = vectors.new_zeros(people, vectors.shape[1]).index_add_(0, person, vectors)
    shared = torch.bincount(person)[person[rows]] > 1
    return F.normalize(sums[person[rows]] - vectors[rows], dim=1) * shared[:, None]  # [B, D]


def identity_ranks(vectors: Tensor, gallery: Tensor, person: Tensor, own: Tensor | None = None) -> Tensor:
    """At which place each output finds its person among all people: 0 is first; people who tie with it count before.

    vectors: [B, D] of the outputs. gallery: [P, D], one vector a person. person: [B] long, who each should be.
    own: [B, D], what stands for that person in place of the gallery's vector, such as `means_without` the picture that
    was handed in: with it in the gallery, whoever hands it back is found for certain.
    Returns [B] long, 0 to P - 1. Rank-1 retrieval is the share of zeros.
    """
    scores = vectors @ gallery.T  # [B, P]
    if own is not None:
        scores = scores.scatter(1, person[:, None], (vectors * own).sum(1, keepdim=True))
    reached = scores.gather(1, person[:, None])  # [B, 1]
    return (scores >= reached).sum(1) - 1  # [B]
