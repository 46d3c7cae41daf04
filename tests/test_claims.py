"""A sentence of a notebook that has become false fails the tests of the notebooks, and disturbs no reader."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from idnb.checks import FALSE_CLAIM
from tools.notebook_files import REPO
from tools.notebook_run import RunError, execute


def notebook_with_claim(folder, holds):
    source = f'from idnb.checks import claim\n\nclaim("two strangers are less alike than 0.30 (0.21)", {holds})'
    path = folder / "09_claims.ipynb"
    cell = new_code_cell(source, execution_count=1)
    nbformat.write(new_notebook(cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": ""}}), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("holds", ["0.21 < 0.3", "0.41 < 0.3"])
def test_nbval_fails_on_a_false_claim_and_on_no_true_one(holds, tmp_path):
    path = notebook_with_claim(tmp_path, holds)
    shutil.copy(REPO / "notebooks" / "conftest.py", tmp_path)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
        str(path),
    ]
    environment = {key: value for key, value in os.environ.items() if key != "IDNB_CLAIMS"}
    environment["PYTHONPATH"] = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == (holds == "0.21 < 0.3"), done.stdout
    assert ("two strangers are less alike" in done.stdout) == (holds == "0.41 < 0.3")


def test_a_reader_sees_the_line_and_goes_on(tmp_path, monkeypatch):
    path, out = notebook_with_claim(tmp_path, "0.41 < 0.3"), tmp_path / "out.ipynb"
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    monkeypatch.delenv("IDNB_CLAIMS", raising=False)
    execute(path, out)
    assert nbformat.read(out, as_version=4).cells[0].outputs[0].text.startswith(FALSE_CLAIM)
    monkeypatch.setenv("IDNB_CLAIMS", "strict")
    with pytest.raises(RunError, match="two strangers are less alike"):
        execute(path, out)
