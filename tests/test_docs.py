"""The pages in docs/ and the README: every link leads somewhere, every name of code exists."""

import ast
import inspect
import itertools
import re
import textwrap
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import idnb
from idnb.__main__ import COMMANDS, main
from idnb.experiments.paper import PAPER_TABLES
from tools.notebook_files import REPO, find

PAGES = [*sorted((REPO / "docs").glob("*.md")), *(REPO / f"{n}.md" for n in ("README", "CONTRIBUTING", "DEVELOPERS"))]
PAGES.append(REPO / "data" / "README.md")
MISSING_ON_PURPOSE = {"idnb.load_nothing"}  # an example of bad input
WANTED = ("instructor_guide", "glossary", "responsible_use", "where_this_stands", "paper_audit")


def prose(path: Path) -> str:
    """The text of a page without its code blocks."""
    return re.sub(r"^ *(`{3,}).*?^ *\1", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    heads = re.findall(r"^#+ (.+?)\s*$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def lookup(name: str) -> Any:
    """What a dotted name such as idnb.models.contour_encoder.Latents leads to, or None."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        module = ".".join(parts[:cut])
        try:
            found = find_spec(module) is not None
        except ModuleNotFoundError:
            found = False
        if found:
            thing = import_module(module)
            for attribute in parts[cut:]:
                thing = getattr(thing, attribute, None)
            return thing
    return None


def test_the_pages_are_there():
    assert {f"{name}.md" for name in WANTED} <= {path.name for path in PAGES}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_resolve(path: Path):
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose(path)):
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), f"{path.name} links to {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_names_of_code_exist(path: Path):
    for code in re.findall(r"`([^`\n]+)`", prose(path)):
        for name in re.findall(r"\bidnb(?:\.[A-Za-z_]\w*)+", code):
            assert name in MISSING_ON_PURPOSE or lookup(name) is not None, f"{path.name} names {name}"
        command = re.match(r"idnb ([a-z]+)\b", code)
        if command:
            assert command.group(1) in COMMANDS, f"{path.name} names the command `{code}`"
        if re.fullmatch(r"(idnb|tools|tests|docs|notebooks|benchmarks|data)/[\w./]+", code):
            assert (REPO / code).exists(), f"{path.name} names {code}"
        make = re.match(r"make ([a-z]+)\b", code)
        if make:
            targets = re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert make.group(1) in targets, f"{path.name} names `{code}`"


def test_a_name_that_does_not_exist_is_noticed():
    assert lookup("idnb.contours.CONTOURS") and lookup("idnb.load_faces") and lookup("idnb.models.stylegan2")
    assert not lookup("idnb.contours.CONTUORS") and not lookup("idnb.nothing") and not lookup("idnb.load_nothing")


def named_in(tree: ast.AST) -> set[str]:
    """Parameters, fields, functions and classes of a piece of source."""
    found = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    found |= {
        node.target.id for node in ast.walk(tree) if isinstance(node, ast.AnnAssign) and hasattr(node.target, "id")
    }
    return found | {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def wrong_names(page: str) -> list[str]:
    """Names in the columns "In the code" and "Here" of a page's tables that the code does not have.

    "`a`, `b` of `idnb.x.y`" are looked for there, all others among the parameters, fields and functions of the rooms
    that the paper is about.
    """
    known = set()
    for room in ("models", "training", "inversion"):
        for path in (REPO / "idnb" / room).rglob("*.py"):
            known |= named_in(ast.parse(path.read_text(encoding="utf-8")))
    wrong: list[str] = []
    column = -1
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            column = -1
        elif column < 0:
            column = next((i for i, cell in enumerate(cells) if cell in ("In the code", "Here")), len(cells))
        elif column < len(cells):
            text = cells[column]
            for names, owner in re.findall(r"((?:`\w+`(?:, | and )?)+) of `(idnb[\w.]+)`", text):
                thing = lookup(owner)
                there = named_in(ast.parse(textwrap.dedent(inspect.getsource(thing)))) if thing else set()
                wrong += [f"{name} of {owner}" for name in re.findall(r"\w+", names) if name not in there]
                text = text.replace(names, "")
            for package in re.findall(r"package `(\w+)`", text):
                wrong += [] if find_spec(package) else [f"package {package}"]
                text = text.replace(f"package `{package}`", "")
            for name in re.findall(r"`([A-Za-z_][\w.]*)`", text):
                if not name.startswith("idnb") and not set(name.split(".")) <= known:
                    wrong.append(name)
    return wrong


def test_the_glossary_names_what_is_in_the_code():
    page = (REPO / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert page.count("`photo` of `idnb.training.losses.Targets`") == 1
    assert wrong_names(page) == []
    for was, planted, complaint in (
        ("`photo` of `idnb.tr", "`target` of `idnb.tr", "target of idnb.training.losses.Targets"),
        ("| `x_id` |", "| `x_identity` |", "x_identity"),
        ("`beta`, `features`", "`beta`, `maps`", "maps of idnb.models.fusion.modulate"),
        ("package `lpips`", "package `lpips_of_old`", "package lpips_of_old"),
        ("| `n_styles` |", "| `n_latent` |", "n_latent"),
        ("| `Generator.synthesis` |", "| `Generator.decode` |", "Generator.decode"),
    ):
        assert page.count(was) >= 1 and wrong_names(page.replace(was, planted, 1)) == [complaint]


def test_quoted_python_parses():
    for path in PAGES:
        for block in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            source = re.sub(r"^(\s*)%.*", r"\1pass", block, flags=re.MULTILINE)
            ast.parse(source)
    assert idnb.__all__


@pytest.mark.parametrize("name", WANTED)
def test_pages_keep_to_the_style(name: str):
    text = prose(REPO / "docs" / f"{name}.md")
    assert not re.search(r"\b(simply|just)\b", text), f"{name} says simply or just"
    assert max(map(len, text.splitlines())) <= 400, f"{name} has a very long line"
    assert text.startswith("# "), f"{name} has no title"


def test_the_instructor_guide_lists_every_notebook():
    text = (REPO / "docs" / "instructor_guide.md").read_text(encoding="utf-8")
    for path in find():
        assert f"](../notebooks/{path.name})" in text, path.name
        if "### Think" in path.read_text(encoding="utf-8"):
            assert f"**{path.name[:2]}, " in text, f"no answer to the thinking question of {path.name}"


def test_tables_are_what_their_commands_print(capsys):
    found = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        found += re.findall(r"<!-- (idnb results .+?) -->\n\n(.*?)\n\n<!-- end -->", text, re.DOTALL)
        assert text.count("<!-- idnb results") == text.count("<!-- end -->")
    assert found
    for command, table in found:
        assert main(command.split()[1:]) == 0
        assert capsys.readouterr().out.strip() == table, f"{command} prints something else now; add --into and the page"


NUMBERED = ("README.md", "docs/results.md", "docs/paper_audit.md", "docs/two_generations.md")


def numbers_of_prose(path: Path) -> list[str]:
    """Numbers with a decimal point, and shares, outside of code, links and the tables that a command prints."""
    text = re.sub(r"<!-- idnb results .+?<!-- end -->", "", prose(path), flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`|\]\([^)]*\)|arXiv:[\d.]+|https?://\S+", " ", text)
    text = re.sub(r"(?i)sections? [\d., and]+|\| [\d., ]+ (?=\|)|Python [\d.]+|(Apache|CC BY|CC0)[ -][\d.]+", " ", text)
    return re.findall(r"\d[\d.]* %|\d[\d.]* dB|(?<![\w.])\d+\.\d+\b", text)


@pytest.mark.parametrize("name", NUMBERED)
def test_numbers_of_ours_stand_only_where_a_command_prints_them(name: str):
    """A sentence outlives the number in it; the prose of these pages has none but the paper's."""
    cells = [str(value) for rows in PAPER_TABLES.values() for row in rows.values() for value in row]
    differences = [f"{abs(a - b):.4f}" for a, b in itertools.combinations([float(cell) for cell in cells], 2)]
    for number in numbers_of_prose(REPO / name):
        digits = len(number.partition(".")[2])
        known = [f"{float(cell):.{digits}f}" for cell in cells] + differences
        assert number in known, f"{name}: {number} is no number of the paper; let `idnb results` print it, or drop it"


def test_a_number_in_a_sentence_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    table = "<!-- idnb results table1 -->\n\n| 0.8 |\n\n<!-- end -->"
    page.write_text(f"See section 3.2 and `0.4`.\n\n{table}\n\nIt has 0.77 and 12 % at 23.5 dB.\n")
    assert numbers_of_prose(page) == ["0.77", "12 %", "23.5 dB"]
