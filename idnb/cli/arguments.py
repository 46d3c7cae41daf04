"""Words of the command line that several commands read: numbers and their ranges, shares of the work.

Every number on the command line has one of these types, so that a senseless one is told before anything else is done.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from idnb.core.errors import InputError
from idnb.core.messages import printable

__all__ = [
    "BATCH",
    "COUNT",
    "MINUTES",
    "OWN_STEPS",
    "PROCESSES",
    "RATE",
    "SEED",
    "SHARE",
    "STEPS",
    "THREADS",
    "WEIGHT",
    "Listed",
    "Parser",
    "Real",
    "Whole",
    "expand_home",
    "parse_shard",
]


_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?"


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`, or one of `words`, which stays a word."""

    low: int
    high: int
    words: tuple[str, ...] = ()

    def __call__(self, text: str) -> Any:
        """Read it. Raises ArgumentTypeError that names the range."""
        if text in self.words:
            return text
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,20}", text.strip()) else None
        if number is None or not self.low <= number <= self.high:
            other = "".join(f", or {word}" for word in self.words)
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {self.low:,} to {self.high:,}{other}"
            )
        return number


@dataclass(frozen=True)
class Real:
    """A number from `low` to `high`; without `closed`, above `low`."""

    low: float
    high: float
    closed: bool = True

    def __call__(self, text: str) -> float:
        """Read it. Raises ArgumentTypeError that names the range; no number (nan) and infinity lie in none."""
        number = float(text) if re.fullmatch(_DECIMAL, text.strip()) else math.nan
        if not (self.low <= number <= self.high and (self.closed or number > self.low)):
            start = f"from {self.low:g}" if self.closed else f"above {self.low:g},"
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {start} to {self.high:g}")
        return number


@dataclass(frozen=True)
class Listed:
    """Several numbers of one sort with commas between, as a tuple."""

    each: Whole | Real

    def __call__(self, text: str) -> tuple[Any, ...]:
        """Read them. Raises ArgumentTypeError that names the range."""
        return tuple(self.each(word) for word in text.split(","))


COUNT = Whole(1, 1_000_000_000)  # of people, pictures, steps of a long run
BATCH = Whole(1, 65_536)
STEPS = Whole(1, 20)  # refinement steps of an encoder
OWN_STEPS = Whole(1, 100_000)  # steps of any method, those of an optimisation among them
SEED = Whole(0, 2**31 - 1)  # what is computed from it fits into 64 bits
THREADS = Whole(1, 1024)
PROCESSES = Whole(1, 256)
MINUTES = Real(0, 1e6)
RATE = Real(0, 10, closed=False)  # learning rates, and shares of them
SHARE = Real(0, 1)
WEIGHT = Real(0, 1e6)  # of a term of a loss


class Parser(argparse.ArgumentParser):
    """Raises InputError for words it cannot use: one line, as for all other bad input."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong, with the command that lists the options."""
        raise InputError(f"{printable(message.removeprefix('argument '))}; see `{self.prog} --help`")


def expand_home(args: argparse.Namespace) -> argparse.Namespace:
    """Put the home folder in place of a `~` that begins a word, also after a comma or `=`; the shell does some only.

    Raises InputError where there is no such home.
    """

    def whole(match: re.Match[str]) -> str:
        found = os.path.expanduser(match[2])
        if found == match[2]:
            raise InputError(f"{match[2]} is no home folder here; write ./{match[2]} for a file of that name")
        return match[1] + found

    def expanded(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"(^|[,=])(~[^/,=@]*)(?=[/,@]|$)", whole, value)
        if isinstance(value, Path):
            return Path(expanded(str(value)))
        return [expanded(part) for part in value] if isinstance(value, list) else value

    return argparse.Namespace(**{name: expanded(value) for name, value in vars(args).items()})


def parse_shard(text: str | None) -> tuple[int, int]:
    """ "1/4" to (1, 4); None is the whole."""
    if text is None:
        return (0, 1)
    try:
        part, parts = (Whole(0, 1_000_000)(word) for word in text.split("/"))
    except (ValueError, argparse.ArgumentTypeError):
        part, parts = 0, 0
    if part >= parts:
        raise InputError(f"--shard {text!r}: expected k/n with k from 0 to n - 1, such as 0/2")
    return (part, parts)
