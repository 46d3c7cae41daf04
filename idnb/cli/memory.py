"""Memory that runs out within the allowed numbers: one line that says which options take less of it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager

from idnb.core.errors import InputError
from idnb.core.messages import is_out_of_memory

__all__ = ["memory_told"]

LARGE = ("batch", "people", "identities", "shots", "images", "size", "processes", "workers", "augmentations")
"""Options whose numbers decide how much memory a command takes, those that decide most first."""


@contextmanager
def memory_told(args: argparse.Namespace) -> Iterator[None]:
    """Raise InputError in place of what Python, NumPy and torch raise when memory runs out.

    args: of the command; the message names those options that it has.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        asked = re.search(r"[0-9][0-9.,]* ?([kKMGTPE]i?B|bytes)", str(error))
        amount = asked and re.sub(r"([0-9]{7,}) bytes", lambda found: f"{int(found[1]) / 1e9:,.1f} GB", asked[0])
        less = [f"--{name}" for name in LARGE if type(value := getattr(args, name, None)) is int and value]
        remedy = f"choose a smaller {' or '.join(less[:3])}, or " if less else ""
        told = f" ({amount} more were asked for)" if amount else ""
        raise InputError(f"memory ran out{told}; {remedy}close other programs") from error
