"""Into the package: weights with the command that made them. It is read off the parser, so that no option is missed."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from idnb.core.errors import InputError
from idnb.core.files import read_json, write_text
from idnb.core.lock import locked
from idnb.core.weights import WeightFile, export_bundled, file_sha256, find_weight

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Record",
    "a_file",
    "add_export",
    "check_finished",
    "export_network",
    "kind_and_file",
    "noted",
    "recorded",
    "sets",
]

# Where a command runs, how long, and who shares the work: no part of what comes out.
LEFT_OUT = (
    *("help", "out", "store", "minutes", "save_minutes", "threads", "processes", "compile"),
    *("shard", "overwrite", "export"),
)
NOTE = "command.json"  # in the folder of a run: every command that trained there
UNKNOWN = {"command": "a command that was not noted", "files": {}}


def a_file(text: str) -> str:
    """The type of an option that names a file: its name is recorded, with its sha256, and not where it lies."""
    return text


def kind_and_file(text: str) -> str:
    """The type of an option KIND=FILE; the file is recorded as one of `a_file`."""
    return text


def sets(text: str) -> str:
    """The type of an option that names sets of people, perhaps with commas between: folders are recorded by name."""
    return text


class Record(NamedTuple):
    """A command as it is recorded.

    command: words that give the same on any machine, with every option that differs from its default.
    whole: the same with all options that have a value.
    defaults: option -> value, of those that were left alone; another version may have other defaults.
    files: option and name of a file -> its sha256.
    """

    command: str
    whole: str
    defaults: dict[str, str]
    files: dict[str, str]


def add_export(parser: argparse.ArgumentParser, about: str) -> None:
    """Give a command its option --export, the last one; what is recorded is read off this parser. about: its help."""
    parser.add_argument("--export", action="store_true", help=about)
    parser.set_defaults(parser=parser)


def recorded(args: argparse.Namespace, chosen: Mapping[str, Any] | None = None) -> Record:
    """What to record of these arguments.

    args: of a parser with `add_export`. chosen: values that the command found for options that were not given.
    Raises InputError for a file that is not there, and for two of one name in one option.
    """
    words, defaults = args.parser.prog.split(), {}
    whole, files = list(words), dict[str, str]()
    for action in args.parser._actions:
        if action.dest in LEFT_OUT:
            continue
        option, value = action.option_strings[-1] if action.option_strings else action.dest, getattr(args, action.dest)
        given = value != action.default
        value = value if given else (chosen or {}).get(action.dest, value)
        if value is None or value is False or value == []:
            continue
        parts = [] if value is True else value if isinstance(value, list) else [value]
        texts = []
        for part in parts:
            text, path = _text(part, action.type)
            texts.append(text)
            if path is not None:
                if not path.is_file():
                    raise InputError(f"{option} {path}: no such file")
                name, found = f"{option} {path.name}", file_sha256(path)
                if files.setdefault(name, found) != found:
                    raise InputError(f"{option}: two files are called {path.name}; rename one, only names are recorded")
        told = [option] * bool(action.option_strings) + texts
        whole += told
        if given:
            words += told
        else:
            defaults[option] = " ".join(texts)
    return Record(shlex.join(words), shlex.join(whole), defaults, files)


def _text(value: Any, type_: Any) -> tuple[str, Path | None]:
    """A value as a word that is read as the same again, without the folders of this machine; and the file it names."""
    if type_ is a_file:
        return Path(value).name, Path(value)
    if type_ is kind_and_file:
        kind, _, path = value.partition("=")
        return f"{kind}={Path(path).name}", Path(path)
    if type_ is sets:
        return ",".join(Path(name).name for name in value.split(",")), None
    if isinstance(value, tuple):
        return ",".join(_text(part, None)[0] for part in value), None
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return (short if not isinstance(value, float) or float(short) == value else repr(value)), None


@contextmanager
def noted(args: argparse.Namespace, out: str | Path) -> Iterator[None]:
    """Note in the folder of a run by which command it is trained, for as long as the training lasts and after it.

    args: as of `recorded`. out: the folder. A training that is refused is not noted.
    Raises InputError while another run holds the folder.
    """
    path, now = Path(out) / NOTE, {"command": (record := recorded(args)).command, "files": record.files}
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(out):
        before, begun = _noted(path.parent), _checkpoints(path.parent)
        _write_note(path, [*(one for one in before if one != now), now])
    try:
        yield
    except InputError:
        if _checkpoints(path.parent) == begun:
            _write_note(path, before)
        raise


def _noted(out: Path) -> list[dict[str, Any]]:
    """The commands that trained in a folder."""
    if not _checkpoints(out):
        return []
    found = read_json(out / NOTE, "choose another --out").get("commands") if (out / NOTE).is_file() else None
    return found if isinstance(found, list) else [UNKNOWN]


def _checkpoints(out: Path) -> dict[Path, int]:
    """The checkpoints in a folder and below it, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in out.rglob("checkpoint.pt")}


def _write_note(path: Path, commands: list[dict[str, Any]]) -> None:
    write_text(path, json.dumps({"commands": commands}, indent=1) + "\n")


def check_finished(done: int, total: int, out: str | Path) -> None:
    """Raise InputError for a run that is not at its end: its command makes other weights. done, total: in images."""
    if done < total:
        raise InputError(f"--export: {out} has seen {done:,} of {total:,} images; give the same command until its end")


def export_network(
    args: argparse.Namespace,
    out: str | Path,
    entry: WeightFile,
    tensors: Mapping[str, Tensor],
    chosen: Mapping[str, Any] | None = None,
    used: Sequence[str] = (),
) -> None:
    """Write weights and their entry into the package.

    args, chosen: as of `recorded`. out: folder of the run, which was `noted`. entry: without what is recorded here.
    tensors: state dict. used: entries of the manifest whose weights the training used.
    Raises InputError where other commands trained in `out` as well, and where a weight is no number.
    """
    record = recorded(args, chosen)
    told = _noted(Path(out))
    if told != [{"command": record.command, "files": record.files}]:
        others = "; ".join(str(one.get("command")) for one in told) or "nothing"
        raise InputError(f"--export: {out} was not trained by this command alone ({others}); train in another --out")
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise InputError("the weights hold values that are no numbers; train again with a lower --learning-rate")
    entry.command, entry.defaults = f"{record.command} --export", record.defaults
    bundled = {(one := find_weight(name)).file: one.sha256 or "unknown" for name in used}
    entry.made_from = {**bundled, **record.files}
    path = export_bundled(entry, {key: value for key, value in tensors.items() if "num_batches" not in key})
    print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")
