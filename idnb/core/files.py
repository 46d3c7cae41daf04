"""Writing a file whole or not at all: every file that a command leaves is written by `whole_file`."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import platform
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from idnb.core.errors import InputError

__all__ = [
    "append_text",
    "file_states",
    "make_private",
    "note_or_compare",
    "read_json",
    "read_text",
    "whole_file",
    "write_bytes",
    "write_text",
]

LARGEST_TEXT = 64_000_000  # bytes; a list of all pairs of a large set has 20 million
_NUMBERS = itertools.count()
_MACHINE = re.sub(r"[^A-Za-z0-9-]", "", platform.node())[:40]
_SWEPT: set[Path] = set()


class _Output(io.BufferedWriter):
    """A binary file that remembers why it could not be written.

    Some writers (torch.save) answer a full disk with an error of their own, and some (Pillow) write past a Python file
    where they find its descriptor; here it has none.
    """

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write, and note a failure."""
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise

    def fileno(self) -> int:
        """There is none."""
        raise io.UnsupportedOperation("fileno")


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write into, which appears under its name only when all of it is there.

    path: of the file; folders above it are made, a link is followed. What is written goes into a hidden file beside it,
    with a name of this process, which takes the name at the end. When anything goes wrong on the way, that file is
    deleted and what stood under the name before is as it was; of a process that was killed, the next one deletes it.
    Yields the open binary file. Raises OSError that names `path`, with a note that says what was kept, and InputError
    where `path` is no ordinary file.
    """
    path = Path(path)
    final = Path(os.path.realpath(path))
    part = final.with_name(f".idnb-{_MACHINE}-{os.getpid()}-{next(_NUMBERS)}.part")
    output = None
    try:
        if os.path.exists(final):
            if not (final.is_file() or final.is_dir()):
                raise InputError(f"{path} is a device or a pipe, not a file; give another name")
            if not os.access(final, os.W_OK):  # renaming asks for no permission to write what it replaces
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final.parent)
        with _Output(io.FileIO(part, "w")) as output:
            yield output
        os.replace(part, final)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        failure = output.failure if output is not None and output.failure else error
        if not isinstance(failure, OSError) or failure.errno is None:
            raise
        about = failure.filename if failure.filename not in (None, str(part), str(final)) else str(path)
        named = OSError(failure.errno, failure.strerror, about)
        named.add_note(f"{path} is as it was before" if os.path.exists(final) else f"nothing was left at {path}")
        raise named from error


def _sweep(folder: Path) -> None:
    """Delete the half-written files that killed processes of this machine left in a folder; once a process."""
    if folder in _SWEPT:
        return
    _SWEPT.add(folder)
    pattern = re.compile(rf"\.idnb-{re.escape(_MACHINE)}-([0-9]+)-[0-9]+\.part")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = pattern.fullmatch(entry.name)
            if found and not _is_running(int(found[1])):
                with suppress(OSError):
                    os.unlink(entry.path)


def _is_running(process: int) -> bool:
    """Whether there is a process of this number."""
    if sys.platform == "win32":
        return process == os.getpid()  # there an open file cannot be deleted, so no more need be known
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def append_text(path: Path, text: str) -> None:
    """Add text at the end of a file, all of it or nothing. Raises OSError that names `path`."""
    before = path.stat().st_size if path.is_file() else 0
    try:
        with path.open("ab") as file:
            file.write(text.encode())
    except OSError as error:
        with suppress(OSError):
            os.truncate(path, before)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes whole or not at all; see `whole_file`."""
    with whole_file(path) as file:
        file.write(content)


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 whole or not at all; what cannot be encoded (a file's odd name, say) is escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def make_private(folder: Path) -> None:
    """Make a folder of the cache, and those above it, for its owner alone; folders that exist stay as they are."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o700)  # whatever the umask says
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; set IDNB_CACHE to one")


def file_states(paths: Iterable[Path]) -> str:
    """Text that changes when one of these files does, without reading them: name, size, times of content and inode.

    The second time cannot be set back, so that an edit is seen which keeps size and date.
    """
    lines = []
    for path in paths:
        try:
            state = path.stat()
            lines.append(f"{path.name} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}")
        except OSError:
            lines.append(f"{path.name} missing")
    return "\n".join(lines)


def read_text(path: Path, remedy: str) -> str:
    """The text of a file of a user, in UTF-8 with or without a mark of its byte order.

    remedy: what to do about a damaged or missing file, for the message. Raises InputError where it is missing, no file,
    no text, or far too large.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):  # reading a pipe would wait for ever
            raise InputError(f"{path} is damaged (no file, but a folder, a pipe or a device); {remedy}")
        if state.st_size > LARGEST_TEXT:
            raise InputError(f"{path} is damaged ({state.st_size / 1e6:,.0f} MB, too much for a text); {remedy}")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {remedy}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged, or no text in UTF-8 ({error}); {remedy}") from error


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The object that a JSON file holds. remedy: as for `read_text`. Raises InputError as it, and for other content."""
    text = read_text(path, remedy)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); {remedy}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged (a {type(content).__name__} where an object belongs); {remedy}")
    return content


def note_or_compare(note: Path, description: dict[str, Any], what: str) -> bool:
    """Note in a file what a folder holds; where a note is there already, see that it says the same.

    what: "a run with another setting", for the message. Returns whether the note was there. Raises InputError where it
    says something else.
    """
    if not note.is_file():
        write_text(note, json.dumps(description, indent=1) + "\n")
        return False
    if read_json(note, "give another --out, or delete the folder") != description:
        raise InputError(f"{note}: this folder holds {what}; give another --out")
    return True
