"""One report of all that is wrong with a folder of pictures, so that a run does not stop at image 17,000."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from idnb.core.errors import InputError, InputErrors
from idnb.core.messages import printable
from idnb.core.pictures import picture_header
from idnb.faces.label_files import read_class_numbers
from idnb.faces.photo import open_photo

__all__ = ["Fault", "FolderReport", "common_side", "picture_fault", "picture_faults"]

LISTED = 10  # faults of a kind that are printed; a file takes them all

# Kind of fault -> what it means and what to do.
KINDS = {
    "missing": "missing: copy or download them again",
    "broken": "broken: copy or download them again",
    "extra": "not part of the set, and not used: delete them, or move them elsewhere",
    "wrong": "not as they should be",
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: its kind ("missing", "broken", "extra" or "wrong"), the file, and why."""

    kind: str
    path: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.why}" if self.why else self.path


@dataclass
class FolderReport:
    """What a folder holds and what is wrong with it.

    about: lines on what is there. faults: everything that is wrong; an "extra" file does no harm.
    """

    folder: Path
    about: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """True when nothing is missing, broken or wrong."""
        return all(fault.kind == "extra" for fault in self.faults)

    def add(self, kind: str, path: str | Path, why: str = "") -> None:
        """Add a fault; a path inside the folder is shortened to what follows it."""
        path = Path(path)
        short = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        self.faults.append(Fault(kind, short.as_posix(), why))

    def text(self, limit: int | None = None) -> str:
        """The report as text; `limit` is the number of faults listed of each kind, None lists them all."""
        lines = [str(self.folder), *(f"  {line}" for line in self.about)]
        counts = Counter(fault.kind for fault in self.faults)
        for kind, meaning in KINDS.items():
            if not counts[kind]:
                continue
            lines.append(f"{counts[kind]:,} {meaning}")
            chosen = [fault for fault in self.faults if fault.kind == kind]
            lines += [f"  {fault}" for fault in chosen[:limit]]
            if limit is not None and counts[kind] > limit:
                lines.append(f"  ... and {counts[kind] - limit:,} more")
        verdict = "usable" if self.usable else "NOT usable as it is"
        return "\n".join(printable(line) for line in [*lines, f"{verdict}: {self._sum(counts)}"])

    def __str__(self) -> str:
        return self.text(LISTED)

    def require(self) -> None:
        """Raise InputError with the whole report unless the folder is usable."""
        if not self.usable:
            raise InputErrors(f"{self.text(LISTED)}\nThe whole list: idnb data check {self.folder} --out report.txt")

    @staticmethod
    def _sum(counts: Counter[str]) -> str:
        return ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind]) or "nothing is amiss"


def common_side(paths: Iterable[Path]) -> int:
    """The side in pixels that most pictures have, from up to 64 of them; their shorter side where they are not square.

    Raises InputError when none of them can be read.
    """
    chosen = list(paths)
    sides: Counter[int] = Counter()
    for path in chosen[:: max(1, len(chosen) // 64)]:
        try:
            header = picture_header(path)
            sides[min(header.width, header.height)] += 1
        except InputError:
            continue  # the report names it
    if not sides:
        raise InputError(f"none of the pictures can be read, such as {chosen[0] if chosen else 'any'}")
    return max(sides, key=lambda side: (sides[side], side))


def picture_fault(path: Path, decode: bool = False, side: int | None = None, indices: bool = False) -> str | None:
    """What is wrong with a picture file, in a few words; None when nothing is.

    path: of the file.
    decode: read all pixels. Otherwise only the beginning and the end are looked at, which finds files that are
        empty, cut off or something else, and takes a hundredth of the time.
    side: pixels it should have each way; None wants any square.
    indices: the picture holds class numbers or a mask, not colours.
    """
    try:
        state = path.stat()
    except OSError:
        return "is not there"
    size = state.st_size
    if size == 0 and stat.S_ISREG(state.st_mode):
        return "is empty"
    try:
        width, height, kind = picture_header(path)
    except InputError as error:
        if _is_page(path):
            return "is an HTML page, not a picture"
        return f"is cut off ({size:,} bytes)" if "cut off" in str(error) else _without(path, error)
    if width != height or (side is not None and width != side):
        return f"is {width} x {height}, not " + (f"{side} x {side}" if side else "square")
    if kind in ("JPEG", "MPO", "PNG") and not _has_end(path, size, kind):
        return f"is cut off ({size:,} bytes)"
    if decode:
        try:
            if not indices:
                open_photo(path)
            elif not read_class_numbers(path).any():
                return "holds background only, no part of a face"
        except InputError as error:
            return _without(path, error)
    return None


def picture_faults(
    report: FolderReport,
    paths: Sequence[Path],
    what: str,
    decode: bool = False,
    side: int | None = None,
    indices: bool = False,
    progress: bool = False,
) -> None:
    """Look at many pictures and add what is wrong with them to a report.

    report: takes the faults.
    paths: of files that are known to exist.
    what: name of the bar.
    decode, side, indices: see `picture_fault`.
    progress: draw a bar.
    """
    for path in tqdm(paths, desc=f"checking {what}", disable=not progress):
        why = picture_fault(path, decode, side, indices)
        if why is not None:
            report.add("wrong" if " x " in why or "colour picture" in why else "broken", path, why)


def _without(path: Path, error: InputError) -> str:
    """What an error says of a file, without the name that stands in front of it in the report."""
    return str(error).removeprefix(str(path)).strip()


def _is_page(path: Path) -> bool:
    """Whether a file begins like an HTML page, which servers send in place of a picture."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip().startswith(b"<")


def _has_end(path: Path, size: int, kind: str) -> bool:
    """Whether the last bytes are those of a whole file; some writers leave zeros or remarks behind the end."""
    with path.open("rb") as file:
        file.seek(max(0, size - 4096))
        tail = file.read()
    return (b"IEND" if kind == "PNG" else b"\xff\xd9") in tail
