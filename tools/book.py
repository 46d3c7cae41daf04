"""The whole series as one HTML page for reading and printing: `python -m tools.book`, called by `make book`.

nbconvert turns cells into HTML, latex2mathml turns formulas into MathML, which browsers draw without fetching anything.
Committed outputs are shown as they are; nothing is run. Folded solutions are open, as paper cannot unfold them.
"""

import argparse
import re
from datetime import date
from html import escape
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from tools.notebook_files import REPO, badge, find, install_cell, project, repository
from tools.notebook_run import keep_alternative_text

__all__ = ["main", "mathml", "write_book"]

APPENDICES = ("glossary", "measures", "paper_audit", "where_this_stands", "responsible_use")

CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 Georgia, 'DejaVu Serif', serif; max-width: 52rem; margin: 2rem auto; padding: 0 1.2rem;
  color: #1c1c1c; background: #fff; }
h1, h2, h3, h4, nav, .input, .output_text, table { font-family: system-ui, 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin-top: 0; } h2 { font-size: 1.35rem; margin-top: 2rem; }
h3 { font-size: 1.1rem; } a { color: #1b5e8c; } a.anchor-link { display: none; }
pre, code { font: 13px/1.45 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
.highlight { background: #f5f6f8; border-left: 3px solid #b9c4d0; padding: .5rem .7rem; margin: .7rem 0 .2rem; }
.output_stream, .output_text, .output_area > pre { color: #333; padding: .2rem .9rem; }
.output_area img, .rendered_html img, img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: .85rem; margin: 1rem 0; }
th, td { border: 1px solid #c9ced6; padding: .3rem .5rem; text-align: left; vertical-align: top; }
details { border: 1px solid #d5dae1; border-radius: 4px; padding: .4rem .9rem; margin: .8rem 0; }
summary { font-weight: bold; } math[display=block] { margin: .8rem 0; }
section.chapter { border-top: 2px solid #1c1c1c; margin-top: 4rem; padding-top: 1.5rem; }
nav li { margin: .2rem 0; } .small { color: #555; font-size: .85rem; }
@page { margin: 18mm 16mm; }
@media print {
  body { font-size: 10.5pt; max-width: none; margin: 0; padding: 0; } pre, code { font-size: 8.5pt; }
  section.chapter { break-before: page; border: 0; margin: 0; padding: 0; }
  h1, h2, h3, h4 { break-after: avoid; } .output_area, .highlight, tr, math { break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
}
"""


def mathml(text: str) -> tuple[str, dict[str, str]]:
    """Set the formulas of a piece of Markdown, outside its code.

    Args:
        text: Markdown with $…$ and $$…$$.

    Returns:
        The text with a mark in place of each formula, and mark -> MathML, to be put in once the text is HTML: the
        converter of Markdown would take MathML apart. A formula that cannot be read stays as it is.
    """
    drawn: dict[str, str] = {}

    def one(match: re.Match[str]) -> str:
        if match.group("code"):
            return match.group()
        block = match.group("block")
        try:
            formula = convert(block or match.group("line"), display="block" if block else "inline")
        except Exception:  # the converter has no common exception; the text itself is still readable
            return match.group()
        mark = f"\u27e6formula{len(drawn)}\u27e7"
        drawn[mark] = formula
        return f"\n{mark}\n" if block else mark

    code = r"(?P<code>^ *```.*?^ *```|`[^`\n]+`)"
    marked = re.sub(
        rf"{code}|\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<line>[^\s$](?:[^$\n]*[^\s$])?)\$(?!\w)",
        one,
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    return marked, drawn


def _exporter() -> HTMLExporter:
    config = Config({"HTMLExporter": {"exclude_input_prompt": True, "exclude_output_prompt": True}})
    return HTMLExporter(config=config, template_name="basic")


def _chapter(name: str, notebook: nbformat.NotebookNode, folder: Path) -> tuple[str, str]:
    """Title and HTML of one notebook; headings, links and pictures are made fit for the common page."""
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip() != install_cell()]
    formulas: list[dict[str, str]] = []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "markdown"):
        marked, drawn = mathml(cell.source.replace(badge(f"{name}.ipynb"), "").strip())
        cell.source = marked.replace("\u27e6", f"\u27e6{len(formulas)}:")
        formulas.append(drawn)
    keep_alternative_text(notebook)
    body, _ = _exporter().from_notebook_node(notebook, resources={"metadata": {"name": name, "path": str(folder)}})
    body = re.sub(r"\u27e6(\d+):(\w+)\u27e7", lambda m: formulas[int(m[1])][f"\u27e6{m[2]}\u27e7"], body)
    body = re.sub(r'(<h[1-6] id=")', rf"\g<1>{name}-", body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    body = re.sub(r'href="(?:\.\./notebooks/|notebooks/)?(\d\d_[a-z0-9_]+)\.ipynb"', r'href="#\1"', body)
    names = "|".join(APPENDICES)
    body = re.sub(rf'href="(?:\.\./docs/|docs/)?({names})\.md(?:#[^"]*)?"', r'href="#\1"', body)
    body = re.sub(r'href="(?!#|https?:|mailto:)(?:\.\./)*([^"#]+)', rf'href="{repository()}/blob/main/\1', body)
    body = body.replace("<details>", "<details open>")
    title = next(line for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("# "))
    return title.removeprefix("# ").strip(), body


def write_book(out: Path, notebooks: list[Path] | None = None) -> Path:
    """Write the book.

    Args:
        out: the file to write; its folder is made.
        notebooks: the notebooks to print; None: all.

    Returns:
        The path.
    """
    chapters = []
    for path in find() if notebooks is None else notebooks:
        chapters.append((path.stem, *_chapter(path.stem, nbformat.read(path, as_version=4), path.parent)))
    count = len(chapters)
    for name in APPENDICES:
        page = REPO / "docs" / f"{name}.md"
        cell = nbformat.v4.new_markdown_cell(page.read_text(encoding="utf-8"))
        chapters.append((name, *_chapter(name, nbformat.v4.new_notebook(cells=[cell]), page.parent)))
    lists = [
        "\n".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title, _ in part)
        for part in (chapters[:count], chapters[count:])
    ]
    sections = "\n".join(f'<section class="chapter" id="{name}">\n{body}\n</section>' for name, _, body in chapters)
    about = project()
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>idnb: GAN inversion by building it</title>
<style>{CSS}
{HtmlFormatter(style="default").get_style_defs(".highlight")}</style></head>
<body>
<header><h1>idnb: GAN inversion by building it</h1>
<p>{escape(about["description"])}.</p>
<p class="small">Version {about["version"]}, printed {date.today().isoformat()} from the committed notebooks;
nothing was run for it. Text CC BY 4.0, code Apache-2.0, rendered faces CC0.
<a href="{repository()}">{repository()}</a></p></header>
<nav><h2>Contents</h2><ol start="0">
{lists[0]}
</ol><p>Appendices</p><ul>
{lists[1]}
</ul></nav>
{sections}
</body></html>
"""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out


def main() -> int:
    """Write the book and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.book", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPO / "build" / "book" / "idnb.html", help="file to write")
    path = write_book(parser.parse_args().out)
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB: open it in a browser, and print from there")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
