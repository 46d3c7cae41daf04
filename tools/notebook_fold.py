"""Folds away what a reader should not see before choosing: outcomes of predictions, and the insides of checks.

JupyterLab and Jupyter Notebook read `jupyter.source_hidden` and `jupyter.outputs_hidden`, older ones `collapsed`, and
Colab reads `cellView`. VS Code keeps what is folded to itself and reads none of them, so there is also the student's
copy, in which outcomes are not folded but gone: they appear when the cell is run.
"""

import copy
import re

import nbformat

__all__ = ["fold", "hides_outcome", "hides_source", "student_copy"]


def hides_outcome(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell's output tells the outcome of a prediction: it calls `reveal`, or is tagged `outcome`."""
    tagged = "outcome" in cell.metadata.get("tags", [])
    return cell.cell_type == "code" and (tagged or bool(re.search(r"\breveal\(", cell.source)))


def hides_source(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell's code gives answers away: the check of an exercise."""
    return cell.cell_type == "code" and "check" in cell.metadata.get("tags", [])


def fold(notebook: nbformat.NotebookNode) -> None:
    """Set the metadata of every code cell to what should be folded, in place. Nothing else changes."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for key in ("collapsed", "jupyter", "cellView"):
            cell.metadata.pop(key, None)
        folded = {}
        if hides_outcome(cell):
            cell.metadata["collapsed"] = folded["outputs_hidden"] = True
        if hides_source(cell):
            cell.metadata["cellView"], folded["source_hidden"] = "form", True
        if folded:
            cell.metadata["jupyter"] = nbformat.from_dict(folded)


def student_copy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy in which no outcome is to be seen before its cell is run; all other outputs stay."""
    student = copy.deepcopy(notebook)
    fold(student)
    for cell in student.cells:
        if hides_outcome(cell):
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("collapsed")  # what appears on running should be seen
            cell.metadata["jupyter"].pop("outputs_hidden")
    return student
