"""Executes one notebook with papermill, and says where it failed in words that help."""

import re
import time
from html import escape
from pathlib import Path

import nbformat
import papermill

from tools.notebook_files import pictures_of

__all__ = ["RunError", "committed_profile", "execute", "keep_alternative_text", "write_page"]


class RunError(RuntimeError):
    """A cell failed; the message names notebook, cell and error."""


def committed_profile(notebook: nbformat.NotebookNode) -> str | None:
    """Return the value of PROFILE in the cell tagged `parameters`, or None."""
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            match = re.search(r"^PROFILE\s*=\s*[\"'](\w+)[\"']", cell.source, re.MULTILINE)
            return match.group(1) if match else None
    return None


def execute(
    path: Path,
    output: Path,
    profile: str | None = None,
    folder: Path | None = None,
    progress: bool = False,
    cell_timeout: int = 3600,
) -> float:
    """Execute a notebook from top to bottom.

    Args:
        path: the notebook to read; it is not changed.
        output: where the executed notebook goes; also written, up to the failure, when a cell fails.
        profile: the value for PROFILE; None, or the value that stands there already, leaves the notebook as it is.
        folder: the working folder of the kernel; that of the notebook by default.
        progress: show a progress bar over the cells.
        cell_timeout: seconds after which a cell counts as hanging.

    Returns:
        Seconds that it took.

    Raises:
        RunError: a cell failed or hung.
    """
    notebook = nbformat.read(path, as_version=4)
    wanted = {} if profile in (None, committed_profile(notebook)) else {"PROFILE": profile}
    output.parent.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    try:
        papermill.execute_notebook(
            str(path),
            str(output),
            parameters=wanted,
            kernel_name="python3",
            cwd=str(folder or path.parent),
            progress_bar=progress,
            execution_timeout=cell_timeout,
            extra_arguments=["--IPKernelApp.log_level=50"],  # the kernel's own chatter; errors of cells come anyway
        )
    except papermill.PapermillExecutionError as error:
        position = _position(notebook, output)
        message = f"{path.name}, {position} (In [{error.exec_count}]): {error.ename}: {error.evalue}"
        first_lines = "\n".join(f"    {line}" for line in error.source.splitlines()[:8])
        raise RunError(f"{message}\n{first_lines}\n  the run up to there: {output}") from error
    except (TimeoutError, RuntimeError) as error:  # the cell hung, or the kernel died
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RunError(f"{path.name}, {_position(notebook, output)}: {first_line}\n  see {output}") from error
    return time.perf_counter() - begin


def _position(notebook: nbformat.NotebookNode, output: Path) -> str:
    """Say which cell of the original, counted from 1, was the last that ran."""
    numbers = {cell.get("id"): number for number, cell in enumerate(notebook.cells, start=1)}
    last = 0
    if output.exists():
        for cell in nbformat.read(output, as_version=4).cells:
            if cell.cell_type == "code" and cell.metadata.get("papermill", {}).get("start_time"):
                last = max(last, numbers.get(cell.get("id"), 0))
                if cell.metadata.papermill.status == "failed":
                    break
    return f"cell {last} of {len(notebook.cells)}" if last else "before its first cell"


def keep_alternative_text(notebook: nbformat.NotebookNode) -> None:
    """Turn pictures with alternative text into HTML, in place: nbconvert drops the text, and some readers need it."""
    for kind, output in [figure for cell in notebook.cells for figure in pictures_of(cell.get("outputs", []))]:
        text = output.get("metadata", {}).get(kind, {}).get("alt")
        if text:
            source = output["data"].pop(kind).replace("\n", "")
            output["data"]["text/html"] = f'<img alt="{escape(text)}" src="data:{kind};base64,{source}">'


def write_page(executed: Path, page: Path, source_folder: Path) -> None:
    """Write an executed notebook as one HTML page that needs no other file.

    Args:
        executed: the executed notebook.
        page: the file to write.
        source_folder: the folder of the original notebook, against which its pictures are looked up.
    """
    from nbconvert import HTMLExporter

    notebook = nbformat.read(executed, as_version=4)
    keep_alternative_text(notebook)
    exporter = HTMLExporter()  # embed_images would close each <details> before its content
    html, _ = exporter.from_notebook_node(
        notebook, resources={"metadata": {"name": executed.stem, "path": str(source_folder)}}
    )
    html = re.sub(r'href="(\d\d_[a-z0-9_]+)\.ipynb"', r'href="\1.html"', html)
    words = "<style>.jp-OutputArea-output pre { word-break: normal !important; overflow-wrap: anywhere; }</style>"
    page.write_text(html.replace("</head>", f"{words}</head>", 1), encoding="utf-8")
