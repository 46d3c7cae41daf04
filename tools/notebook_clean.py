"""Leaves in an executed notebook what a reader sees, and nothing that depends on the machine or on the moment."""

import nbformat

from tools.notebook_files import PICTURES
from tools.notebook_fold import fold

__all__ = ["WIDGET_VIEW", "clean"]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PAPERMILL_TAGS = {"injected-parameters", "papermill-error-cell-tag"}


def clean(notebook: nbformat.NotebookNode) -> list[str]:
    """Clean a notebook in place.

    Removed are widget state and views, what papermill and the editors note down, messages on stderr (progress bars,
    warnings), execution times and ids of outputs. Figures with their alternative text,
    printed text and execution counts stay. Outcomes and checks are folded; see `tools.notebook_fold`.

    Args:
        notebook: nbformat 4.

    Returns:
        One line for each message on stderr that was removed and is not a progress bar, for the author to read.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"},
        }
    )
    removed = []
    for number, cell in enumerate(notebook.cells, start=1):
        cell.metadata = _clean_cell_metadata(cell.metadata)
        if cell.cell_type != "code":
            continue
        outputs: list[nbformat.NotebookNode] = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                removed += _complaints(number, output.text)
            elif output.output_type == "stream" and outputs and outputs[-1].output_type == "stream":
                outputs[-1].text += output.text
            elif output.output_type in ("display_data", "execute_result") and WIDGET_VIEW in output.data:
                continue
            else:
                if "metadata" in output:
                    alts = {kind: output.metadata.get(kind, {}).get("alt") for kind in PICTURES}
                    kept = {kind: {"alt": alt} for kind, alt in alts.items() if alt}
                    output.metadata = nbformat.from_dict(kept)
                output.pop("transient", None)
                outputs.append(output)
        cell.outputs = outputs
    fold(notebook)
    return removed


def _clean_cell_metadata(metadata: nbformat.NotebookNode) -> nbformat.NotebookNode:
    tags = [tag for tag in metadata.get("tags", []) if tag not in PAPERMILL_TAGS]
    return nbformat.from_dict({"tags": tags} if tags else {})


def _complaints(number: int, text: str) -> list[str]:
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines()]
    return [f"cell {number} wrote to stderr: {line}" for line in lines if line and not _is_progress_bar(line)]


def _is_progress_bar(line: str) -> bool:
    return "%|" in line or "it/s" in line or "s/it" in line
