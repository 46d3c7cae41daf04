"""What the labs compute, without any widget: contours, people, mixtures of both, and what the result is worth.

Identities are mixed where the encoder keeps them: in what `encode_identity` makes of an identity image, which for the
dual encoder is gamma and beta of equation 1. Strength 0 takes those of the average face, 1 those of the person.
Contours of two kinds go through their own encoders, and the latents are mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from idnb.contours.contour import Measure
from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.resize import resize
from idnb.models.contour_encoder import ContourEncoder, Identity, Latents, map_identity
from idnb.models.embedder import FaceEmbedder
from idnb.models.face_parser import FaceParser
from idnb.models.stylegan2 import Generator

__all__ = ["Outcome", "Session", "blend"]

KEPT = 64
"""How many people, and how many contours, are remembered."""


class Outcome(NamedTuple):
    """One answer: images [1 + steps, 3, H, W], from the average face to the result, and the latents of the result."""

    images: Tensor
    latents: Latents


def blend(parts: Sequence[Latents], weights: Sequence[float]) -> Latents:
    """Weighted sum of latents. Weights should add up to 1. Parts without input latent take part in W+ alone."""
    weighted = list(zip(parts, weights, strict=True))
    w_plus = sum(weight * part.w_plus for part, weight in weighted)
    inputs = [(part.input_latent, weight) for part, weight in weighted if part.input_latent is not None]
    total = sum(weight for _, weight in inputs)
    if not inputs or abs(total) < 1e-8:
        return Latents(w_plus, inputs[0][0] if inputs else None)  # type: ignore[arg-type]
    return Latents(w_plus, sum(weight / total * latent for latent, weight in inputs))  # type: ignore[arg-type]


def _content(tensor: Tensor) -> int:
    return hash(tensor.detach().cpu().contiguous().numpy().tobytes())


def _remember(store: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep a result, and forget the oldest when there are too many."""
    store[key] = value
    if len(store) > KEPT:
        del store[next(iter(store))]


