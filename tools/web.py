"""`make web`: the lab as one static page, in build/web. `python -m tools.web --serve` shows it on this machine.

The networks are exported from the bundled weights, the galleries from the bundled people, and the page is built from
`web/` by esbuild. What has not changed since the last time is not made again.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from idnb.core.errors import InputError
from tools.notebook_files import REPO

__all__ = ["BUDGET", "Handler", "build", "fingerprint", "main", "need_node"]

BUDGET = 30e6
"""Bytes that the whole page should stay below."""

SOURCES = REPO / "web"
PAGE = REPO / "build" / "web"
DATA_FROM = ("idnb/export", "idnb/models", "idnb/contours", "idnb/core", "idnb/assets/faces/test/card.json")
PAGE_FROM = ("web/src", "web/build.mjs", "web/package.json", "web/package-lock.json")
TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


def need_node() -> None:
    """Raise InputError, with the remedy, unless node and npm are here."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise InputError("make web needs node and npm, version 20 or newer (nodejs.org, or your system's packages)")


def _files(names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        path = REPO / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and file.suffix not in (".pyc", ".safetensors"))


def fingerprint(names: tuple[str, ...]) -> str:
    """Text that changes when a file under these names does, or a bundled weight, whose checksums the manifest holds."""
    digest = hashlib.sha256((REPO / "idnb/assets/manifest.json").read_bytes())
    for file in _files(names):
        digest.update(file.relative_to(REPO).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _stale(stamp: Path, names: tuple[str, ...]) -> bool:
    return not stamp.is_file() or stamp.read_text() != fingerprint(names)


def _make_data(folder: Path) -> None:
    """Networks and galleries: what draws in 8 bit, all else in 16. Raises InputError where a face shows it."""
    from idnb.export.compare import LIMIT, picture_differences
    from idnb.export.networks import bundled_networks
    from idnb.export.onnx_files import export_networks
    from idnb.export.page import write_page_data
    from idnb.faces.sources import load_faces

    networks, shown = bundled_networks(), load_faces("test")
    drawing = ["synthesis", *(f"{part}_{kind}" for kind in networks.encoders for part in ("identity", "refine"))]
    others = ["mapping", "judge", "parser"]  # the page has no use for ArcFace
    export_networks(networks, shown, folder, lambda name: "int8" if name in drawing else "float16", others + drawing)
    for kind, change in picture_differences(folder, networks, shown, range(0, len(shown), len(shown) // 6)).items():
        print(f"faces after all steps, {kind}: mean difference {change['mean']:.2f} of 255")
        if change["mean"] > LIMIT:
            raise InputError(f"{kind}: 8 bit change a face by {change['mean']:.2f} of 255, more than {LIMIT}")
    write_page_data(networks, shown, load_faces("starter"), folder)


def build(folder: Path = PAGE) -> Path:
    """Make the page, as far as anything has changed. Returns its folder. Raises InputError without node."""
    need_node()
    stamps = folder.with_name(f"{folder.name}.stamps")
    stamps.mkdir(parents=True, exist_ok=True)
    if not (SOURCES / "node_modules" / "esbuild").is_dir() or _stale(stamps / "packages", PAGE_FROM[2:]):
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=SOURCES, check=True
        )
        (stamps / "packages").write_text(fingerprint(PAGE_FROM[2:]))
    for name, sources, make in (("data", DATA_FROM, _make_data), ("page", PAGE_FROM, _make_page)):
        if _stale(stamps / name, sources) or not folder.is_dir():
            make(folder / "data" if name == "data" else folder)
            (stamps / name).write_text(fingerprint(sources))
    return folder


def _make_page(folder: Path) -> None:
    subprocess.run(["node", "build.mjs", str(folder)], cwd=SOURCES, check=True)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the page with the two headers that let WebAssembly have threads."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | TYPES
    isolated = True

    def end_headers(self) -> None:
        """Add the headers of an isolated page."""
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def main(words: list[str] | None = None) -> int:
    """Build, say what it weighs, and serve it if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tools.web", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="then show the page at an address of this machine")
    parser.add_argument("--port", type=int, default=8000, help="of that address (default: 8000)")
    args = parser.parse_args(words)
    try:
        folder = build()
    except InputError as error:
        print(f"make web: {error}", file=sys.stderr)
        return 2
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    parts = {path.name: path for path in sorted((folder / "data").glob("*.onnx"))} | {
        "ort.wasm.gz": folder / "ort.wasm.gz"
    }
    for name, path in parts.items():
        print(f"{name:28} {path.stat().st_size / 1e6:6.2f} MB")
    print(f"{folder.relative_to(REPO)}: {total / 1e6:.1f} MB in all")
    if total > BUDGET:
        print(f"That is more than {BUDGET / 1e6:.0f} MB, which phones will not like.")
    steps = json.loads((folder / "data" / "networks.json").read_text())["encoders"]
    print(f"kinds of contour: {', '.join(steps)}")
    if args.serve:
        handler = functools.partial(Handler, directory=str(folder))
        with http.server.ThreadingHTTPServer(("127.0.0.1", args.port), handler) as server:
            print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)")
            server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
