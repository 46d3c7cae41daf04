"""The exercises of a notebook: stub, check and folded solution, found by their tags.

An exercise is four cells in a row:

1. markdown, beginning with `### Exercise N: title`: the task;
2. code, tagged `exercise`: the stub, which runs and gives a wrong result. Lines that the student changes end in
   `# your turn`;
3. code, tagged `check`: compares and prints "correct", "close" or "not yet";
4. markdown, `<details><summary>Solution</summary>` around one python block that replaces the whole stub cell.

Other cells may stand between 1 and 2, and hints (markdown) between 2 and 4.
"""

import copy
import re
from dataclasses import dataclass

import nbformat

__all__ = ["Exercise", "disagreements", "find_exercises", "is_passed", "with_solutions"]

HEADING = re.compile(r"^### Exercise (\d+)\b", re.MULTILINE)
SOLUTION = re.compile(r"<details>\s*<summary>Solution</summary>(.*?)</details>", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)\n```", re.DOTALL)
YOUR_TURN = re.compile(r"#\s*your turn\b.*$")


@dataclass(frozen=True)
class Exercise:
    """Where the parts of one exercise are; cells are counted from 0, and a part that is missing is None."""

    number: int
    heading: int
    stub: int | None
    check: int | None
    solution: str | None


def find_exercises(notebook: nbformat.NotebookNode) -> list[Exercise]:
    """List the exercises of a notebook in order."""
    headings = [
        (index, int(match.group(1)))
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown" and (match := HEADING.search(cell.source))
    ]
    ends = [*(index for index, _ in headings[1:]), len(notebook.cells)]
    return [_parts(notebook, number, begin, end) for (begin, number), end in zip(headings, ends, strict=False)]


def _parts(notebook: nbformat.NotebookNode, number: int, begin: int, end: int) -> Exercise:
    def tagged(tag: str) -> int | None:
        found = [i for i in range(begin, end) if tag in notebook.cells[i].metadata.get("tags", [])]
        return found[0] if found else None

    solution = None
    for cell in notebook.cells[begin:end]:
        folded = SOLUTION.search(cell.source) if cell.cell_type == "markdown" else None
        block = PYTHON.search(folded.group(1)) if folded else None
        if block:
            solution = block.group(1)
            break
    return Exercise(number, begin, tagged("exercise"), tagged("check"), solution)


def disagreements(stub: str, solution: str) -> list[str]:
    """List the lines of a stub that its solution lacks.

    Lines that end in `# your turn`, and comments, may differ; all others must come again in the same order, so that a
    student never has to change what does not look like a blank.
    """
    remaining = iter(line.strip() for line in solution.splitlines())
    fixed = [line.strip() for line in stub.splitlines()]
    fixed = [line for line in fixed if line and not line.startswith("#") and not YOUR_TURN.search(line)]
    return [line for line in fixed if not any(line == other for other in remaining)]


def with_solutions(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy of the notebook in which every stub is replaced by its solution."""
    solved = copy.deepcopy(notebook)
    for exercise in find_exercises(notebook):
        if exercise.stub is not None and exercise.solution is not None:
            solved.cells[exercise.stub].source = exercise.solution
    return solved


def is_passed(check: nbformat.NotebookNode) -> bool:
    """Tell whether an executed check cell says "correct", and nothing less for any part of the exercise."""
    text = "".join(output.get("text", "") for output in check.get("outputs", []) if output.output_type == "stream")
    text = text.lower()
    return bool(re.search(r"\bcorrect\b", text)) and not re.search(
        r"\bnot yet\b|^close\b|: close\b", text, re.MULTILINE
    )
