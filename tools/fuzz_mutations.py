"""Ways to spoil a file: blindly, by bytes, and knowingly, inside archives, tables, headers and dictionaries of tensors.

Every mutation takes the content of a valid file, other valid files, and a source of randomness; it returns the new
content, or None where it does not apply to such a file.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

__all__ = ["MUTATIONS", "spoil"]

Mutation = Callable[[bytes, list[bytes], random.Random], bytes | None]
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1 << 31, 1 << 63, 10**30, 1.5, float("nan"), float("inf"), "", "7", "../x", "\x00\x1b[2J"),
    *([], {}, [[]], {"a": {}}, "x" * 5000),
)
BOMB = 2 << 30  # bytes that a packed bomb unpacks to


def cut(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The beginning of the file; now and then nothing."""
    return content[: rng.choice((0, 1, rng.randrange(len(content) + 1), max(0, len(content) - rng.randrange(1, 40))))]


def flip(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Some bytes changed, anywhere or among the first hundred."""
    changed = bytearray(content or b"\x00")
    reach = rng.choice((len(changed), min(100, len(changed)), min(1000, len(changed))))
    for _ in range(rng.choice((1, 2, 8, 64))):
        changed[rng.randrange(reach)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed)


def large_numbers(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A number of four or eight bytes near the beginning or the end is replaced by an extreme one."""
    width = rng.choice((2, 4, 8))
    place = rng.choice((rng.randrange(min(200, len(content)) or 1), max(0, len(content) - rng.randrange(1, 200))))
    value = rng.choice((0, (1 << 8 * width) - 1, (1 << 8 * width - 1) - 1, 1 << 8 * width - 1, 1 << 4 * width))
    return content[:place] + value.to_bytes(width, rng.choice(("little", "big"))) + content[place + width :]


def splice(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    other = rng.choice(others)
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def another(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Another file altogether."""
    texts = [b"<!DOCTYPE html><html>quota</html>", b"%!PS\n{} loop", bytes(5000), b"\xff" * 300, b"[" * 100_000, b"{}"]
    return rng.choice([*others, *texts])


def repeat(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A part of the file twice, zeroed, or taken out."""
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:a] + rng.choice((content[a:b] * 2, bytes(b - a), b"")) + content[b:]


def inside_archive(content: bytes, others: list[bytes], rng: random.Random) -> bytes | None:
    """A zip archive whose checksums are right and whose content is not; or a bomb."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as source:
            parts = {entry.filename: source.read(entry) for entry in source.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if not parts:
        return None
    name = rng.choice(list(parts))
    how = rng.choice(("spoil", "spoil", "spoil", "drop", "pack", "bomb", "twice"))
    if how == "spoil":
        parts[name] = rng.choice(BLIND)(parts[name], others, rng)
    elif how == "drop":
        del parts[name]
    packing = zipfile.ZIP_DEFLATED if how in ("pack", "bomb") else zipfile.ZIP_STORED
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packing) as archive:
        for key, part in parts.items():
            if how == "bomb" and key == name:
                with archive.open(zipfile.ZipInfo(key), "w", force_zip64=True) as file:
                    file.write(part)
                archive.getinfo(key).file_size = rng.choice((BOMB, 1 << 40))  # said, not there
            else:
                archive.writestr(key, part)
    made = target.getvalue()
    return made + made if how == "twice" else made


def inside_gzip(content: bytes, others: list[bytes], rng: random.Random) -> bytes | None:
    """A packed table whose text is spoilt; or a bomb."""
    if not content.startswith(b"\x1f\x8b"):
        return None
    if rng.random() < 0.15:
        return bomb()
    try:
        return gzip.compress(rng.choice((*BLIND, in_text))(gzip.decompress(content), others, rng) or b"")
    except (OSError, EOFError, zlib.error):
        return None


def bomb() -> bytes:
    """A gzip file of two megabytes that unpacks to two gigabytes of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\2\xff" + block * (BOMB >> 20) + packer.flush() + bytes(8)


def in_text(content: bytes, others: list[bytes], rng: random.Random) -> bytes | None:
    """One cell or word of a text is replaced by an odd one."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    lines = text.splitlines() or [""]
    place = rng.randrange(len(lines))
    mark = "," if "," in lines[place] else " "
    words = lines[place].split(mark)
    words[rng.randrange(len(words))] = str(rng.choice(ODD))
    lines[place] = mark.join(words)
    return "\n".join(lines).encode()


def in_json(content: bytes, others: list[bytes], rng: random.Random) -> bytes | None:
    """One value of a JSON file is replaced by an odd one, or left out."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return json.dumps(replaced(tree, rng, ODD)).encode()


def in_safetensors(content: bytes, others: list[bytes], rng: random.Random) -> bytes | None:
    """One value of the header of a .safetensors file is replaced."""
    if content[8:9] != b"{":
        return None
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
    except ValueError:
        return None
    text = json.dumps(
        replaced(header, rng, (*ODD, "F64", "I8", "BOOL", "C64", [0, 1 << 40], [1 << 20, 1 << 20]))
    ).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def in_tensors(content: bytes, others: list[bytes], rng: random.Random) -> bytes | None:
    """One value inside a PyTorch file is replaced: another type, another size, no number, more memory than bytes."""
    import torch

    if not content.startswith((b"PK", b"\x80\x02")):
        return None
    try:
        tree = torch.load(io.BytesIO(content), weights_only=True)
    except Exception:
        return None
    values = [torch.tensor(float("nan")), torch.zeros(3), torch.zeros(2, 2, dtype=torch.long), torch.zeros(0)]
    values += [torch.zeros(1).expand(1 << 31), torch.zeros(2, dtype=torch.complex64), torch.ones(5, dtype=torch.bool)]
    target = io.BytesIO()
    old = rng.random() < 0.2
    torch.save(replaced(tree, rng, (*ODD, *values)), target, _use_new_zipfile_serialization=not old)
    return target.getvalue()


def in_png(content: bytes, others: list[bytes], rng: random.Random) -> bytes | None:
    """Another size, depth or kind in the head of a PNG, with the right checksum."""
    if not content.startswith(b"\x89PNG") or len(content) < 33:
        return None
    head = bytearray(content[16:29])
    if rng.random() < 0.6:
        side = rng.choice((0, 1, 17, 5000, 40_000, 1 << 30))
        head[0:8] = struct.pack(">II", side, rng.choice((side, 1, 64)))
    else:
        head[rng.randrange(8, 13)] = rng.choice((0, 1, 2, 3, 4, 6, 16, 255))
    return content[:16] + head + zlib.crc32(b"IHDR" + head).to_bytes(4, "big") + content[33:]


def replaced(tree: Any, rng: random.Random, values: tuple[Any, ...]) -> Any:
    """Nested dictionaries and lists with one entry, somewhere, replaced or left out."""
    if not isinstance(tree, dict | list) or not tree or rng.random() < 0.1:
        return rng.choice(values)
    key = rng.choice(list(tree)) if isinstance(tree, dict) else rng.randrange(len(tree))
    if rng.random() < 0.15:
        kept = tree.copy()
        del kept[key]
        return kept
    kept = tree.copy()
    kept[key] = replaced(tree[key], rng, values)
    return kept


BLIND: tuple[Any, ...] = (cut, flip, large_numbers, splice, another, repeat)
KNOWING: tuple[Any, ...] = (inside_archive, inside_gzip, in_text, in_json, in_safetensors, in_tensors, in_png)
MUTATIONS: dict[str, Mutation] = {mutation.__name__: mutation for mutation in (*BLIND, *KNOWING)}


def spoil(content: bytes, others: list[bytes], rng: random.Random) -> tuple[str, bytes]:
    """Spoil a file in one way that applies to it, as often knowingly as blindly. Returns the way and the content."""
    for name in rng.sample([mutation.__name__ for mutation in KNOWING], len(KNOWING)) * (rng.random() < 0.5):
        made = MUTATIONS[name](content, others, rng)
        if made is not None:
            return name, made
    name = rng.choice(BLIND).__name__
    return name, MUTATIONS[name](content, others, rng) or b""