class Session:
    """Generator, encoders and measures, held together for a lab.

    generator: frozen. encoders: kind of contour -> encoder for it. judge: the held-out network that scores identity.
    parser: reads label maps off pictures; without one, label maps cannot be made from photos or scored.
    """

    def __init__(
        self,
        generator: Generator,
        encoders: Mapping[str, ContourEncoder],
        judge: FaceEmbedder | None = None,
        parser: FaceParser | None = None,
    ) -> None:
        if not encoders:
            raise InputError("encoders is empty; a lab needs an encoder for at least one kind of contour")
        self.generator, self.encoders, self.judge, self.parser = generator, dict(encoders), judge, parser
        self._known: dict[Any, Identity] = {}
        self._contours: dict[Any, Tensor] = {}
        self._starts: dict[str, tuple[Latents, Tensor]] = {}
        self._average: dict[str, Tensor] = {}

    @classmethod
    def bundled(cls) -> Session:
        """Everything that comes with the package at `tiny`. Raises InputError when no encoder is bundled."""
        import idnb
        from idnb.models.encoder_files import bundled_encoders
        from idnb.models.face_parser import load_face_parser

        try:
            parser: FaceParser | None = load_face_parser()
        except InputError:
            parser = None
        judge = idnb.load_identity_network("tiny", judge=True)
        return cls(idnb.load_generator("tiny"), bundled_encoders(), judge, parser)

    @property
    def size(self) -> int:
        """Side of a picture in pixels."""
        return self.generator.size

    def contour(self, kind: str, image: Tensor, label_map: Tensor | None = None, low_res: int | None = None) -> Tensor:
        """The contour of a picture, a batch of one.

        kind: one that has an encoder. image: [3, H, H] in [-1, 1]. label_map: [H, H], where it is known; a label map of
        a photo is read by the parser. low_res: side of a low-resolution contour; None: that of the preset.
        """
        encoder = self.encoder(kind)
        key = (kind, _content(image), 0 if label_map is None else _content(label_map), low_res)
        if key not in self._contours:
            chosen = contour_kind(kind).sized(low_res or encoder.preset.low_res_size)
            if chosen.uses_label_map and label_map is None and self.parser is not None:
                label_map = self.parser.label_maps(image[None])[0]
            made = chosen.make(image[None], None if label_map is None else label_map[None])
            _remember(self._contours, key, made)
        return self._contours[key]

    def encoder(self, kind: str) -> ContourEncoder:
        """The encoder for a kind of contour. Raises InputError when there is none."""
        if kind not in self.encoders:
            raise InputError(f"there is no encoder for {kind} here; there are: {', '.join(self.encoders)}")
        return self.encoders[kind]

    @torch.inference_mode()
    def identity(self, kind: str, people: Sequence[tuple[Tensor, float]], strength: float = 1.0) -> Identity:
        """What the encoder of a kind keeps of one person, or of a mixture.

        people: identity images [3, H, H] with their weights, which are made to add up to 1. strength: 0 is nobody in
        particular, 1 the person, more than 1 a caricature.
        """
        total = sum(weight for _, weight in people)
        if not people or total <= 0:
            raise InputError("a mixture needs at least one person with a weight above zero")
        weights = [weight / total for _, weight in people if weight]
        known = [self._encoded(kind, image) for image, weight in people if weight]

        def weighted_sum(*parts: Tensor) -> Tensor:
            return sum(weight * part for weight, part in zip(weights, parts, strict=True))  # type: ignore[return-value]

        mixed = map_identity(weighted_sum, *known)
        if strength == 1.0:
            return mixed
        nobody = self._encoded(kind, self._start(kind)[1][0])
        return map_identity(lambda neutral, part: neutral + strength * (part - neutral), nobody, mixed)

    def _encoded(self, kind: str, image: Tensor) -> Identity:
        key = (kind, _content(image))
        if key not in self._known:
            small = resize(image[None], self.encoder(kind).preset.encoder_size)
            _remember(self._known, key, self.encoder(kind).encode_identity(small))
        return self._known[key]

    def _start(self, kind: str) -> tuple[Latents, Tensor]:
        if kind not in self._starts:
            self._starts[kind] = self.encoder(kind).start(self.generator, 1)
        return self._starts[kind]

    @torch.inference_mode()
    def run(
        self,
        kind: str,
        x_c: Tensor,
        people: Sequence[tuple[Tensor, float]],
        strength: float = 1.0,
        steps: int | None = None,
    ) -> Outcome:
        """A face with this contour and this identity; all steps, the average face first.

        kind, x_c: from `contour`. people, strength: see `identity`. steps: None is what the encoder is meant for.
        """
        encoder = self.encoder(kind)
        steps = encoder.steps if steps is None else int(steps)
        if not 0 <= steps <= 20:
            raise InputError(f"steps is {steps}; expected 0 to 20")
        size = encoder.preset.encoder_size
        contour = contour_kind(kind).network_input(x_c, size)
        identity = self.identity(kind, people, strength)
        latents, y_hat = self._start(kind)
        if kind not in self._average:
            self._average[kind] = self.generator.synthesis(*latents)
        images = [self._average[kind]]
        for _ in range(steps):
            latents = encoder.refine(contour, identity, y_hat, latents)
            images.append(self.generator.synthesis(*latents))
            y_hat = resize(images[-1], size)
        return Outcome(torch.cat(images), latents)

    @torch.inference_mode()
    def paint(self, latents: Latents) -> Tensor:
        """The picture of latents, a batch of one: [3, H, H]."""
        return self.generator.synthesis(*latents)[0]

    @torch.inference_mode()
    def similarity(self, image: Tensor, person: Tensor) -> float | None:
        """Cosine of two faces by the held-out judge, or None without one."""
        if self.judge is None:
            return None
        faces = self.judge(torch.stack([resize(x[None], self.size)[0] for x in (image.clamp(-1, 1), person)]))
        return float((faces[0] * faces[1]).sum())

    @torch.inference_mode()
    def fidelity(self, kind: str, image: Tensor, x_c: Tensor) -> tuple[Measure, float] | None:
        """How well a picture keeps a contour: measure and value; None where no parser is at hand for it."""
        chosen = contour_kind(kind)
        if chosen.needs_label_map and self.parser is None:
            return None
        return chosen.measure, float(chosen.fidelity(image[None], x_c, self.parser)[chosen.measure.name][0])

    @torch.inference_mode()
    def bands(self, faces: Any, people: int = 40) -> dict[str, tuple[float, float]]:
        """What similarity means for this judge: middle 90 % of pairs of strangers, and of pictures of one person.

        faces: a set of people. people: how many are compared, with two pictures each. Returns name -> (low, high).
        """
        if self.judge is None:
            return {}
        seen: dict[int, list[int]] = {}
        for index, person in enumerate(faces.identity.tolist()):
            seen.setdefault(person, []).append(index)
        pairs = [rows[:2] for rows in seen.values() if len(rows) > 1][:people]
        if len(pairs) < 2:
            return {}
        first, second = (self.judge(faces.images([pair[i] for pair in pairs])) for i in (0, 1))
        cosines = first @ second.T  # [P, P]
        own = torch.eye(len(pairs), dtype=torch.bool)
        levels = torch.tensor([0.05, 0.95])
        named = {"strangers": cosines[~own], "same person": cosines[own]}
        return {name: tuple(torch.quantile(c, levels).tolist()) for name, c in named.items()}
