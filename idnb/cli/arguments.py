"""Words of the command line that several commands read."""

from __future__ import annotations

from idnb.core.errors import InputError

__all__ = ["parse_number", "parse_shard"]


def parse_shard(text: str | None) -> tuple[int, int]:
    """ "1/4" to (1, 4); None is the whole."""
    if text is None:
        return (0, 1)
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or not int(parts[0]) < int(parts[1]):
        raise InputError(f"--shard {text!r}: expected k/n with k from 0 to n - 1, such as 0/2")
    return (int(parts[0]), int(parts[1]))


def parse_number(name: str, text: str) -> int:
    """A whole number of at least 0. Raises InputError that names the option."""
    if not text.strip().isdigit():
        raise InputError(f"{name} {text!r}: expected a whole number")
    return int(text)
