"""A run on disk: its parts until it is whole, and the stored results."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.files import note_or_compare, whole_file, write_bytes, write_text
from idnb.core.messages import is_out_of_memory
from idnb.core.pictures import read_picture
from idnb.core.weights import ASSETS
from idnb.evaluation.dataset import EvaluationSet
from idnb.evaluation.setting import Setting
from idnb.faces.pairs import Pairs, load_pairs, save_pairs

__all__ = [
    "RESULTS",
    "Columns",
    "chunk_path",
    "claim",
    "keep",
    "load_chunks",
    "run_name",
    "save_chunk",
    "save_columns",
    "stored_path",
]

RESULTS = ASSETS / "results"
"""Where results are kept that are part of the package: a folder a table."""

NAMES = "names"  # in a chunk: of its columns
LARGEST_CHUNK = 256 << 20  # bytes; a chunk of ours has two million

Columns = dict[str, NDArray[Any]]


def claim(out: Path, description: dict[str, Any], pairs: Pairs, data: EvaluationSet) -> None:
    """Note what a folder holds, or check that it holds nothing else."""
    if not (out / "setting.json").is_file():
        save_pairs(pairs, out / "pairs.csv")
    if note_or_compare(out / "setting.json", description, "a run with another setting or other weights"):
        stored = load_pairs(out / "pairs.csv", data.identity)
        if not (np.array_equal(stored.contour, pairs.contour) and np.array_equal(stored.identity, pairs.identity)):
            raise InputError(f"{out / 'pairs.csv'}: holds other pairs; give another --out")


def chunk_path(out: Path, index: int) -> Path:
    """Where a chunk is stored until the run is whole."""
    return out / f"chunk_{index:05d}.npz"


def load_chunks(out: Path, sizes: Sequence[int]) -> Iterator[Columns]:
    """Every chunk in order. sizes: pairs in each. Raises InputError that names a damaged file."""
    shapes: dict[str, Any] | None = None
    for i, size in enumerate(sizes):
        path = chunk_path(out, i)
        try:
            columns = read_columns(path)
        except Exception as error:  # numpy, zipfile and zlib have exceptions of their own; the cause is chained
            if is_out_of_memory(error):
                raise
            raise InputError(f"{path} is damaged ({error}); delete it and start again") from error
        found = {name: (column.dtype, column.shape[1:]) for name, column in columns.items()}
        shapes = shapes or found
        if not columns or found != shapes or any(column.shape[:1] != (size,) for column in columns.values()):
            raise InputError(f"{path} is damaged (it holds no columns of {size} pairs); delete it and start again")
        yield columns


def read_columns(path: Path) -> Columns:
    """The columns of a chunk. Raises ValueError for one that unpacks to too much, and what numpy and zipfile raise."""
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST_CHUNK:
            raise ValueError("it unpacks to too much")
        for entry in archive.infolist():
            with archive.open(entry) as file:
                shape, _, dtype = headers[np.lib.format.read_magic(file)](file)
            if math.prod(shape) * dtype.itemsize > entry.file_size or dtype.kind not in "fiub":
                raise ValueError(f"{entry.filename} is no column of numbers")
    with np.load(path) as stored:
        columns = {key: stored[key] for key in stored.files}
    names = columns.pop(NAMES).tobytes().decode()
    if names != _names_of(columns):
        raise ValueError(f"it should hold the columns {names}")
    return columns


def save_chunk(out: Path, index: int, columns: Columns) -> None:
    """Write a chunk in one step, and into it the names of its columns, so that a lost one is missed."""
    names = np.frombuffer(_names_of(columns).encode(), np.uint8)
    save_columns(chunk_path(out, index), {**columns, NAMES: names})


def _names_of(columns: Columns) -> str:
    return ", ".join(sorted(columns))


def save_columns(path: Path, columns: Columns) -> None:
    """Write columns in one step: the file is whole or not there."""
    with whole_file(path) as file:
        np.savez_compressed(file, **columns)  # type: ignore[arg-type]


def stored_path(store: str, setting: Setting) -> Path:
    """Where a result is kept: in a folder, or in a folder of the package's results for a plain word."""
    folder = RESULTS / store if store.isidentifier() else Path(store)
    return folder / f"{run_name(setting)}.json"


def keep(result: dict[str, Any], path: Path, examples: Path | None) -> None:
    """Store a result, and the picture of its examples where there is one: as WebP, a quarter of the PNG's size."""
    if examples is not None and examples.is_file():
        content = examples.read_bytes()
        if examples.suffix != ".webp":
            read_picture(content).convert("RGB").save(buffer := io.BytesIO(), "WEBP", quality=92, method=6)
            content = buffer.getvalue()
        write_bytes(path.with_suffix(".webp"), content)
    write_text(path, json.dumps(result, indent=1) + "\n")


def run_name(setting: Setting) -> str:
    """The folder of a run: all that sets it apart from others."""
    words = [setting.method.replace(", ", "_").replace(" ", "_"), setting.kind, setting.mode, f"seed{setting.seed}"]
    words += [f"{setting.contours}x{setting.count}" if setting.contours else f"allx{setting.count}"]
    words += [f"{setting.steps}steps"] if setting.steps else []
    words += [f"{setting.contour_size}px"] if setting.contour_size else []
    return "_".join(words)
