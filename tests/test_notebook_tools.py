"""The tools for notebooks: they run, clean and check, and they find what is planted."""

import base64
import io
import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tools.notebook_checks import check_file
from tools.notebook_clean import WIDGET_VIEW, clean
from tools.notebook_exercises import disagreements, find_exercises, is_passed, with_solutions
from tools.notebook_files import find, install_cell, skeleton
from tools.notebook_run import RunError, committed_profile, execute, write_page
from tools.notebooks import main

NAME = "03_scratch.ipynb"


def png(colour_a=(0, 0, 0), colour_b=(255, 255, 255), width=64) -> str:
    image = Image.new("RGB", (width, 32), colour_a)
    image.paste(colour_b, (0, 0, width // 2, 32))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def finished(folder):
    """The skeleton as it would be after a run: counts, a figure, the check of an untouched stub."""
    notebook = skeleton(NAME, "A scratch notebook")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number
    code[3].outputs = [new_output("display_data", {"image/png": png(), "text/plain": "<Figure size 400x300>"})]
    code[5].outputs = [new_output("stream", name="stdout", text="not yet: 2.0, expected 4.0\n")]
    return write(notebook, folder)


def write(notebook, folder):
    path = folder / NAME
    nbformat.write(notebook, path)
    return path


def change(path, edit):
    notebook = nbformat.read(path, as_version=4)
    edit(notebook)
    nbformat.write(notebook, path)
    return "\n".join(check_file(path))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_finished_notebook_has_no_complaints(tmp_path):
    assert check_file(finished(tmp_path)) == []


def set_source(index, source):
    return lambda notebook: notebook.cells[index].update(source=source)


def add_output(index, output):
    return lambda notebook: code_cells(notebook)[index].outputs.append(output)


FAULTS = {
    "counts": (lambda n: code_cells(n)[2].update(execution_count=9), "execution counts are"),
    "stderr": (add_output(2, new_output("stream", name="stderr", text="UserWarning")), "wrote to stderr: UserWarning"),
    "error": (add_output(2, new_output("error", ename="KeyError", evalue="", traceback=[])), "ends in an error: Key"),
    "widget": (add_output(2, new_output("display_data", {WIDGET_VIEW: {}})), "keeps a widget view"),
    "false claim": (
        add_output(2, new_output("stream", text="Holds: it is.\nDoes not hold here: 3 < 2.\n")),
        "makes a claim that is false: 3 < 2",
    ),
    "widget state": (lambda n: n.metadata.update(widgets={}), "widgets metadata left"),
    "machine path": (add_output(2, new_output("stream", text="/home/ada/idnb")), "shows a path of one machine: /home/"),
    "path in source": (lambda n: code_cells(n)[3].update(source='open("/tmp/x.txt")'), "names a path of one machine"),
    "badge": (set_source(0, "# Title\n\nPromise."), "exactly one Colab badge"),
    "section": (set_source(15, "## Summary\n\n- …"), "should be there once: Recap"),
    "order": (lambda n: n.cells.insert(0, n.cells.pop(2)), "the order of sections"),
    "goals": (set_source(1, "## Learning goals\n\n- One"), "Learning goals has 1 points"),
    "parameters": (lambda n: code_cells(n)[0].metadata.pop("tags"), "tagged 'parameters'"),
    "profile": (lambda n: code_cells(n)[0].update(source="SEED = 0"), "should set PROFILE"),
    "install": (lambda n: code_cells(n)[1].update(source="%pip install numpy"), "should be the install cell"),
    "report": (lambda n: code_cells(n)[2].update(source="import idnb"), "call idnb.env.report()"),
    "semicolon": (lambda n: code_cells(n)[3].update(source="1 + 1;"), "ends in ';'"),
    "long cell": (lambda n: code_cells(n)[3].update(source="x = 1\n" * 41), "has 41 lines"),
    "many cells": (lambda n: n.cells.extend(new_code_cell("1") for _ in range(60)), "78 cells; at most 60"),
    "flat": (add_output(3, new_output("display_data", {"image/png": png((9, 9, 9), (9, 9, 9))})), "one flat colour"),
    "wide": (add_output(3, new_output("display_data", {"image/png": png(width=1800)})), "1800 px wide"),
    "broken": (add_output(3, new_output("display_data", {"image/png": "bm8="})), "does not decode"),
    "silent figure": (set_source(10, "x"), "should say what is to be seen"),
    "remote picture": (set_source(10, "See ![a face](https://example.org/a.png) there."), "a picture from elsewhere"),
    "dead link": (set_source(10, "As shown in [the last one](99_nothing.ipynb) already."), "links to 99_nothing.ipynb"),
    "no solution": (set_source(14, "Think."), "lacks a folded solution"),
    "no check": (lambda n: code_cells(n)[5].metadata.pop("tags"), "lacks a cell tagged 'check'"),
    "drift": (lambda n: code_cells(n)[4].update(source="def twice(x):\n    return x  # your turn"), "def twice(x):"),
    "no blank": (lambda n: code_cells(n)[4].update(source="def double(x):\n    return 2 * x"), "no line of the stub"),
    "easy": (lambda n: code_cells(n)[5].outputs[0].update(text="correct\n"), "already passes the check"),
    "think": (set_source(8, "### Think\n\nWhy is it so?"), "needs its folded answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(fault, tmp_path):
    edit, complaint = FAULTS[fault]
    assert complaint in change(finished(tmp_path), edit)


def test_file_that_is_no_notebook_is_named(tmp_path):
    path = tmp_path / NAME
    path.write_text("hello", encoding="utf-8")
    assert "not readable as a notebook" in check_file(path)[0]


def test_wrong_name_and_missing_ids_are_found(tmp_path):
    path = finished(tmp_path)
    text = path.read_text(encoding="utf-8")
    other = tmp_path / "Scratch.ipynb"
    shutil.copy(path, other)
    assert any("the name should be" in complaint for complaint in check_file(other))
    path.write_text(text.replace('"nbformat_minor": 5', '"nbformat_minor": 4'), encoding="utf-8")
    assert any("should be 4.5" in complaint for complaint in check_file(path))


# --- clean ----------------------------------------------------------------------------------------------------------


def test_clean_keeps_what_a_reader_sees(tmp_path):
    notebook = nbformat.read(finished(tmp_path), as_version=4)
    notebook.metadata.update(widgets={"state": {}}, papermill={"input_path": "/home/ada/x.ipynb"})
    cell = code_cells(notebook)[3]
    cell.metadata.update(papermill={"duration": 1}, execution={"x": 1}, tags=["keep"], jupyter={"source_hidden": True})
    cell.outputs += [
        new_output("stream", name="stderr", text=" 50%|#####     | 1/2 [00:01<00:01]\rUserWarning: look\n"),
        new_output("stream", name="stdout", text="one\n"),
        new_output("stream", name="stdout", text="two\n"),
        new_output("display_data", {WIDGET_VIEW: {}, "text/plain": "HBox()"}),
    ]
    cell.outputs[0].metadata = nbformat.from_dict({"image/png": {"alt": "a line", "width": 400}, "isolated": True})
    removed = clean(notebook)
    assert cell.outputs[0].metadata == {"image/png": {"alt": "a line"}}
    assert removed == ["cell 10 wrote to stderr: UserWarning: look"]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert cell.metadata == {"tags": ["keep"]}  # what a hand folded is open again; the rule decides
    assert [output.output_type for output in cell.outputs] == ["display_data", "stream"]
    assert cell.outputs[1].text == "one\ntwo\n"
    again = nbformat.from_dict(notebook)
    assert clean(again) == [] and again == notebook
    assert check_file(write(notebook, tmp_path)) == []


# --- exercises ------------------------------------------------------------------------------------------------------


def test_exercise_is_found_and_solved(tmp_path):
    notebook = nbformat.read(finished(tmp_path), as_version=4)
    (exercise,) = find_exercises(notebook)
    assert exercise.number == 1 and exercise.solution == "def double(x):\n    return 2 * x"
    solved = with_solutions(notebook)
    assert solved.cells[exercise.stub].source == exercise.solution
    assert notebook.cells[exercise.stub].source != exercise.solution


@pytest.mark.parametrize(
    "stub, solution, missing",
    [
        ("a = 1\nb = 0  # your turn", "a = 1\nb = 2", []),
        ("a = 1\nb = 0  # your turn", "b = 2\na = 1\nc = 3", []),
        ("a = 1\nb = 2", "b = 2\na = 1", ["b = 2"]),
        ("# a hint\na = 1", "a = 1", []),
        ("a = 1", "a = 2", ["a = 1"]),
    ],
)
def test_disagreements(stub, solution, missing):
    assert disagreements(stub, solution) == missing


@pytest.mark.parametrize(
    "text, passed",
    [
        ("correct", True),
        ("Exercise 1: correct", True),
        ("not yet", False),
        ("incorrect", False),
        ("close", False),
        ("correct\nnot yet", False),
        ("Shape: correct\nValues: close", False),
        ("", False),
    ],
)
def test_is_passed(text, passed):
    cell = new_code_cell("x", outputs=[new_output("stream", text=text + "\n")])
    assert is_passed(cell) is passed


# --- run ------------------------------------------------------------------------------------------------------------


def tiny(folder, *sources):
    """A notebook with a parameters cell and the given code."""
    notebook = skeleton(NAME, "Tiny")
    parameters = notebook.cells[5]
    notebook.cells = [parameters, *(new_code_cell(source) for source in sources)]
    return write(notebook, folder)


def test_failure_names_notebook_cell_and_error(tmp_path):
    path = tiny(tmp_path, "x = 1", "print(PROFILE)", "raise KeyError('eyes')", "y = 2")
    with pytest.raises(RunError, match=rf"{NAME}, cell 4 of 5 \(In \[5\]\): KeyError: 'eyes'") as failure:
        execute(path, tmp_path / "out.ipynb", profile="smoke")
    assert "raise KeyError" in str(failure.value) and "out.ipynb" in str(failure.value)


def test_hanging_cell_is_named(tmp_path):
    path = tiny(tmp_path, "x = 1", "import time\ntime.sleep(60)", "y = 2")
    with pytest.raises(RunError, match=rf"{NAME}, cell 3 of 4: .*timed out"):
        execute(path, tmp_path / "out.ipynb", cell_timeout=2)


def test_committed_profile_needs_no_extra_cell(tmp_path):
    path = tiny(tmp_path, "print(PROFILE)")
    assert committed_profile(nbformat.read(path, as_version=4)) == "cpu"
    execute(path, tmp_path / "out.ipynb", profile="cpu")
    assert len(nbformat.read(tmp_path / "out.ipynb", as_version=4).cells) == 2


def test_the_commands(tmp_path, capsys):
    folder, out = tmp_path / "books", tmp_path / "with a space"
    folder.mkdir()
    path = tiny(folder, "from pathlib import Path\nprint(PROFILE, Path.cwd().name)")
    assert main(["--folder", str(folder), "run", "--profile", "smoke", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert all(str(out / name) in text for name in ("03_scratch.ipynb", "03_scratch.html", "index.html"))
    assert "smoke books" in (out / "03_scratch.html").read_text(encoding="utf-8")
    assert main(["--folder", str(folder), "refresh"]) == 1  # it runs; the checks find that anatomy is missing
    assert "exactly one Colab badge" in capsys.readouterr().out
    refreshed = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in refreshed.cells] == [1, 2]
    assert refreshed.cells[1].outputs[0].text == "cpu books\n"


def test_refresh_keeps_the_old_outputs_when_a_cell_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tools.notebooks.REPO", tmp_path)
    path = tiny(tmp_path, "1 / 0")
    before = path.read_bytes()
    assert main(["--folder", str(tmp_path), "refresh"]) == 1
    assert "FAILED: 03_scratch.ipynb, cell 2 of 2 (In [2]): ZeroDivisionError" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert (tmp_path / "build" / "failed" / NAME).exists()


def test_new_notebook_lacks_only_a_run(tmp_path, capsys):
    assert main(["--folder", str(tmp_path), "new", NAME, "--title", "Baselines"]) == 0
    complaints = check_file(tmp_path / NAME)
    assert len(complaints) == 1 and "run `make notebooks`" in complaints[0]
    assert main(["--folder", str(tmp_path), "new", NAME]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["--folder", str(tmp_path), "new", "Three.ipynb"]) == 1


def test_words_that_choose_notebooks(tmp_path):
    for name in ("00_a.ipynb", "01_b.ipynb", "02_c.ipynb"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert [path.name for path in find(["02", "notebooks/00_a.ipynb"], tmp_path)] == ["00_a.ipynb", "02_c.ipynb"]
    with pytest.raises(ValueError, match="there are: 00_a, 01_b, 02_c"):
        find(["7"], tmp_path)


def test_empty_series_is_no_error(tmp_path, capsys):
    assert main(["--folder", str(tmp_path), "run"]) == 0
    assert "no notebook" in capsys.readouterr().out


def test_install_cell_leaves_colab_alone():
    text = install_cell()
    assert "--no-deps" in text and "facenet-pytorch==2.5.3" in text
    assert not any(f'"{name}' in text for name in ("numpy", "torch", "pillow", "ipywidgets"))


def test_pages_keep_alternative_text(tmp_path):
    metadata = {"image/png": {"alt": 'a "small" face'}}
    picture = new_output("display_data", {"image/png": png() + "\n", "text/plain": "a face"}, metadata=metadata)
    cell = new_code_cell("show(fig)", outputs=[picture], execution_count=1)
    executed = tmp_path / "00_page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), executed)
    write_page(executed, tmp_path / "page.html", tmp_path)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "alt='a \"small\" face'" in page
    assert f'src="data:image/png;base64,{png()}"' in page
    assert "No description" not in page


def test_a_page_keeps_what_is_folded_and_breaks_no_word(tmp_path):
    """Solutions stand inside of their <details>; numbers of an output are not cut in two."""
    cell = new_markdown_cell("<details><summary>Solution</summary>\n\nthe way\n\n</details>")
    executed, page = tmp_path / "x.ipynb", tmp_path / "x.html"
    nbformat.write(new_notebook(cells=[cell]), executed)
    write_page(executed, page, tmp_path)
    text = page.read_text(encoding="utf-8")
    start = text.index("<summary>Solution")
    assert start < text.index("the way", start) < text.index("</details>", start)
    assert "word-break: normal" in text
