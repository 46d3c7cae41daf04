"""Where weights come from: files that are part of the package, and files fetched once into a cache.

`idnb/assets/manifest.json` lists both kinds. Each entry is a small model card: the command that makes the file (or the
hosts that offer it), seed, data, size, sha256, licence and metrics. Nothing is used before its size and sha256
have been compared with the manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idnb.core.errors import InputError
from idnb.core.files import read_json, write_text

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ASSETS",
    "GROUPS",
    "WeightFile",
    "cache_folder",
    "check_file",
    "export_bundled",
    "file_sha256",
    "find_weight",
    "pin_file",
    "pinned_sha256",
    "read_manifest",
    "weight_path",
]

ASSETS = Path(__file__).parent.parent / "assets"
# A word for `idnb fetch` -> the weights it stands for, besides `all`.
GROUPS = {"paper": ("stylegan2_ffhq_1024", "arcface_ir_se50", "facenet_vggface2")}


@dataclass
class WeightFile:
    """One entry of the manifest.

    name: what `idnb fetch` and the loaders call it. file: file name, in assets or in the cache.
    about: one line. size: bytes, or None where no trustworthy number is known. sha256: lower-case hex, likewise; a
        prefix of at least eight digits is compared as such (PyTorch puts one into its file names).
    also: sha256 of other accepted files, where several circulate under one name.
    licence: of this file. command, seed, data, metrics: how a bundled file was made and what it measured.
    commit: of the project, where its code of today has another command.
    defaults: option -> value, of the command's options that are not in it; another version may have other defaults.
    made_from: file -> sha256 of what the training started from: bundled weights, and files that the command names.
    urls: for downloads, tried in order; `gdrive:ID` stands for a Google Drive file. A download without a sha256 is
        pinned when it is first fetched.
    """

    name: str
    file: str
    about: str
    licence: str
    size: int | None = None
    sha256: str | None = None
    also: list[str] = field(default_factory=list)
    command: str | None = None
    commit: str | None = None
    seed: int | None = None
    data: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    made_from: dict[str, str] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)

    @property
    def bundled(self) -> bool:
        """True for a file that is part of the package."""
        return not self.urls


def read_manifest(assets: Path = ASSETS) -> list[WeightFile]:
    """All known weights, in the order of the manifest.

    assets: folder that holds manifest.json.
    """
    path = assets / "manifest.json"
    rows = read_json(path, "reinstall idnb").get("weights")
    try:
        entries = [WeightFile(**row) for row in rows]  # type: ignore[union-attr]
    except TypeError as error:
        raise InputError(f"{path} is damaged ({error}); reinstall idnb") from error
    faults = [f"entry {entry.name!r}: {fault}" for entry in entries if (fault := _entry_fault(entry))]
    names = [entry.name for entry in entries]
    if faults or not entries or len({*map(str, names)}) < len(names):
        why = faults[0] if faults else "a name twice" if entries else "no entries"
        raise InputError(f"{path} is damaged ({why}); reinstall idnb")
    return entries


def _entry_fault(entry: WeightFile) -> str | None:
    """What is malformed in an entry of the manifest, or None."""
    for name in ("name", "file", "about", "licence"):
        if not isinstance(getattr(entry, name), str):
            return f"{name} is no text"
    if not entry.name or not entry.file.strip(".") or Path(entry.file).name != entry.file:
        return f"file {entry.file!r} is no plain file name"
    for name in ("size", "seed"):
        value = getattr(entry, name)
        if value is not None and (type(value) is not int or value < 0):
            return f"{name} is no whole number"
    for name in ("command", "commit", "data"):
        if not isinstance(getattr(entry, name), str | None):
            return f"{name} is no text"
    for name in ("also", "urls"):
        value = getattr(entry, name)
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            return f"{name} is no list of texts"
    hashes = [entry.sha256 or "0" * 64, *entry.also]
    if not isinstance(hashes[0], str) or not all(re.fullmatch("[0-9a-f]{8,64}", text) for text in hashes):
        return "a sha256 is not 8 to 64 digits 0-9 a-f"
    for name in ("metrics", "defaults", "made_from"):
        if not isinstance(getattr(entry, name), dict):
            return f"{name} is no object"
    return None


def find_weight(name: str, assets: Path = ASSETS) -> WeightFile:
    """The manifest entry called `name`. Raises InputError that lists the known names."""
    manifest = read_manifest(assets)
    for entry in manifest:
        if entry.name == name:
            return entry
    raise InputError(f"weights {name!r} are unknown; known: {', '.join(entry.name for entry in manifest)}")


def cache_folder() -> Path:
    """The folder for downloads: IDNB_CACHE where it is set, else the usual cache place of this system."""
    try:
        if os.environ.get("IDNB_CACHE"):
            return Path(os.environ["IDNB_CACHE"]).expanduser()
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:  # there is no home folder, or none of the one named after ~
        raise InputError("no folder for downloads is known here; set IDNB_CACHE to a full path") from error
    return base / "idnb"


def file_sha256(path: Path) -> str:
    """The sha256 of a file as lower-case hex; files read once and unchanged since are not read again."""
    stat = path.stat()
    return _hash_file(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _hash_file(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pin_file(path: Path) -> str:
    """Remember the sha256 of a file for which none is published, beside it, and return it.

    From then on the same file is asked for: damage and exchange are noticed, a wrong first file is not.
    """
    pin = path.with_name(path.name + ".sha256")
    pin.unlink(missing_ok=True)  # a link would be followed
    write_text(pin, f"{file_sha256(path)}  {path.name}\n")
    return file_sha256(path)


def pinned_sha256(path: Path) -> str | None:
    """The sha256 that `pin_file` has remembered for a file, or None where that is missing or damaged."""
    try:
        text = path.with_name(path.name + ".sha256").read_bytes()[:200].decode("ascii", "replace")
    except OSError:
        return None
    found = re.match("[0-9a-f]{64}", text)
    return found.group() if found else None


def check_file(entry: WeightFile, path: Path) -> str | None:
    """What is wrong with a file that should be `entry`, in one line; None when nothing is."""
    if not path.is_file():
        return "is not there"
    size = path.stat().st_size
    if entry.also and file_sha256(path) in entry.also:
        return None
    if entry.size is not None and size != entry.size:
        kind = "truncated" if size < entry.size else "another file"
        return f"has {size:,} bytes where {entry.size:,} are expected ({kind})"
    wanted = entry.sha256 or pinned_sha256(path)
    if wanted is not None and not file_sha256(path).startswith(wanted):
        found = file_sha256(path)[: len(wanted)][:16]
        since = "" if entry.sha256 else f" since it was first fetched; delete {path.name}.sha256 to accept it"
        return f"has sha256 {found}... where {wanted[:16]}... is expected (corrupted, or another file{since})"
    return None


def weight_path(name: str, assets: Path = ASSETS) -> Path:
    """The verified file of an entry: in the package, or in the cache if `idnb fetch` has brought it.

    Nothing is downloaded here. Raises InputError with the remedy for a missing or damaged file.
    """
    entry = find_weight(name, assets)
    path = assets / entry.file if entry.bundled else cache_folder() / entry.file
    wrong = check_file(entry, path)
    if wrong is None:
        return path
    if not entry.bundled:
        raise InputError(f"{path} {wrong}; run `idnb fetch {name}` on a machine with a network connection")
    remedy = "reinstall idnb, or restore the file with `git checkout`"
    if entry.command:
        remedy += f"; it was made by `{entry.command}`" + (f" at commit {entry.commit}" if entry.commit else "")
    raise InputError(f"{path} {wrong}; {remedy}")


def export_bundled(entry: WeightFile, tensors: dict[str, Tensor], assets: Path = ASSETS) -> Path:
    """Write weights into the package as fp16 safetensors and put their entry, with size and sha256, into the manifest.

    entry: name, file, licence, command, seed, data and metrics; size and sha256 are filled in here.
    tensors: state dict; floating tensors are stored as float16, others as they are.
    Returns the path written. Both files are replaced in one step each, so an interruption leaves the old ones.
    """
    from idnb.core.tensor_files import write_tensors

    path = assets / entry.file
    halves = {
        key: (value.half() if value.is_floating_point() else value).contiguous().clone()
        for key, value in tensors.items()
    }
    for key, value in halves.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise InputError(f"{entry.name}: {key} does not fit into float16; keep it smaller or store it as float32")
    write_tensors(path, halves, {"name": entry.name, "licence": entry.licence})
    entry.size, entry.sha256 = path.stat().st_size, file_sha256(path)
    write_entry(entry, assets)
    return path


def write_entry(entry: WeightFile, assets: Path = ASSETS) -> None:
    """Add an entry to the manifest or replace the one of the same name."""
    manifest = assets / "manifest.json"
    entries = read_manifest(assets) if manifest.is_file() else []
    names = [old.name for old in entries]
    if entry.name in names:
        entries[names.index(entry.name)] = entry
    else:
        entries.append(entry)
    rows = [{key: value for key, value in asdict(old).items() if value not in (None, {}, [])} for old in entries]
    write_text(manifest, json.dumps({"weights": rows}, indent=2) + "\n")
