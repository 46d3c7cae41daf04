"""What the training loop needs beside the training: a log of its steps, and a clean stop."""

from __future__ import annotations

import csv
import io
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from idnb.core.files import append_text, write_text

__all__ = ["CsvLog", "StopFlag"]


class StopFlag:
    """Turns Ctrl-C and SIGTERM into a wish that the loop grants after a step; a second one stops at once."""

    def __init__(self) -> None:
        self.raised = False
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopFlag:
        if threading.current_thread() is threading.main_thread():
            self.before = {which: signal.signal(which, self.note) for which in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for which, handler in self.before.items():
            signal.signal(which, handler)

    def note(self, *_: object) -> None:
        """Called on Ctrl-C and SIGTERM."""
        if self.raised:
            raise KeyboardInterrupt
        self.raised = True


class CsvLog:
    """A table of metrics that grows by a line now and then.

    path: of the file. columns: the first is the number of the step, from 0. step: where the run stands; a resumed run
    drops the lines written after its checkpoint, and all lines of a log with other columns.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], step: int) -> None:
        self.path, self.columns = path, columns
        kept: list[list[str]] = []
        if step and path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()  # a damaged log stops no run
            for line in lines if lines[:1] == [",".join(columns)] else []:
                row = line.split(",")
                if len(row) == len(columns) and row[0].isascii() and row[0].isdecimal() and int(row[0][:18]) < step:
                    kept.append(row)
        write_text(path, _lines([list(columns), *kept]))

    def add(self, **values: float | int | str) -> None:
        """Append one line; columns that are not given stay empty."""
        try:
            append_text(self.path, _lines([[values.get(column, "") for column in self.columns]]))
        except OSError as error:
            if self.path.with_name("checkpoint.pt").is_file():
                error.add_note("the last checkpoint is whole, and the same command goes on from it")
            raise


def _lines(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
