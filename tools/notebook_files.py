"""Where the notebooks are, and the texts that all of them share: badge, install cell, skeleton of the anatomy."""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.notebook_fold import fold

__all__ = [
    "NAME_PATTERN",
    "PICTURES",
    "REPO",
    "SECTIONS",
    "badge",
    "find",
    "install_cell",
    "pictures_of",
    "project",
    "repository",
    "skeleton",
]

REPO = Path(__file__).resolve().parent.parent
NAME_PATTERN = re.compile(r"^\d\d_[a-z0-9_]+\.ipynb$")

# The second-level headings that every notebook has, in this order; its own sections stand between Setup and Recap.
SECTIONS = ("Learning goals", "Prerequisites", "Time", "Setup", "Recap", "Next", "References")


PICTURES = ("image/png", "image/jpeg")
"""What a figure may be stored as."""


def pictures_of(outputs: Iterable[nbformat.NotebookNode]) -> Iterable[tuple[str, nbformat.NotebookNode]]:
    """The figures among the outputs of a cell: the kind of each picture, and its output."""
    for output in outputs:
        for kind in PICTURES:
            if output.output_type in ("display_data", "execute_result") and kind in output.data:
                yield kind, output


@cache
def project() -> dict[str, Any]:
    """Return the [project] table of pyproject.toml."""
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def repository() -> str:
    """Return the address of the repository, which stands in pyproject.toml and nowhere else in the code."""
    return project()["urls"]["Repository"].rstrip("/")


def find(words: Iterable[str] = (), folder: Path | None = None) -> list[Path]:
    """List the notebooks of the series in order.

    Args:
        words: beginnings of names (`"01"`), or paths; all notebooks when empty.
        folder: the folder to look in, `notebooks/` by default.

    Returns:
        The paths, sorted by name.

    Raises:
        ValueError: a word fits no notebook.
    """
    folder = folder or REPO / "notebooks"
    everything = sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))
    chosen: set[Path] = set()
    for word in words:
        fitting = [path for path in everything if path.name.startswith(Path(word).name)]
        if not fitting:
            names = ", ".join(path.stem for path in everything) or "none yet"
            raise ValueError(f"no notebook in {folder} begins with {Path(word).name!r}; there are: {names}")
        chosen.update(fitting)
    return sorted(chosen) if chosen else everything


def badge(name: str) -> str:
    """Return the markdown of the Colab badge of the notebook called `name`, such as `"00_start_here.ipynb"`."""
    path = repository().removeprefix("https://github.com/")
    target = f"https://colab.research.google.com/github/{path}/blob/main/notebooks/{name}"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({target})"


def install_cell() -> str:
    """Return the install cell, equal in all notebooks.

    `--no-deps` keeps pip away from what Colab has loaded already (numpy, torch, Pillow, ipywidgets), so that nobody has
    to restart. All other dependencies of idnb are part of Colab.
    """
    missing = [f'"{line}"' for line in project()["dependencies"] if re.match(r"(facenet-pytorch|lpips)\b", line)]
    source = f'"idnb @ git+{repository()}@v{project()["version"]}"'
    return "\n".join(
        [
            "# Colab only: gets what is missing there and leaves numpy, torch, Pillow and ipywidgets as they are.",
            "import importlib.util",
            "import os",
            "",
            'if "COLAB_RELEASE_TAG" in os.environ and importlib.util.find_spec("idnb") is None:',
            f"    %pip install -q --no-deps {' '.join(missing)} {source}",
        ]
    )


def skeleton(name: str, title: str) -> nbformat.NotebookNode:
    """Return a notebook with the whole anatomy and one exercise, ready to be filled.

    Args:
        name: the file name, such as `"03_baselines.ipynb"`.
        title: the heading on top.
    """

    def code(source: str, *tags: str) -> nbformat.NotebookNode:
        return new_code_cell(source, metadata={"tags": list(tags)} if tags else {})

    cells = [
        new_markdown_cell(f"{badge(name)}\n\n# {title}\n\nOne sentence: what you will be able to do."),
        new_markdown_cell("## Learning goals\n\n- Explain …\n- Compute …\n- Judge …"),
        new_markdown_cell("## Prerequisites\n\nNone."),
        new_markdown_cell("## Time\n\nAbout … minutes of reading; the code takes … minutes on two CPU cores."),
        new_markdown_cell("## Setup\n\nThree cells: what you may change, what Colab lacks, what this machine has."),
        code('PROFILE = "cpu"  # "smoke": the code path in seconds; "gpu": the full setting\nSEED = 0', "parameters"),
        code(install_cell()),
        code("import matplotlib.pyplot as plt\n\nimport idnb.env\n\nidnb.env.report()"),
        new_markdown_cell("## 1. The first idea\n\nWhy it is needed."),
        code(
            'figure, axis = plt.subplots(figsize=(4, 3), dpi=100)\naxis.plot([0, 1], [0, 1])\naxis.set_title("…")\n'
            "plt.show()"
        ),
        new_markdown_cell("The line rises: one sentence that reads the figure."),
        new_markdown_cell("### Exercise 1: double it\n\nReturn twice the number."),
        code("def double(x):\n    return x  # your turn", "exercise"),
        code("from idnb.checks import compare\n\ncompare(double(2.0), 4.0)", "check"),
        new_markdown_cell(
            "<details><summary>Solution</summary>\n\n```python\ndef double(x):\n    return 2 * x\n```\n\n"
            "Twice a number is the number added to itself.\n\n</details>"
        ),
        new_markdown_cell("## Recap\n\n- …\n- …\n- …"),
        new_markdown_cell("## Next\n\n…"),
        new_markdown_cell("## References\n\n- …"),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    fold(notebook)
    return notebook
