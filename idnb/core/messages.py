"""What a command says: names with odd characters escaped, and the file system's errors in plain words."""

from __future__ import annotations

import errno
import re

from idnb.core.errors import InputError, InputErrors

__all__ = ["explain", "is_out_of_memory", "printable"]

# Control characters, line separators, marks that turn the direction of text, and bytes that were no text.
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_OTHER_PLACE = "choose a place where you may write"
_MADE_ROOM = "free some space or choose another disk, then give the same command again"
# errno -> what is the matter, and the remedy.
_REMEDIES = {
    errno.ENOSPC: f"the disk is full; {_MADE_ROOM}",
    errno.EDQUOT: f"your share of the disk is used up; {_MADE_ROOM}",
    errno.EFBIG: "a file may not grow so large here; choose another disk, or raise the limit (ulimit -f)",
    errno.EROFS: f"that disk can only be read; {_OTHER_PLACE}",
    errno.EACCES: f"no permission; {_OTHER_PLACE}, or change the permissions",
    errno.EPERM: f"no permission; {_OTHER_PLACE}, or change the permissions",
    errno.ENOENT: "is not there, or was deleted meanwhile; check the path, then give the same command again",
    errno.ENOTDIR: "a file stands where a folder should be; choose another path, or move that file away",
    errno.EEXIST: "a file stands where a folder should be; choose another path, or move that file away",
    errno.EISDIR: "is a folder where a file should be; give the name of a file",
    errno.ENOTEMPTY: "is a folder with something in it; choose another name, or move it away",
    errno.ENAMETOOLONG: "the name is too long for this disk; choose a shorter one",
    errno.ELOOP: "links that lead in a circle; give the path they should lead to",
    errno.EMFILE: "too many files are open at once; close other programs, or raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open at once; close other programs",
    errno.ENOMEM: "no memory is left for it; close other programs, or choose smaller numbers",
    errno.EIO: "the disk does not answer as it should; check it, then give the same command again",
    errno.ESTALE: "the network disk has changed meanwhile; give the same command again",
}


def printable(text: object) -> str:
    """A name or message on one line: control characters and the like as `\\n`, `\\x1b`, `\\u202e`."""
    return _ODD.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, NumPy's, or one of those that torch has for it."""
    said = r"out of memory|allocate|not enough memory|can't start new thread"
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and re.search(said, str(error), re.IGNORECASE) is not None
    )


def explain(error: InputError | OSError) -> str:
    """What a command says about an error: one line, save for `InputErrors`, which have a line each.

    Of the file system's errors: the path, what is the matter, the remedy, and what the error's notes say was kept.
    """
    if isinstance(error, InputErrors):
        return "\n".join(printable(line) for line in str(error).splitlines())
    if isinstance(error, InputError):
        return printable(error)
    number = error.errno or 0
    what = _REMEDIES.get(number) or f"{error.strerror or error or type(error).__name__}; check the path and the disk"
    paths = [name for name in (error.filename, error.filename2) if name is not None]
    path = next((f"{printable(name)}: " for name in paths if not isinstance(name, int)), "")
    return path + "; ".join(printable(part) for part in (what, *getattr(error, "__notes__", ())))
