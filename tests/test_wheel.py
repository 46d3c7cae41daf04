"""The wheel works from an empty folder: loaders, a face, and all that notebooks import, without the repository."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from tools.notebook_files import REPO

pytestmark = pytest.mark.slow
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))

HERE = """
import os, idnb
assert idnb.__file__.startswith(os.environ["PYTHONPATH"]), idnb.__file__
"""

LOAD = """
generator = idnb.load_generator("tiny")
arcface, judge = idnb.load_identity_network("tiny"), idnb.load_identity_network("tiny", judge=True)
faces = idnb.load_faces("test")
for kind in ("low_res", "sketch", "label_map"):
    assert idnb.load_encoder("tiny", kind).kind == kind
images = faces.images([0, 1])
assert arcface(images).shape[0] == judge(images).shape[0] == 2
print("loaded", len(faces), "pictures")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy without what an earlier build may have left behind
    shutil.copytree(REPO / "idnb", source / "idnb", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPO / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    options = ["--no-deps", "--no-index", "--quiet"]
    run([*pip, "wheel", ".", "--no-build-isolation", "--wheel-dir", str(folder), *options], source)
    (wheel,) = folder.glob("idnb-*.whl")
    run([*pip, "install", str(wheel), "--target", str(folder / "site"), *options], folder)
    return folder / "site"


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What a command prints; its errors are shown when it fails."""
    keep = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env={**keep, **environment}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def imports_of(notebook: Path) -> list[str]:
    """The import lines of a notebook, as one line each."""
    code = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    plain = re.sub(r"^(\s*)[%!].*", r"\1pass", "\n".join(code), flags=re.MULTILINE)  # magics are no Python
    nodes = [node for node in ast.walk(ast.parse(plain)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return [ast.unparse(node) for node in nodes]


def test_loaders_work_without_the_repository(site: Path, tmp_path: Path):
    assert "loaded" in run([sys.executable, "-c", HERE + LOAD], tmp_path, PYTHONPATH=str(site))


def test_generate_works_without_the_repository(site: Path, tmp_path: Path):
    strips = site / "idnb" / "assets" / "faces" / "starter" / "images"  # one person a file, pictures side by side
    contour, identity = (tmp_path / name for name in ("contour.png", "identity.png"))
    for strip, face in (("00000.webp", contour), ("00005.webp", identity)):
        Image.open(strips / strip).crop((0, 0, 128, 128)).save(face)
    words = ["--contour", str(contour), "--contour-kind", "photo", "--as", "low_res", "--identity", str(identity)]
    run([sys.executable, "-m", "idnb", "generate", *words, "--out", "face.png"], tmp_path, PYTHONPATH=str(site))
    assert Image.open(tmp_path / "face.png").size[1] == 128


def test_notebooks_find_their_imports_without_the_repository(site: Path, tmp_path: Path):
    lines = sorted({line for notebook in NOTEBOOKS for line in imports_of(notebook)})
    assert len(lines) > 40 and not [line for line in lines if line.split()[1].split(".")[0] == "tools"]
    run([sys.executable, "-c", HERE + "\n".join(lines)], tmp_path, PYTHONPATH=str(site), MPLBACKEND="agg")


def test_the_wheel_holds_the_package_and_nothing_else(site: Path):
    (wheel,) = site.parent.glob("idnb-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"idnb"}
    assert "idnb/assets/manifest.json" in names and any(name.endswith("generator_tiny.safetensors") for name in names)
