"""The slide deck: a slide for each figure, with its alternative text; nothing fetched, no answer given away."""

import re

import nbformat
import pytest

from tools.notebook_files import find
from tools.slides import slides_of, write_slides


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_slides(tmp_path_factory.mktemp("deck") / "sub" / "slides.html", find(["02"])).read_text("utf-8")


def test_each_figure_of_a_notebook_has_a_slide(deck: str) -> None:
    notebooks = [nbformat.read(path, as_version=4) for path in find(["02"])]
    figures = [
        output
        for notebook in notebooks
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if any(kind.startswith("image/") for kind in output.get("data", {}))
    ]
    assert len(figures) > 20
    assert deck.count("<section>") == 1 + len(notebooks) + len(figures)
    pictures = re.findall(r"<img [^>]*>", deck)
    assert len(pictures) == len(figures) and all(re.search(r'alt="[^"]{20}', picture) for picture in pictures)


def test_the_deck_fetches_nothing(deck: str) -> None:
    assert not re.search(r'(src|href)="(?!data:)', deck) and "@import" not in deck and "<link" not in deck


def test_a_title_slide_names_the_goals_and_a_sentence_stands_below_its_figure() -> None:
    picture = nbformat.v4.new_output("display_data", {"image/png": "AAAA"}, metadata={"image/png": {"alt": "A cat"}})
    cells = [
        nbformat.v4.new_markdown_cell("# Cats\n\n## Learning goals\n\n- See one. *Tested by eye.*\n\n## Time\n\n1 min"),
        nbformat.v4.new_markdown_cell("## 1. Look at $x^2$"),
        nbformat.v4.new_code_cell("show(cat)", outputs=[picture]),
        nbformat.v4.new_markdown_cell("It [purrs](01.ipynb). So we write:\n\nmore"),
        nbformat.v4.new_code_cell("show(cat)", outputs=[picture]),
        nbformat.v4.new_markdown_cell("**Prediction 1.** Will it purr?"),
    ]
    title, one, other = slides_of(nbformat.v4.new_notebook(cells=cells))
    assert "<h1>Cats</h1>" in title and "See one." in title and "Tested" not in title and "1 min" not in title
    assert "<math" in one and 'alt="A cat"' in one and "It purrs." in one and "So we write" not in one
    assert "more" not in one and "Prediction" not in other
