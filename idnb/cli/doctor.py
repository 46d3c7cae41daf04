"""`idnb doctor`: what this machine can do, what is missing, and which command gets it."""

import argparse
import json
import platform
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from idnb.core.errors import InputError
from idnb.env import core_count, fast_bf16, memory_gb, package_version, pick_device

__all__ = [
    "Finding",
    "add_arguments",
    "check_faces",
    "check_machine",
    "check_packages",
    "check_sizes",
    "check_weights",
    "run",
]

SIGNS = {"ok": "  ok     ", "missing": "  missing", "broken": "  BROKEN "}
REINSTALL = "git checkout -- idnb/assets, or reinstall idnb"
FACE_SETS = ("starter", "test")


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    state: "ok", "missing" (something optional) or "broken" (something that the course needs).
    what: the thing and its state.
    remedy: the command that helps, or "".
    """

    state: str
    what: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb doctor`."""
    parser.add_argument(
        "--no-checksums", action="store_true", help="look whether files are there, but do not read them"
    )


def run(args: argparse.Namespace) -> int:
    """Print the report.

    args: with `no_checksums`.
    Returns 1 when something that the course needs is broken, else 0.
    """
    parts = {
        "This machine": check_machine(),
        "Packages": check_packages(),
        "Weights": check_weights(not args.no_checksums),
        "Bundled faces": check_faces(Path(__file__).parent.parent / "assets" / "faces", not args.no_checksums),
        "Sizes": check_sizes(),
    }
    broken = 0
    for title, findings in parts.items():
        print(title)
        for finding in _calmly(findings):
            print(f"{SIGNS[finding.state]}  {finding.what}")
            if finding.remedy:
                print(f"{'':11}-> {finding.remedy}")
            broken += finding.state == "broken"
    print("All that the course needs is there." if not broken else f"{broken} to repair, see BROKEN above.")
    return 1 if broken else 0


def _calmly(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Turn an error into a finding: a doctor that dies of a broken installation helps nobody."""
    try:
        yield from findings
    except Exception as error:
        yield Finding("broken", f"this check itself failed: {type(error).__name__}: {error}", "reinstall idnb")


def check_machine() -> Iterator[Finding]:
    """Report system, Python, processor and the device that idnb would choose."""
    yield Finding("ok", f"{platform.platform()}, Python {platform.python_version()}")
    memory = memory_gb()
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    text = (
        f"{core_count()} cores" + (f", {memory:.0f} GB of memory" if memory else "") + f", {free:.0f} GB of disk free"
    )
    yield Finding("ok", text)
    if find_spec("torch") is None:
        yield Finding("broken", "PyTorch is not installed", "pip install torch torchvision")
        return
    device = pick_device()
    yield Finding("ok", f"computes on {device.type}; bf16 in hardware: {'yes' if fast_bf16(device) else 'no'}")


def check_packages() -> Iterator[Finding]:
    """Compare what is installed with what idnb asks for; packages of an extra are optional."""
    for line in metadata.requires("idnb") or []:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        match = re.match(r"([\w.-]+)\s*(?:([=>]=)\s*([\w.]+))?", requirement)
        if match is None:
            continue
        name, relation, bound = match.groups()
        extra = re.search(r"extra\s*==\s*[\"'](\w+)[\"']", marker)
        there = package_version(name)
        if extra and extra.group(1) == "dev":
            continue
        if there is None:
            remedy = f'pip install "idnb[{extra.group(1)}]"' if extra else f'pip install "{requirement}"'
            yield Finding("missing" if extra else "broken", f"{requirement} is not installed", remedy)
        elif bound and relation == ">=" and _numbers(there) < _numbers(bound):
            yield Finding("broken", f"{name} {there} is older than {bound}", f'pip install "{requirement}"')
        elif bound and relation == "==" and _numbers(there) != _numbers(bound):
            yield Finding("broken", f"{name} {there}, should be {bound}", f'pip install --no-deps "{requirement}"')
        else:
            yield Finding("ok", f"{name} {there}")


def check_weights(checksums: bool = True) -> Iterator[Finding]:
    """Look at the weights that are part of the package, and at those that `idnb fetch` has put into the cache.

    checksums: read each file and compare its sha256 with the manifest.
    """
    from idnb.core.weights import ASSETS, cache_folder, check_file, read_manifest

    try:
        entries = read_manifest()
    except InputError as error:
        yield Finding("broken", str(error), REINSTALL)
        return
    for entry in entries:
        path = (ASSETS if entry.bundled else cache_folder()) / entry.file
        fetch = f"idnb fetch {entry.name}"
        if not path.exists():
            state, remedy = ("broken", REINSTALL) if entry.bundled else ("missing", fetch)
            yield Finding(state, f"{entry.name}: {entry.about}", remedy)
            continue
        fault = check_file(entry, path) if checksums else None
        if fault:
            yield Finding("broken", f"{entry.name}: {path} {fault}", REINSTALL if entry.bundled else fetch)
        else:
            yield Finding("ok", f"{entry.name}: {entry.about}")


def check_faces(folder: Path, checksums: bool = True) -> Iterator[Finding]:
    """Look at the sets of rendered people that are part of the package.

    folder: holds one folder a set, each with `card.json`.
    checksums: read all files of a set and compare their sha256 with the card.
    """
    from idnb.faces.set_files import set_checksum

    for name in FACE_SETS:
        try:
            card = json.loads((folder / name / "card.json").read_text(encoding="utf-8"))
            text = f"faces {name!r}: {card['identities']} people, {card['shots']} pictures of each, {card['size']} px"
            expected = card["sha256"]
        except FileNotFoundError:
            yield Finding("broken", f"faces {name!r} are not in {folder}", REINSTALL)
            continue
        except (OSError, ValueError, KeyError) as error:
            yield Finding("broken", f"faces {name!r}: card.json is damaged ({error})", REINSTALL)
            continue
        if checksums and not _has_checksum(set_checksum, folder / name, expected):
            yield Finding("broken", f"{text}; files are missing or changed", REINSTALL)
        else:
            yield Finding("ok", text)


def check_sizes() -> Iterator[Finding]:
    """Say what the two presets cost: parameters, memory, and time for one pair, the smaller one measured here."""
    if find_spec("torch") is None:
        return
    from idnb.evaluation.sizes import describe_sizes

    for line in describe_sizes():
        yield Finding("ok", line)
    yield Finding("ok", "memory and time of training: `idnb estimate`")


def _has_checksum(checksum: Callable[[Path], str], folder: Path, expected: str) -> bool:
    try:
        return checksum(folder) == expected
    except OSError:
        return False


def _numbers(version: str) -> tuple[int, ...]:
    """Turn "2.14.1+cpu" into (2, 14, 1), and drop zeros at the end, so that 2.0 equals 2."""
    numbers = [int(number) for number in re.match(r"[\d.]*", version).group().split(".") if number]  # type: ignore[union-attr]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
