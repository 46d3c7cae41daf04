"""The people a method is tested on, and everybody who judges it, prepared once for all runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.images import to_bytes
from idnb.core.presets import get_preset
from idnb.core.resize import resize
from idnb.evaluation.features import FeatureNetwork, feature_network
from idnb.evaluation.frechet import Moments, features_of, moments
from idnb.evaluation.metrics import PerceptualMeasure, load_judges, load_perceptual_measure, person_means
from idnb.evaluation.truth import truth_columns
from idnb.faces.photo_faces import PhotoFaces
from idnb.models.attribute_regressor import AttributeRegressor, load_attribute_regressor
from idnb.models.embedder import FaceEmbedder
from idnb.models.face_parser import FaceParser, load_face_parser

__all__ = ["EvaluationSet", "load_evaluation_set"]

LARGEST_KEPT = 256  # pixels; larger pictures are read from disk when their contours are made


class EvaluationSet:
    """Test images in memory, with the vectors every judge gives them.

    faces: what `idnb.load_faces` returns. size: side at which all is compared (64 or 256). judges, perceptual, parser,
    regressor, features: who measures; regressor and parser may be None. reference: features of the set with which
    outputs are compared as a whole, [M, D]; None takes the test images themselves. lpips_vgg: a second perceptual
    distance, or None. imagenet: a second network whose features stand for images, with those of the test images [N, D]
    and of the reference set [M, D]; or None.

    Attributes: identity [N] number of each image's person, person [N] long the same counted from 0;
    vectors, people: judge -> [N, D] and [P, D]; truth [N, K] or None, what the regressor is to read; real: features of
    the test images [N, D].
    """

    def __init__(
        self,
        faces: Any,
        size: int,
        judges: dict[str, FaceEmbedder],
        perceptual: Callable[[Tensor, Tensor], Tensor],
        features: FeatureNetwork,
        parser: FaceParser | None = None,
        regressor: AttributeRegressor | None = None,
        reference: Tensor | None = None,
        lpips_vgg: PerceptualMeasure | None = None,
        imagenet: tuple[FeatureNetwork, Tensor, Tensor] | None = None,
    ) -> None:
        self.name, self.size = str(getattr(faces, "folder", "faces")).rsplit("/", 1)[-1], size
        self.judges, self.perceptual, self.features = judges, perceptual, features
        self.lpips_vgg, self.imagenet = lpips_vgg, imagenet
        self.parser, self.regressor = parser, regressor
        self.identity: NDArray[np.int64] = np.asarray(faces.identity)
        self.person = torch.as_tensor(np.unique(self.identity, return_inverse=True)[1])
        self._faces, self.full_size = faces, int(getattr(faces, "image_size", size))
        keep = self.full_size <= LARGEST_KEPT
        pictures, full, labels, real = [], [], [], []
        for start in range(0, len(self.identity), 100):
            rows = np.arange(start, min(start + 100, len(self.identity)))
            batch = faces.images(rows)  # [b, 3, H, H]
            real.append(features_of(features, batch))
            pictures.append(to_bytes(resize(batch, size)))
            if keep:
                full.append(to_bytes(batch))
            if keep and faces.has_label_maps:
                labels.append(faces.label_maps(rows).byte())
        self._pictures = torch.cat(pictures)  # [N, 3, S, S]
        self._full = torch.cat(full) if full else None  # [N, 3, H, H]
        self._labels = torch.cat(labels) if labels else None  # [N, H, H]
        self.real = torch.cat(real)
        self.reference: Moments = moments(self.real if reference is None else reference)
        self.reference_features = self.real if reference is None else reference
        self.truth = None if regressor is None else truth_columns(faces.parameters, regressor)
        self.vectors: dict[str, Tensor] = {}
        self.people: dict[str, Tensor] = {}
        everybody = np.arange(len(self.identity))
        for name, judge in judges.items():
            with torch.inference_mode():
                parts = [judge(self.images(rows)) for rows in np.array_split(everybody, 1 + len(everybody) // 100)]
            self.vectors[name] = torch.cat(parts)  # [N, D]
            self.people[name] = person_means(self.vectors[name], self.person)

    def __len__(self) -> int:
        return len(self.identity)

    def images(self, rows: NDArray[np.int64]) -> Tensor:
        """Images [B, 3, S, S] in [-1, 1] at the size of comparison."""
        return self._pictures[torch.as_tensor(rows)].float() / 127.5 - 1.0

    def full_images(self, rows: NDArray[np.int64]) -> Tensor:
        """Images [B, 3, H, H] in [-1, 1] as large as they are stored; contours are made from them."""
        return (
            self._faces.images(rows) if self._full is None else self._full[torch.as_tensor(rows)].float() / 127.5 - 1.0
        )

    def label_maps(self, rows: NDArray[np.int64]) -> Tensor | None:
        """Label maps [B, h, h] long as large as they are stored, or None where the set has none."""
        if self._labels is not None:
            return self._labels[torch.as_tensor(rows)].long()
        return self._faces.label_maps(rows) if self._faces.has_label_maps else None

    def contours(self, kind: str, rows: NDArray[np.int64], contour_size: int | None = None) -> Tensor:
        """The contours of some images; contour_size: side of low-resolution ones, None is an eighth of the size."""
        chosen = contour_kind(kind)
        if contour_size is not None and not chosen.has_side:
            raise InputError(f"contour_size: contours of kind {kind!r} have one size; leave it out")
        labels = self.label_maps(rows) if chosen.uses_label_map else None
        return chosen.sized(contour_size or self.size // 8).make(self.full_images(rows), labels)


def load_evaluation_set(
    faces: Any,
    preset: str = "tiny",
    judges: Iterable[str] | None = None,
    features: str = "identity",
    reference: Any = None,
    kind: str | None = None,
    full: bool = False,
) -> EvaluationSet:
    """Test people with all judges there are.

    faces: a set, from `idnb.load_faces`. preset: gives sizes and networks. judges: see `load_judges`.
    features: see `feature_network`. reference: another set for the distance between sets; None compares with the test
    images. kind: of contour, if there is one only; some need no parser.
    full: measure LPIPS over VGG16 and the distance between sets over EfficientNet-Lite0 as well.
    Raises InputError with one report of all that is missing or broken in a folder of photographs.
    """
    uses = kind is None or contour_kind(kind).uses_label_map
    if isinstance(faces, PhotoFaces):
        faces.check(labels=uses).require()
    if isinstance(reference, PhotoFaces):
        reference.check(labels=False).require()
    network = feature_network(features, preset)
    regressor = load_attribute_regressor() if "pose.yaw" in getattr(faces, "parameters", {}) else None
    parser = load_face_parser() if regressor is not None and uses else None
    known = None if reference is None else set_features(network, reference)
    size = get_preset(preset).encoder_size
    measure = load_perceptual_measure("alex", preset)
    over_vgg, imagenet = None, None
    if full:
        over_vgg, second = load_perceptual_measure("vgg", preset), feature_network("efficientnet")
        real = set_features(second, faces)
        imagenet = second, real, real if reference is None else set_features(second, reference)
    known_judges = load_judges(preset, judges)
    return EvaluationSet(faces, size, known_judges, measure, network, parser, regressor, known, over_vgg, imagenet)


def set_features(network: FeatureNetwork, faces: Any) -> Tensor:
    """Features [N, D] of all images of a set, a few at a time."""
    parts = np.array_split(np.arange(len(faces)), 1 + len(faces) // 64)
    bar = tqdm(parts, desc=f"{network.name} features", unit="batch", mininterval=1.0, delay=2.0)
    return features_of(network, (faces.images(part) for part in bar))
