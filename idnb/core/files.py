"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["save_atomically", "write_bytes", "write_text"]


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write beside, then rename: an interruption leaves the old file whole."""
    import torch

    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    os.replace(part, path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes in one step."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(content)
    os.replace(part, path)


def write_text(path: Path, text: str) -> None:
    """Write text in one step."""
    write_bytes(path, text.encode())
