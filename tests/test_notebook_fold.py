"""Outcomes and checks are folded, and a student's copy does not hold them at all."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.notebook_checks import check_folding
from tools.notebook_clean import clean
from tools.notebook_files import find
from tools.notebook_fold import fold, hides_outcome, student_copy
from tools.notebooks import main


def planned():
    """A prediction, a figure, its outcome, an outcome by tag, and a check; each with an output."""
    sources = [
        'predict("a", "", ["x", "y"])',
        "show(fig)",
        'reveal("a", "b", "Because.")',
        "print(table)",
        "compare(1, 2)",
    ]
    tags = [[], [], [], ["outcome"], ["check"]]
    cells = [
        new_code_cell(
            source, metadata={"tags": t} if t else {}, execution_count=k, outputs=[new_output("stream", text="!")]
        )
        for k, (source, t) in enumerate(zip(sources, tags, strict=True), start=1)
    ]
    return new_notebook(cells=cells)


def test_outcomes_and_checks_are_folded_and_nothing_else(tmp_path):
    notebook = planned()
    assert len(check_folding(notebook, tmp_path)) == 3
    fold(notebook)
    assert check_folding(notebook, tmp_path) == []
    folded = [dict(cell.metadata.get("jupyter", {})) for cell in notebook.cells]
    assert folded == [{}, {}, {"outputs_hidden": True}, {"outputs_hidden": True}, {"source_hidden": True}]
    assert [cell.metadata.get("cellView") for cell in notebook.cells] == [None, None, None, None, "form"]
    assert all(cell.outputs for cell in notebook.cells)
    again = nbformat.from_dict(notebook)
    clean(again)
    assert again.cells == notebook.cells
    nbformat.validate(notebook)


def test_a_students_copy_has_no_outcomes():
    notebook = planned()
    student = student_copy(notebook)
    assert [bool(cell.outputs) for cell in student.cells] == [True, True, False, False, True]
    assert "outputs_hidden" not in student.cells[2].metadata.get("jupyter", {})
    assert all(cell.outputs for cell in notebook.cells)
    nbformat.validate(student)


def test_the_commands(tmp_path, capsys):
    folder, out = tmp_path / "books", tmp_path / "students"
    folder.mkdir()
    nbformat.write(planned(), folder / "03_scratch.ipynb")
    assert main(["--folder", str(folder), "student", "--out", str(out)]) == 0
    assert str(out / "03_scratch.ipynb") in capsys.readouterr().out
    assert "Because" not in "".join(o.text for c in nbformat.read(out / "03_scratch.ipynb", 4).cells for o in c.outputs)
    main(["--folder", str(folder), "fold"])
    assert check_folding(nbformat.read(folder / "03_scratch.ipynb", 4), folder) == []


@pytest.mark.parametrize("path", find(), ids=lambda path: path.stem)
def test_no_student_copy_shows_an_outcome(path):
    student = student_copy(nbformat.read(path, as_version=4))
    assert any(hides_outcome(cell) for cell in student.cells)
    for cell in student.cells:
        text = "".join(output.get("text", "") for output in cell.get("outputs", []))
        assert "What happened:" not in text
