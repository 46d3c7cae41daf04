"""A folder that one run at a time may write into."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from idnb.core.errors import InputError

__all__ = ["locked"]

FAR = 1 << 30  # Windows locks bytes and then lets nobody read them: take one behind what is written


@contextmanager
def locked(
    folder: str | Path,
    doing: str = "training into this folder",
    remedy: str = "wait until it ends, stop it, or choose another --out",
    name: str = ".lock",
) -> Iterator[None]:
    """Hold a folder for this run; the system lets it go when the process ends, however it ends.

    folder: it exists; a file .lock stays in it and names the last process that held it. Where the file system knows no
    locks, nothing is held. doing, remedy: for the message. name: of the file, where only a part of the folder is held;
    such a file goes at the end.
    Raises InputError that names the process while another run, of this process or another one, holds it.
    """
    path = Path(folder) / name
    with path.open("a+b", buffering=0) as file:
        try:
            _lock(file)
            if not path.exists() or os.stat(path).st_ino != os.fstat(file.fileno()).st_ino:
                raise BlockingIOError  # whoever held it has just ended and deleted it
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            holder = file.read(200).decode("utf-8", "replace").strip() or "another process"
            raise InputError(f"{folder}: {holder} is {doing}; {remedy}") from error
        except OSError:  # not on this file system
            yield
            return
        with suppress(OSError):  # on a full disk nobody learns the number
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node() or 'this machine'}\n".encode())
        try:
            yield
        finally:
            if name != ".lock":
                with suppress(OSError):
                    path.unlink()


def _lock(file: IO[bytes]) -> None:
    """Lock an open file until it is closed. Raises BlockingIOError or PermissionError when somebody else has it."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
