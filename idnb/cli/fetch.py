"""`idnb fetch`: list the weights, bring downloads into the cache, check what is there."""

from __future__ import annotations

import argparse
from pathlib import Path

from idnb.core.download import fetch
from idnb.core.errors import InputError, InputErrors
from idnb.core.messages import printable
from idnb.core.weights import (
    ASSETS,
    GROUPS,
    WeightFile,
    cache_folder,
    check_file,
    find_weight,
    pinned_sha256,
    read_manifest,
)

__all__ = ["add_arguments", "run"]

HELP = "weights to fetch; none lists all, `all` fetches all, `paper` what training and measuring at 1024 px need"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb fetch`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help=HELP)
    parser.add_argument("--check", action="store_true", help="compare size and sha256 of what is there; fetch nothing")
    parser.add_argument("--quiet", action="store_true", help="draw no progress bar")


def run(args: argparse.Namespace) -> int:
    """List, fetch or check. Returns 1 when a checked file is damaged or a bundled one is missing, else 0."""
    manifest = read_manifest()
    everything = "all" in args.names or not args.names
    names = [name for word in args.names for name in GROUPS.get(word, (word,))]
    chosen = manifest if everything else [find_weight(name) for name in names]
    if args.check:
        return check(chosen)
    if not args.names:
        print(f"Downloads are kept in {printable(cache_folder())} (set IDNB_CACHE for another folder).")
        for entry in manifest:
            print(line(entry))
        return 0
    failures = []
    for entry in chosen:
        if entry.bundled:
            if not everything:
                print(f"{entry.name}: part of the package, nothing to fetch")
            continue
        try:
            print(f"{entry.name}: {fetch(entry, progress=not args.quiet)}")
        except InputError as error:  # the others may still be had
            failures.append(str(error))
    if failures:
        raise InputErrors("\n".join(failures))
    return 0


def place(entry: WeightFile) -> Path:
    """Where the file of an entry belongs."""
    return (ASSETS if entry.bundled else cache_folder()) / entry.file


def line(entry: WeightFile) -> str:
    """Two lines about an entry: name, size, where it is, licence; what it is."""
    path = place(entry)
    part = path.with_name(path.name + ".part")
    if path.is_file():
        state = "bundled" if entry.bundled else "in the cache"
    elif part.is_file():
        state = f"begun, {part.stat().st_size / 1e6:.0f} MB so far"
    else:
        state = "MISSING, reinstall idnb" if entry.bundled else f"idnb fetch {entry.name}"
    size = f"{entry.size / 1e6:7.1f} MB" if entry.size else f"{'size unknown':>10}"
    return f"{entry.name:24} {size}  {state}\n    {entry.about}. Licence: {entry.licence}"


def check(entries: list[WeightFile]) -> int:
    """Print one line an entry; 1 when a file is damaged or a bundled one is missing."""
    bad = 0
    for entry in entries:
        path = place(entry)
        wrong = check_file(entry, path)
        if wrong is None:
            pinned = "the same file as when it was first fetched; no checksum of it is published"
            unknown = pinned if pinned_sha256(path) else "there; no checksum is known for it"
            checked = "size and sha256 agree" if entry.sha256 else unknown
            print(f"  ok       {entry.name}: {checked}")
        elif not path.is_file() and not entry.bundled:
            print(f"  absent   {entry.name}: idnb fetch {entry.name}")
        else:
            bad += 1
            print(f"  DAMAGED  {entry.name}: {printable(path)} {wrong}")
    return 1 if bad else 0
