"""Tables in their places on Markdown pages: between the command that prints them, as a comment, and an end mark."""

from __future__ import annotations

import re
from argparse import ArgumentError
from collections.abc import Callable
from pathlib import Path

from idnb.core.errors import InputError
from idnb.core.files import read_text, write_text
from idnb.core.messages import printable

__all__ = ["fill_pages", "put_into"]

REMEDY = "save it as UTF-8"


def put_into(page: Path, command: str, text: str) -> None:
    """Replace what a page holds between `<!-- COMMAND -->` and the next `<!-- end -->`.

    Raises InputError where the page or the comments are missing.
    """
    before, start, rest = read_text(page, REMEDY).partition(f"<!-- {command} -->\n") if page.is_file() else ("",) * 3
    _, end, after = rest.partition("<!-- end -->")
    if not end:
        raise InputError(f"{page}: has no place for the table; put the lines <!-- {command} --> and <!-- end --> there")
    write_text(page, f"{before}{start}\n{text}\n\n{end}{after}")
    print(f"{printable(page)}: the table is in its place")


def fill_pages(folder: Path, text_of: Callable[[list[str]], str]) -> int:
    """Put every table of README.md and docs/*.md into its place, by the command that stands in the page above it.

    text_of: the words after `idnb results` -> the table. It raises ArgumentError for words that are no command, and
    InputError where there is nothing to print.
    Returns how many. Raises InputError for a folder without marked places, and for a command that is none.
    """
    count = 0
    for page in (folder / "README.md", *sorted((folder / "docs").glob("*.md"))):
        text = read_text(page, REMEDY) if page.is_file() else ""
        for command in re.findall(r"<!-- (idnb results .+?) -->", text):
            try:
                table = text_of(command.split()[2:])
            except ArgumentError as error:
                raise InputError(
                    f"{page}: <!-- {command} --> is no command ({error}); see `idnb results -h`"
                ) from error
            if not table:
                raise InputError(f"{page}: <!-- {command} --> prints no table; name one, see `idnb results -h`")
            put_into(page, command, table)
            count += 1
    if not count:
        raise InputError(f"{folder}: no page has a place for a table; go to the folder of README.md and docs/ first")
    return count
