"""A slide deck from the notebooks' figures: `python -m tools.slides`, called by `make slides`.

A slide for each notebook with its learning goals, then one for each figure, with what the notebook says below it. The
deck is one HTML file that fetches nothing: arrow keys and space turn the slides, and printing gives one slide a page.
Committed outputs are shown as they are; nothing is run.
"""

import argparse
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

import nbformat
from nbconvert.filters import markdown2html

from tools.book import mathml
from tools.notebook_files import REPO, find, pictures_of, project

__all__ = ["main", "slides_of", "write_slides"]

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { scroll-snap-type: y mandatory; }
body { margin: 0; font: 2.6vh/1.4 system-ui, 'DejaVu Sans', sans-serif; color: #1c1c1c; background: #fff; }
section { height: 100vh; padding: 4vh 5vw; scroll-snap-align: start; display: flex; flex-direction: column;
  justify-content: center; overflow: hidden; }
h1 { font-size: 6vh; margin: 0 0 3vh; } h2 { font-size: 3.4vh; margin: 0 0 2vh; } li { margin: 1vh 0; }
figure { flex: 1; min-height: 0; margin: 0; display: flex; justify-content: center; }
figure img { max-width: 100%; max-height: 100%; object-fit: contain; flex: 1; min-width: 0; }
.words { max-height: 26vh; margin-top: 2vh; } .words p { margin: .6vh 0; }
.small { color: #555; font-size: 1.9vh; } a { color: #1b5e8c; } code { font-size: .9em; }
@media print { @page { size: 297mm 167mm; margin: 0; } section { break-after: page; } }
"""
TURN = """
addEventListener('keydown', (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, ' ': 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const slides = [...document.querySelectorAll('section')];
  const now = Math.round(scrollY / innerHeight);
  slides[Math.max(0, Math.min(slides.length - 1, now + step))].scrollIntoView();
});
"""


def _html(markdown: str) -> str:
    marked, drawn = mathml(markdown)
    body = markdown2html(marked)
    for mark, formula in drawn.items():
        body = body.replace(mark, formula)
    return re.sub(r"<a [^>]*>(.*?)</a>", r"\1", body)  # links lead out of the deck


def _section(markdown: str, name: str) -> str:
    """The text below a second-level heading, up to the next one."""
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", markdown, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def slides_of(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """The slides of one notebook, as HTML: its title with the learning goals, then a slide for each figure."""
    whole = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    title = next(line for line in whole.splitlines() if line.startswith("# ")).removeprefix("# ")
    goals = re.sub(r" \*Tested by [^*]*\*", "", _section(whole, "Learning goals"))
    yield f"<h1>{escape(title)}</h1>\n{_html(goals)}"
    heading, cells = title, notebook.cells
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            heads = re.findall(r"^## (\d+\. .+)$", cell.source, re.MULTILINE)
            heading = heads[-1] if heads else heading
            continue
        after = next((c.source for c in cells[place + 1 :] if c.cell_type == "markdown"), "")
        words = "" if after.startswith(("#", "<", "**", "-")) else after.split("\n\n")[0]
        words = re.sub(r"[^.]*:$", "", words)  # a sentence that announces a formula or a list
        for kind, output in pictures_of(cell.get("outputs", [])):
            alt = escape(output.metadata.get(kind, {}).get("alt", heading), quote=True)
            picture = f'<img src="data:{kind};base64,{output.data[kind].strip()}" alt="{alt}">'
            yield (
                f"<h2>{_html(heading).removeprefix('<p>').removesuffix('</p>')}</h2>\n"
                f'<figure>{picture}</figure>\n<div class="words">{_html(words)}</div>\n'
                f'<p class="small">{escape(title)}</p>'
            )


def write_slides(out: Path, notebooks: list[Path] | None = None) -> Path:
    """Write the deck.

    Args:
        out: the file to write; its folder is made.
        notebooks: whose figures are shown; None: all.

    Returns:
        The path.
    """
    slides = [f"<h1>idnb: GAN inversion by building it</h1>\n<p>{escape(project()['description'])}.</p>"]
    for path in find() if notebooks is None else notebooks:
        slides += slides_of(nbformat.read(path, as_version=4))
    body = "\n".join(f"<section>\n{slide}\n</section>" for slide in slides)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>idnb: slides</title>
<style>{CSS}</style></head>
<body>
{body}
<script>{TURN}</script>
</body></html>
""",
        encoding="utf-8",
    )
    return out


def main() -> int:
    """Write the deck and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.slides", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPO / "build" / "slides" / "idnb.html", help="file to write")
    parser.add_argument("only", nargs="*", help="beginnings of names, such as 01; all when none is given")
    args = parser.parse_args()
    path = write_slides(args.out, find(args.only))
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB: open it in a browser; arrow keys turn the slides")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
