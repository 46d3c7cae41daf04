"""The one rule for reading folders: hidden and system files are left out, links are followed, but not in circles.

Every folder that a user hands in is listed here: photos, label maps, rendered sets, results. What is left out comes
with the reason, so that it can be told.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from idnb.core.errors import InputError

__all__ = ["LeftOut", "Listing", "is_hidden", "list_files"]

SYSTEM_NAMES = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information",
    "@eadir", "lost+found", "__pycache__",
}  # fmt: skip


class LeftOut(NamedTuple):
    """What was not listed: its path inside the folder, why, and whether files may be missing because of it."""

    name: str
    why: str
    bad: bool = False


class Listing(NamedTuple):
    """What a folder holds: paths of files inside it with `/` between the parts, in order, and what was left out."""

    names: list[str]
    left_out: list[LeftOut]

    def with_suffix(self, suffixes: tuple[str, ...]) -> list[str]:
        """The files whose names end in one of these, in whatever case."""
        return [name for name in self.names if name.lower().endswith(suffixes)]


def is_hidden(name: str) -> bool:
    """Whether a name is that of a hidden or system file or folder, such as `.ipynb_checkpoints` or `Thumbs.db`."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def list_files(folder: str | Path, deep: bool = True) -> Listing:
    """List the files of a folder, and of the folders in it.

    Folders are followed before links to folders, so that a folder that is there twice is listed under its own name.

    folder: of a user.
    deep: look into the folders inside as well.
    Returns files, whether or not they can be opened, and what was left out. Links that lead nowhere are listed as
    files.
    Raises InputError: the folder is none, or cannot be read.
    """
    root = Path(folder)
    names: list[str] = []
    left_out: list[LeftOut] = []
    seen: dict[tuple[int, int], str] = {}
    links: list[str] = []

    def enter(inner: str) -> bool:
        state = os.stat(root / inner)
        key = (state.st_dev, state.st_ino)
        if state.st_ino and key in seen:  # some network disks number nothing
            left_out.append(LeftOut(inner, f"is a link to a folder that is read already, {seen[key] or 'the whole'}"))
            return False
        seen[key] = inner
        return True

    def walk(begin: str) -> None:
        waiting = [begin]
        while waiting:
            inner = waiting.pop()
            try:
                with os.scandir(root / inner) as entries:
                    found = list(entries)
            except OSError as error:
                why = f"cannot be read ({error.strerror})"
                if not inner:
                    raise InputError(f"{root} {why}; check the path and who may read it") from None
                left_out.append(LeftOut(inner, why, bad=True))
                continue
            for entry in found:
                name = f"{inner}/{entry.name}" if inner else entry.name
                if is_hidden(entry.name):
                    left_out.append(LeftOut(name, "is hidden or made by the system"))
                elif not _is_folder(entry):
                    names.append(name)
                elif not deep:
                    left_out.append(LeftOut(name, "is a folder"))
                elif entry.is_symlink():
                    links.append(name)
                elif enter(name):
                    waiting.append(name)

    if not root.is_dir():
        raise InputError(f"{root} is not a folder; check the path")
    enter("")
    walk("")
    while links:
        links.sort()
        if enter(name := links.pop(0)):
            walk(name)
    return Listing(sorted(names, key=_parts), sorted(left_out, key=lambda entry: _parts(entry.name)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # of a link: no permission to look where it leads
        return False


def _parts(name: str) -> list[str]:
    return name.split("/")
