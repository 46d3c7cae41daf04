"""All that is done to notebooks, in one place: `python -m tools.notebooks run|refresh|fold|student|check|new`.

`make tutorial` calls run, `make notebooks` calls refresh, the tests and pre-commit call check.
"""

import argparse
import html
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import nbformat
from tqdm.auto import tqdm

from idnb.env import core_count
from tools.notebook_checks import check_file
from tools.notebook_clean import clean
from tools.notebook_files import NAME_PATTERN, REPO, find, skeleton
from tools.notebook_fold import fold, student_copy
from tools.notebook_run import RunError, execute, write_page

__all__ = ["check", "fold_files", "main", "new", "refresh", "run", "write_student_copies"]


def run(paths: Sequence[Path], out: Path, profile: str, at_once: int = 1) -> list[Path]:
    """Execute notebooks and write each, executed and as a page, to a folder; they begin in order.

    Args:
        paths: the notebooks.
        out: the folder to write to.
        profile: the value for PROFILE.
        at_once: how many run at a time; the CPU's threads are shared among them.

    Returns:
        The files that were made.

    Raises:
        RunError: a cell failed; the other notebooks end there.
    """
    at_once = min(at_once, len(paths))
    job = partial(_run_one, out=out, profile=profile, threads=max(1, core_count() // at_once))
    rows: list[tuple[str, float]] = []
    with multiprocessing.get_context("spawn").Pool(at_once) as pool:  # at an error all of them end
        for path, seconds in (bar := tqdm(pool.imap_unordered(job, paths), "notebooks", len(paths), unit="notebook")):
            rows.append((path.stem, seconds))
            bar.write(f"{path.name} {_duration(seconds)}")
    rows.sort()
    made = [out / f"{stem}{suffix}" for stem, _ in rows for suffix in (".ipynb", ".html")]
    index = out / "index.html"
    index.write_text(_index_page(rows), encoding="utf-8")
    return [*made, index]


def _run_one(path: Path, out: Path, profile: str, threads: int) -> tuple[Path, float]:
    """Execute a notebook with so many threads and write its page; returns the notebook and seconds."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # the kernel inherits it
    executed = out / path.name
    seconds = execute(path, executed, profile)
    write_page(executed, executed.with_suffix(".html"), path.parent)
    return path, seconds


def refresh(paths: Sequence[Path]) -> list[str]:
    """Execute notebooks at their committed parameters and put clean outputs into the committed files.

    A notebook that fails keeps its old outputs.

    Args:
        paths: the notebooks, changed in place.

    Returns:
        What the author should look at: messages on stderr that were removed, and complaints of the checks.

    Raises:
        RunError: a cell failed.
    """
    remarks = []
    for number, path in enumerate(paths, start=1):
        _say(f"[{number}/{len(paths)}] {path.name} ...")
        with tempfile.TemporaryDirectory() as folder:
            executed = Path(folder) / path.name
            try:
                seconds = execute(path, executed, progress=sys.stderr.isatty())
            except RunError as error:
                kept = REPO / "build" / "failed" / path.name
                kept.parent.mkdir(parents=True, exist_ok=True)
                executed.replace(kept) if executed.exists() else None
                raise RunError(str(error).replace(str(executed), str(kept))) from error
            notebook = nbformat.read(executed, as_version=4)
        remarks += [f"{path.name}: {remark} (removed)" for remark in clean(notebook)]
        nbformat.write(notebook, path)
        remarks += [f"{path.name}: {complaint}" for complaint in check_file(path)]
        _say(f"[{number}/{len(paths)}] {path.name} {_duration(seconds)}, {path.stat().st_size / 1e3:.0f} kB")
    return remarks


def check(paths: Sequence[Path]) -> list[str]:
    """Return the complaints of all static checks, each with the name of its notebook."""
    return [f"{path.name}: {complaint}" for path in paths for complaint in check_file(path)]


def fold_files(paths: Sequence[Path]) -> None:
    """Fold outcomes and checks in the committed files; outputs stay as they are."""
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        fold(notebook)
        nbformat.write(notebook, path)


def write_student_copies(paths: Sequence[Path], out: Path) -> list[Path]:
    """Write copies without outcomes, for those whose editor does not fold, and return where they are."""
    out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        nbformat.write(student_copy(nbformat.read(path, as_version=4)), out / path.name)
    return [out / path.name for path in paths]


def new(name: str, title: str, folder: Path) -> Path:
    """Write a notebook that has the whole anatomy and waits for its content.

    Args:
        name: the file name, such as `"03_baselines.ipynb"`.
        title: the heading on top.
        folder: where to write it.

    Returns:
        The path of the new notebook.

    Raises:
        ValueError: the name does not fit, or the file exists.
    """
    if not NAME_PATTERN.match(name):
        raise ValueError(f"{name!r} is no name of a notebook: write two digits and small letters, 03_baselines.ipynb")
    path = folder / name
    if path.exists():
        raise ValueError(f"{path} exists already")
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(skeleton(name, title), path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; the exit code is 1 when a notebook failed or a check complained."""
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    parser.add_argument("--folder", type=Path, default=REPO / "notebooks", help="where the notebooks are")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="execute, write executed notebooks and pages")
    running.add_argument("--profile", default="cpu", help="value for PROFILE (default: cpu)")
    running.add_argument("--out", type=Path, default=REPO / "build" / "tutorial", help="folder to write to")
    running.add_argument(
        "--at-once", type=int, choices=range(1, 17), default=min(4, core_count()), help="how many at a time, 1 to 16"
    )
    refreshing = commands.add_parser("refresh", help="execute at committed parameters, replace committed outputs")
    checking = commands.add_parser("check", help="look at committed notebooks without running them")
    folding = commands.add_parser("fold", help="fold outcomes and checks in committed notebooks, without running them")
    copying = commands.add_parser("student", help="write copies in which outcomes appear when their cell is run")
    copying.add_argument("--out", type=Path, default=REPO / "build" / "student", help="folder to write to")
    for subparser in (running, refreshing, checking, folding, copying):
        subparser.add_argument("only", nargs="*", help="beginnings of names, such as 01; all when none is given")
    making = commands.add_parser("new", help="write a notebook with the whole anatomy")
    making.add_argument("name", help="file name, such as 03_baselines.ipynb")
    making.add_argument("--title", default="Title")
    args = parser.parse_args(argv)
    try:
        if args.command == "new":
            print(f"wrote {new(args.name, args.title, args.folder)}")
            return 0
        return _on_series(args, find(args.only, args.folder))
    except (RunError, ValueError) as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1


def _on_series(args: argparse.Namespace, paths: list[Path]) -> int:
    if not paths:
        print(f"There is no notebook in {args.folder} yet.")
        return 0
    begin = time.perf_counter()
    if args.command == "run":
        made = run(paths, args.out, args.profile, args.at_once)
        print(f"\nMade in {_duration(time.perf_counter() - begin)}:")
        for path in made:
            print(f"  {path}  {path.stat().st_size / 1e3:.0f} kB")
        return 0
    if args.command == "student":
        for path in write_student_copies(paths, args.out):
            print(path)
        return 0
    if args.command == "fold":
        fold_files(paths)
    remarks = refresh(paths) if args.command == "refresh" else check(paths)
    for remark in remarks:
        print(remark)
    if args.command != "refresh" and not remarks:
        print(f"{len(paths)} notebooks, nothing to complain about")
    return 1 if remarks else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _index_page(rows: Sequence[tuple[str, float]]) -> str:
    items = "\n".join(
        f'<li><a href="{html.escape(stem)}.html">{html.escape(stem)}</a>, {_duration(seconds)}</li>'
        for stem, seconds in rows
    )
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>idnb</title>\n'
        f"<h1>The series, as executed here</h1>\n<ol>\n{items}\n</ol></html>\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
