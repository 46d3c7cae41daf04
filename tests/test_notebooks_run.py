"""Every notebook runs at PROFILE=smoke with the solutions of its exercises put in; as it is, nbval runs it.

Claims are only printed here: `smoke` measures a handful of faces. In nbval's run every claim has to hold.
"""

import nbformat
import pytest

from tools.notebook_exercises import find_exercises, is_passed, with_solutions
from tools.notebook_run import execute


@pytest.mark.slow
def test_solutions_pass_the_checks(notebook_path, tmp_path, monkeypatch):
    monkeypatch.delenv("IDNB_CLAIMS", raising=False)
    notebook = nbformat.read(notebook_path, as_version=4)
    exercises = find_exercises(notebook)
    solved = tmp_path / "solved.ipynb"
    nbformat.write(with_solutions(notebook), solved)
    execute(solved, tmp_path / "executed.ipynb", "smoke", folder=notebook_path.parent, cell_timeout=600)
    cells = {cell.id: cell for cell in nbformat.read(tmp_path / "executed.ipynb", as_version=4).cells}
    for exercise in exercises:
        check = cells[notebook.cells[exercise.check].id]
        assert is_passed(check), f"exercise {exercise.number}: {check.outputs}"
