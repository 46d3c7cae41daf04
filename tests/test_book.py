"""The printable book: formulas, links inside the page, alternative text, nothing fetched from elsewhere."""

import re
from pathlib import Path

import pytest

from tools.book import APPENDICES, mathml, write_book
from tools.notebook_files import find


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_book(tmp_path_factory.mktemp("book") / "sub" / "book.html", find()[:2]).read_text(encoding="utf-8")


def test_formulas_become_mathml_and_code_stays():
    marked, drawn = mathml("with $x_c$ and `$not$`\n\n$$\\hat{y} = G(x)$$\n\n```sh\necho $a $b\n```\ncosts $5")
    assert len(drawn) == 2 and all(value.startswith("<math") for value in drawn.values())
    assert "`$not$`" in marked and "echo $a $b" in marked and "costs $5" in marked
    assert "x_c" not in marked


def test_chapters_and_appendices_are_there_and_their_links_lead_inside(book: str):
    ids = set(re.findall(r'\bid="([^"]+)"', book))
    for name in [*(path.stem for path in find()[:2]), *APPENDICES]:
        assert name in ids
    inside = set(re.findall(r'href="#([^"]+)"', book))
    assert {"00_start_here", "01_data_preparation"} <= inside
    assert {target for target in inside if target not in ids} <= {path.stem for path in find()}
    assert ".ipynb" not in "".join(re.findall(r'href="(?!https?:)([^"]+)"', book))


def test_the_page_fetches_nothing(book: str):
    assert not re.search(r'(src|data)="(?!data:)', book)
    assert "<script" not in book and "<link" not in book and "@import" not in book


def test_pictures_keep_their_text_and_solutions_are_open(book: str):
    pictures = re.findall(r"<img [^>]*>", book)
    assert len(pictures) > 10
    assert all(re.search(r'alt="[^"]{8,}"', picture) for picture in pictures)
    assert "<details open" in book and "<details>" not in book
    assert book.count("<math") > 20 and "\u27e6" not in book and "COLAB_RELEASE_TAG" not in book


def test_the_command_says_where_the_page_is(tmp_path: Path, monkeypatch, capsys):
    import tools.book

    monkeypatch.setattr("sys.argv", ["book", "--out", str(tmp_path / "b.html")])
    monkeypatch.setattr(tools.book, "find", lambda: find()[:1])
    assert tools.book.main() == 0
    assert "b.html" in capsys.readouterr().out and (tmp_path / "b.html").stat().st_size > 100_000
