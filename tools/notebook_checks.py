"""What can be seen in a committed notebook without running it. Each check returns its complaints, one a line."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from PIL import Image, UnidentifiedImageError

from idnb.checks import FALSE_CLAIM
from tools.notebook_clean import WIDGET_VIEW
from tools.notebook_exercises import disagreements, find_exercises, is_passed
from tools.notebook_files import NAME_PATTERN, SECTIONS, badge, install_cell, pictures_of
from tools.notebook_fold import hides_outcome, hides_source

__all__ = ["CHECKS", "check_file"]

MAX_BYTES, MAX_CELLS, MAX_LINES = 1_000_000, 60, 40
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|Users|tmp|work|var)/[\w./-]+|[A-Z]:\\\\?Users|site-packages")
Notebook = nbformat.NotebookNode


def check_format(notebook: Notebook, path: Path) -> list[str]:
    """Name, size, nbformat 4.5, cell ids, number of cells."""
    found = []
    if not NAME_PATTERN.match(path.name):
        found.append("the name should be two digits, an underscore, small letters: 03_baselines.ipynb")
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        found.append(f"nbformat is {notebook.nbformat}.{notebook.nbformat_minor}, should be 4.5")
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        found.append(f"not valid: {str(error).splitlines()[0]}")
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) != len(ids):
        found.append("every cell needs an id of its own")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("the kernel should be python3")
    if len(notebook.cells) > MAX_CELLS:
        found.append(f"{len(notebook.cells)} cells; at most {MAX_CELLS}")
    if path.exists() and path.stat().st_size > MAX_BYTES:
        found.append(f"{path.stat().st_size / 1e6:.2f} MB; at most {MAX_BYTES / 1e6:.0f} MB")
    return found


def check_outputs(notebook: Notebook, path: Path) -> list[str]:
    """Run once from top to bottom, without errors, false claims, noise on stderr, or widget state."""
    found = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.get("execution_count") for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"execution counts are {counts}, should be 1 to {len(code)}: run `make notebooks`")
    for key in ("widgets", "papermill"):
        if key in notebook.metadata or any(key in cell.metadata for cell in notebook.cells):
            found.append(f"{key} metadata left: run `make notebooks`")
    for number, cell in _numbered(notebook, "code"):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                found.append(f"cell {number} ends in an error: {output.get('ename')}")
            if output.get("name") == "stderr":
                found.append(f"cell {number} wrote to stderr: {output.text.strip()[:80]}")
            if WIDGET_VIEW in output.get("data", {}):
                found.append(f"cell {number} keeps a widget view, which is dead when reopened")
            text = output.get("text", "") + "".join(
                value for key, value in output.get("data", {}).items() if key.startswith("text/") and value
            )
            if match := MACHINE_PATH.search(text):
                found.append(f"cell {number} shows a path of one machine: {match.group()}")
            false = [line for line in text.splitlines() if line.startswith(FALSE_CLAIM)]
            found += [f"cell {number} makes a claim that is false: {line.removeprefix(FALSE_CLAIM)}" for line in false]
    return found


def check_anatomy(notebook: Notebook, path: Path) -> list[str]:
    """Badge, title, the sections in their order, goals and recap of three to five points."""
    prose = "\n".join(cell.source for _, cell in _numbered(notebook, "markdown"))
    found = []
    if prose.count("colab-badge.svg") != 1 or badge(path.name) not in prose:
        found.append(f"needs exactly one Colab badge, in the first cell: {badge(path.name)}")
    first = notebook.cells[0].source if notebook.cells else ""
    if not first.startswith("[![Open in Colab]") or not re.search(r"^# \S", first, re.MULTILINE):
        found.append("the first cell should hold badge, title (# …) and one sentence of promise")
    headings = re.findall(r"^## (.+?)\s*$", re.sub(r"```.*?```", "", prose, flags=re.DOTALL), re.MULTILINE)
    missing = [name for name in SECTIONS if headings.count(name) != 1]
    if missing:
        found.append(f"these sections should be there once: {', '.join(missing)}")
    elif [name for name in headings if name in SECTIONS] != list(SECTIONS):
        found.append(f"the order of sections should be: {', '.join(SECTIONS)}")
    for name in ("Learning goals", "Recap"):
        body = re.search(rf"^## {name}\s*$(.*?)(?=^## |\Z)", prose, re.MULTILINE | re.DOTALL)
        points = len(re.findall(r"^[-*] |^\d\. ", body.group(1), re.MULTILINE)) if body else 0
        if body and not 3 <= points <= 5:
            found.append(f"{name} has {points} points, should have 3 to 5")
    return found


def check_setup(notebook: Notebook, path: Path) -> list[str]:
    """Three set-up cells: parameters, the common install cell, imports with the report."""
    code = [cell for _, cell in _numbered(notebook, "code")][:3]
    if len(code) < 3:
        return ["the first three code cells should be parameters, install, imports"]
    found = []
    if "parameters" not in code[0].metadata.get("tags", []):
        found.append("the first code cell should be tagged 'parameters'")
    for name, pattern in (("PROFILE", r'^PROFILE = "cpu"'), ("SEED", r"^SEED = \d+")):
        if not re.search(pattern, code[0].source, re.MULTILINE):
            found.append(f"the parameters cell should set {name} ({pattern.removeprefix('^')})")
    if code[1].source.strip() != install_cell():
        found.append("the second code cell should be the install cell of CONTRIBUTING.md, unchanged")
    if "idnb.env.report()" not in code[2].source and "env.report()" not in code[2].source:
        found.append("the third code cell should import what is needed and call idnb.env.report()")
    return found


def check_cells(notebook: Notebook, path: Path) -> list[str]:
    """Short code, no trailing semicolon, prose after each figure, no foreign pictures, no paths of one machine."""
    found = []
    for number, cell in _numbered(notebook, "code"):
        lines = cell.source.rstrip().splitlines()
        if not lines:
            found.append(f"cell {number} is empty")
            continue
        if len(lines) > MAX_LINES:
            found.append(f"cell {number} has {len(lines)} lines; at most {MAX_LINES}")
        if lines[-1].rstrip().endswith(";"):
            found.append(f"cell {number} ends in ';': write `_ = …` or plt.show()")
        if match := MACHINE_PATH.search(cell.source):
            found.append(f"cell {number} names a path of one machine: {match.group()}")
    for number, cell in _numbered(notebook, "markdown"):
        without_badge = cell.source.replace(badge(path.name), "")
        if re.search(r"!\[[^\]]*\]\((https?:|data:)|<img[^>]+src=[\"'](https?:|data:)", without_badge):
            found.append(f"cell {number} shows a picture from elsewhere; keep it in docs/img")
        if re.search(r"!\[\s*\]\(", without_badge):
            found.append(f"cell {number} has a picture without alternative text")
        for target in re.findall(r"\]\((?!https?:|#|mailto:|attachment:)([^)\s#]+)", without_badge):
            if not (path.parent / target).exists():
                found.append(f"cell {number} links to {target}, which does not exist")
    return found


def check_figures(notebook: Notebook, path: Path) -> list[str]:
    """Each picture decodes, is not one flat colour, is at most nine inches wide, and is followed by a sentence."""
    found = []
    for number, cell in _numbered(notebook, "code"):
        pictures = [output.data[kind] for kind, output in pictures_of(cell.get("outputs", []))]
        for picture in pictures:
            try:
                image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
            except (UnidentifiedImageError, OSError, ValueError):
                found.append(f"cell {number} holds a picture that does not decode")
                continue
            if all(low == high for low, high in image.getextrema()):
                found.append(f"cell {number} holds a picture of one flat colour")
            if image.width > 1000:
                found.append(f"cell {number} holds a picture {image.width} px wide; 9 in at 100 dpi are enough")
        if pictures:
            after = notebook.cells[number] if number < len(notebook.cells) else None
            if after is None or after.cell_type != "markdown" or len(after.source.split()) < 4:
                found.append(f"cell {number} shows a figure; the next cell should say what is to be seen in it")
    return found


def check_exercises(notebook: Notebook, path: Path) -> list[str]:
    """Each exercise has stub, check and folded solution; stub and solution agree; the stub does not pass."""
    found = []
    exercises = find_exercises(notebook)
    if [exercise.number for exercise in exercises] != list(range(1, len(exercises) + 1)):
        found.append("exercises should be numbered 1, 2, 3, …")
    for exercise in exercises:
        name = f"exercise {exercise.number}"
        if exercise.stub is None or exercise.check is None or exercise.solution is None:
            parts = {"a cell tagged 'exercise'": exercise.stub, "a cell tagged 'check'": exercise.check}
            parts["a folded solution with a python block"] = exercise.solution
            found.append(f"{name} lacks {' and '.join(part for part, value in parts.items() if value is None)}")
            continue
        stub = notebook.cells[exercise.stub].source
        if "# your turn" not in stub:
            found.append(f"{name}: no line of the stub ends in '# your turn'")
        for line in disagreements(stub, exercise.solution):
            found.append(f"{name}: the solution lacks this line of the stub: {line}")
        if is_passed(notebook.cells[exercise.check]):
            found.append(f"{name}: the stub as it is already passes the check")
    tagged = sum("exercise" in cell.metadata.get("tags", []) for cell in notebook.cells)
    if tagged != sum(exercise.stub is not None for exercise in exercises):
        found.append("a cell tagged 'exercise' stands under no heading '### Exercise N'")
    for number, cell in _numbered(notebook, "markdown"):
        if re.search(r"^### Think\b", cell.source, re.MULTILINE) and "<details>" not in cell.source:
            found.append(f"cell {number}: a Think question needs its folded answer in the same cell")
    return found


def check_folding(notebook: Notebook, path: Path) -> list[str]:
    """No outcome of a prediction, and no inside of a check, lies open."""
    found = []
    for number, cell in _numbered(notebook, "code"):
        jupyter = cell.metadata.get("jupyter", {})
        if hides_outcome(cell) and not (jupyter.get("outputs_hidden") and cell.metadata.get("collapsed")):
            found.append(f"cell {number} shows the outcome of a prediction: run `python -m tools.notebooks fold`")
        if hides_source(cell) and not (jupyter.get("source_hidden") and cell.metadata.get("cellView") == "form"):
            found.append(f"cell {number} shows the inside of a check: run `python -m tools.notebooks fold`")
    return found


CHECKS: tuple[Callable[[Notebook, Path], list[str]], ...] = (
    check_format,
    check_outputs,
    check_anatomy,
    check_setup,
    check_cells,
    check_figures,
    check_exercises,
    check_folding,
)


def check_file(path: Path) -> list[str]:
    """Run every check on one notebook.

    Args:
        path: the notebook.

    Returns:
        The complaints; none when all is well.
    """
    try:
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    except (ValueError, OSError) as error:
        return [f"not readable as a notebook: {error}"]
    if notebook.nbformat != 4:
        return [f"nbformat {notebook.nbformat}, should be 4.5"]
    return [complaint for check in CHECKS for complaint in check(notebook, path)]


def _numbered(notebook: Notebook, kind: str) -> list[tuple[int, nbformat.NotebookNode]]:
    return [(i, cell) for i, cell in enumerate(notebook.cells, start=1) if cell.cell_type == kind]
