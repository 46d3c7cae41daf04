"""Ideal results as a method: what a table says of pictures that nobody could draw better.

A value that even they miss is no fault of an encoder, and a target beyond them pulls it away from the person.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.evaluation.dataset import EvaluationSet
from idnb.evaluation.methods import still
from idnb.evaluation.setting import Setting
from idnb.faces.set_files import set_checksum
from idnb.faces.triples import load_triples
from idnb.models.contour_encoder import Result

__all__ = ["IdealResults"]


class IdealResults:
    """Looks the ideal result of a pair up by its two pictures.

    folder: of `idnb render --pairs`. faces: the set that its pairs are of, measured by data. kind: of contour; one that
    is a picture shows colours, and the ideal results have those; for others the colours are the identity image's.

    preset: of the run.

    Attributes: setting, the run whose pairs these are; checksum of the folder.
    Raises InputError as `idnb.faces.triples.load_triples`, and for a set that is not yet whole.
    """

    def __init__(self, folder: str | Path, faces: Any, data: EvaluationSet, kind: str, preset: str = "tiny") -> None:
        self.triples = load_triples(folder, faces, "contour" if contour_kind(kind).is_picture else "identity")
        self.setting = Setting("ideal", kind=kind, contours=self.triples.ideal.card["pairs"], count=1, preset=preset)
        if len(self.triples) < (self.setting.contours or 0):
            whole = f"{len(self.triples)} of {self.setting.contours} pairs are rendered"
            raise InputError(f"{folder}: {whole}; finish it with the same `idnb render`")
        self.checksum = set_checksum(Path(folder))
        x_c, x_id = data.contours(kind, self.triples.contour), data.images(self.triples.given)
        self.rows = {key: row for row, key in enumerate(keys_of(x_c, x_id))}

    def generate(self, generator: Any, x_c: Tensor, x_id: Tensor, steps: int | None = None) -> Result:
        """The ideal results of some pairs. Raises InputError for a pair of which none was rendered."""
        keys = keys_of(x_c, x_id)
        if not all(key in self.rows for key in keys):
            raise InputError("ideal: a pair has no ideal result; measure the pairs that were rendered, `setting`")
        return still(self.triples.ideal.images([self.rows[key] for key in keys]))


def keys_of(x_c: Tensor, x_id: Tensor) -> list[bytes]:
    """What tells a pair apart: the bytes of its contour and identity image."""
    return [one.numpy().tobytes() + other.numpy().tobytes() for one, other in zip(x_c.float(), x_id, strict=True)]
