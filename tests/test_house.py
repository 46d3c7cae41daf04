"""The promises that the house makes: one version, one address, help for every command, small modules."""

import argparse
import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import idnb
from idnb.__main__ import COMMANDS, build_parser, main
from idnb.core.errors import InputError
from tools.notebook_files import REPO, find, install_cell, repository

PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
MODULES = sorted((REPO / "idnb").rglob("*.py"))
SCRIPTS = sorted((REPO / "tools").rglob("*.py"))
CONDA_NAMES = {"torch": "pytorch"}  # conda-forge calls some packages otherwise
FROM_PIP = ("facenet-pytorch", "lpips", "anny", "warp-lang")  # not on conda-forge, or pinned with care


def name_of(requirement: str) -> str:
    return re.split(r"[\s=<>!~;\[]", requirement, maxsplit=1)[0]


def all_requirements() -> list[str]:
    extras = PROJECT["optional-dependencies"]
    return [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPO)
    return done.stdout


# --- dependencies ---------------------------------------------------------------------------------------------------


def test_dependencies_have_lower_bounds_only():
    for requirement in all_requirements():
        if requirement == "facenet-pytorch==2.5.3":
            continue  # the one pin, explained in pyproject.toml
        assert re.fullmatch(r"[\w.-]+>=[\d.]+", requirement), requirement


def test_every_dependency_says_who_needs_it():
    text = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in all_requirements():
        assert re.search(rf'^ +"{re.escape(requirement)}", +# \S', text, re.MULTILINE), requirement


def test_every_dependency_of_the_package_is_imported_somewhere():
    modules = {"pillow": "PIL", "facenet-pytorch": "facenet_pytorch"}
    code = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
    for requirement in PROJECT["dependencies"]:
        module = modules.get(name_of(requirement), name_of(requirement))
        assert re.search(rf"^\s*(import|from) {module}\b", code, re.MULTILINE), requirement


def test_environment_yml_equals_pyproject():
    environment = yaml.safe_load((REPO / "environment.yml").read_text(encoding="utf-8"))
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["render"]]
    wanted += PROJECT["optional-dependencies"]["notebooks"]
    conda = [line for line in environment["dependencies"] if isinstance(line, str)]
    pip = next(line["pip"] for line in environment["dependencies"] if isinstance(line, dict))
    expected_conda = [f"python{PROJECT['requires-python']}", "pip"]
    for requirement in wanted:
        name = name_of(requirement)
        if name not in FROM_PIP:
            expected_conda.append(CONDA_NAMES.get(name, name) + requirement.removeprefix(name))
    assert environment["name"] == PROJECT["name"]
    assert sorted(conda) == sorted(expected_conda)
    assert sorted(pip) == sorted(["-e .", *(line for line in wanted if name_of(line) in FROM_PIP)])


# --- one version, one address ---------------------------------------------------------------------------------------


def test_one_version():
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changes, re.MULTILINE)
    assert newest is not None
    assert idnb.__version__ == PROJECT["version"] == citation["version"] == newest.group(1)


def test_one_address():
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == repository()
    owner_and_name = repository().removeprefix("https://github.com/")
    for name in ("README.md", "CONTRIBUTING.md", "DEVELOPERS.md"):
        text = (REPO / name).read_text(encoding="utf-8")
        for found in re.findall(r"github(?:\.com)?/([\w.-]+/[\w-]+)", text):
            if found.endswith("/idnb"):
                assert found == owner_and_name, name


def test_the_readme_lists_every_notebook_with_its_badge():
    text = (REPO / "README.md").read_text(encoding="utf-8")
    for path in find():
        assert f"/blob/main/notebooks/{path.name})" in text, path.name
        assert f"](notebooks/{path.name})" in text, path.name


def test_contributing_shows_the_install_cell():
    assert install_cell() in (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "DEVELOPERS.md", "CHANGELOG.md", "data/README.md"])
def test_links_in_documents_lead_somewhere(name):
    path = REPO / name
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)\s#]+)", text):
        assert (path.parent / target).exists(), target


def test_the_table_of_bad_input_names_tests_that_exist():
    text = (REPO / "DEVELOPERS.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (REPO / "tests" / file).read_text(encoding="utf-8"), f"{file}::{test}"


# --- modules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=lambda path: path.relative_to(REPO).as_posix())
def test_module_is_small_and_says_what_it_is(path: Path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 300
    assert ast.get_docstring(tree), "no docstring"
    names = [target.id for node in tree.body for target in _targets(node)]
    assert path.name == "__main__.py" or "__all__" in names, "no __all__"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), "a star import"


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=lambda path: path.relative_to(REPO).as_posix())
def test_public_names_have_docstrings(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    missing = []
    for node in definitions:
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            missing.append(node.name)
        for method in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                overrides = method.name in ("forward", "backward", "extra_repr")
                if not ast.get_docstring(method) and not overrides:
                    missing.append(f"{node.name}.{method.name}")
    assert not missing, f"no docstring: {', '.join(missing)}"


def _targets(node: ast.stmt) -> list[ast.Name]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target for target in targets if isinstance(target, ast.Name)]


# --- the order of the folders ---------------------------------------------------------------------------------------

# Ground floor first: a folder imports from itself and from those before it. CONTRIBUTING.md shows the same order.
FLOORS = (
    "core",
    "faces",
    "contours",
    "plots",
    "models",
    "inversion",
    "training",
    "pretraining",
    "evaluation",
    "experiments",
    "widgets",
    "export",
    "cli",
)
BESIDE = {"idnb.env": {"idnb.core.errors"}, "idnb.checks": set()}  # open to every floor but core; all they may import

# What lies below and is closed all the same: folder or module -> what it never imports.
NEVER = {
    "core": ("matplotlib", "ipywidgets", "idnb.env", "idnb.checks"),
    "models": ("argparse",),
    "training": ("argparse",),
    "pretraining": ("idnb.inversion", "idnb.plots"),
    "pretraining.gan": ("idnb.pretraining.verification",),
    "evaluation": ("argparse", "idnb.plots", "idnb.training", "idnb.pretraining"),
    "widgets": ("idnb.training", "idnb.pretraining", "idnb.experiments", "idnb.models"),
}
# What few may import: module or folder -> those who may; a folder may always import itself.
ONLY = {
    "idnb.models.judge": ("idnb.models.identity_files", "idnb.cli.train_identity"),
    "idnb.faces.render": ("idnb.cli.render",),
    "idnb.cli": ("idnb.__main__",),
    "idnb.__main__": (),
}
# Module -> what it may import in spite of that.
EXCEPTIONS = {
    "idnb.widgets.session": ("idnb.models",),  # the one module of the labs that loads networks and computes with them
    "idnb.widgets.mix_lab": ("idnb.models.contour_encoder",),  # blends two codes, which are named tuples
    "idnb.widgets.sample_labs": ("idnb.models.embedder", "idnb.models.stylegan2"),  # types of what it is handed
}
# The command line: what commands share, and the one command whose subcommands have modules of their own.
SHARED = {"idnb.cli.arguments", "idnb.cli.export", "idnb.cli.memory", "idnb.cli.outputs"}
SUBCOMMANDS = {"idnb.cli.train": "idnb.cli.train_"}
TORCH_AT_IMPORT = {"idnb.core.resize", "idnb.core.images", "idnb.core.shapes"}  # of core; elsewhere in functions only


def inside(module: str, place: str) -> bool:
    return module == place or module.startswith(place + ".")


def imported(module: str, tree: ast.AST, known: set[str]) -> set[str]:
    """All that a module imports, also in functions, for type checkers, and by a string that names a module of ours."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & known) | ({str(node.module)} if names - known else set())
        elif isinstance(node, ast.Constant) and node.value in known - {"idnb"}:
            found.add(str(node.value))
    if "idnb" in found and module != "idnb":  # the front door leads to the loaders
        found |= set(idnb._EXPORTS.values())
    return found - {module}


def trespasses(module: str, source: str, known: set[str]) -> list[str]:
    """What a module imports against the order of the folders or one of the rules above."""
    tree = ast.parse(source)
    folder = module.split(".")[1] if module.count(".") else ""
    found = []
    for target in sorted(imported(module, tree, known)):
        ours, there = inside(target, "idnb"), [*target.split("."), ""][1]
        if any(inside(target, place) for place in EXCEPTIONS.get(module, ())):
            continue
        if module in BESIDE:
            wrong = ours and target not in BESIDE[module]
        else:
            wrong = folder in FLOORS and there in FLOORS and FLOORS.index(there) > FLOORS.index(folder)
        for place, closed in NEVER.items():
            wrong |= inside(module, f"idnb.{place}") and any(inside(target, name) for name in closed)
        for place, few in ONLY.items():
            wrong |= inside(target, place) and not inside(module, place) and module not in few
        if inside(module, "idnb.cli") and inside(target, "idnb.cli") and target not in SHARED:
            wrong |= not target.startswith(SUBCOMMANDS.get(module, target + "."))
        if wrong:
            found.append(f"{module} imports {target}")
    if folder == "core" and module not in TORCH_AT_IMPORT:
        loaded = [node for node in ast.iter_child_nodes(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        if any(name.split(".")[0] == "torch" for node in loaded for name in imported(module, node, known)):
            found.append(f"{module} imports torch before it is needed")
    return found


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")


KNOWN = {dotted(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(REPO).as_posix())
def test_no_import_goes_up(path: Path):
    assert not trespasses(dotted(path), path.read_text(encoding="utf-8"), KNOWN)


def test_every_folder_has_its_floor_and_every_exception_is_needed():
    folders = {path.parent.name for path in (REPO / "idnb").glob("*/__init__.py")}
    assert folders == set(FLOORS)
    beside = {path.stem for path in (REPO / "idnb").glob("*.py")}
    assert beside == {"__init__", "__main__", "checks", "env"}
    sources = {dotted(path): path.read_text(encoding="utf-8") for path in MODULES}
    for module, places in EXCEPTIONS.items():
        targets = imported(module, ast.parse(sources[module]), KNOWN)
        for place in places:
            assert any(inside(target, place) for target in targets), f"{module} does not import {place}"


@pytest.mark.parametrize(
    "module, source",
    [
        ("idnb.faces.x", "from idnb.contours.kinds import CONTOURS"),
        ("idnb.models.x", "def f():\n    from idnb.training import losses"),
        ("idnb.models.x", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import idnb.evaluation.setting"),
        ("idnb.models.x", "TABLE = {'a': 'idnb.evaluation.setting'}"),
        ("idnb.models.x", "import argparse"),
        ("idnb.core.x", "import torch"),
        ("idnb.core.x", "def f():\n    import matplotlib.pyplot as plt"),
        ("idnb.core.x", "from idnb import load_faces"),
        ("idnb.env", "from idnb.core.weights import find_weight"),
        ("idnb.training.x", "from idnb.models import judge"),
        ("idnb.pretraining.gan.x", "from idnb.pretraining.verification import verification"),
        ("idnb.evaluation.x", "import idnb.training.losses as losses"),
        ("idnb.widgets.x", "from idnb.models.stylegan2 import Generator"),
        ("idnb.cli.x", "from idnb.faces.render.sets import make_set"),
        ("idnb.experiments.x", "from idnb.cli.arguments import parse_shard"),
        ("idnb.cli.x", "from idnb.__main__ import main"),
        ("idnb.cli.x", "from idnb.cli.evaluate import run"),
        ("idnb.cli.x", "TABLE = {'fetch': 'idnb.cli.fetch'}"),
        ("idnb.cli.train", "from idnb.cli import evaluate"),
        ("idnb.cli.outputs", "def f():\n    from idnb.cli.generate import Pair"),
    ],
)
def test_a_planted_import_is_found(module: str, source: str):
    assert trespasses(module, source, KNOWN)


@pytest.mark.parametrize(
    "module, source",
    [
        ("idnb.cli.x", "from idnb.cli.arguments import parse_shard\nimport argparse"),
        ("idnb.cli.x", "from idnb.cli import export, outputs"),
        ("idnb.cli.train", "TABLE = {'judge': 'idnb.cli.train_identity'}"),
        ("idnb.training.x", "from idnb.models.identity_files import load_identity_network\nimport torch"),
        ("idnb.core.x", "def f():\n    import torch"),
        ("idnb.__main__", "TABLE = {'doctor': 'idnb.cli.doctor'}"),
        ("idnb.widgets.session", "import idnb"),
    ],
)
def test_what_is_allowed_is_not_found(module: str, source: str):
    assert not trespasses(module, source, KNOWN)


COMMAND_IMPORT = re.compile(r"\b(?:from|import)\s+idnb\.cli\b|\bfrom\s+idnb\s+import\s[^\n]*\bcli\b")


def outside_code() -> list[Path]:
    """Code that is no part of the package and no test: notebooks, pages, tools, benchmarks, the renewed web page."""
    listing = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=REPO, check=True)
    names = [name for name in listing.stdout.decode().split("\0") if name.endswith((".py", ".md", ".ipynb", ".js"))]
    return [REPO / name for name in names if not name.startswith(("idnb/", "tests/")) and (REPO / name).is_file()]


def test_nobody_outside_imports_a_command():
    paths = outside_code()
    assert {"docs", "notebooks", "tools"} <= {path.parent.name for path in paths}
    found = [path.name for path in paths if COMMAND_IMPORT.search(path.read_text(encoding="utf-8"))]
    assert not found, f"{', '.join(found)}: a function that others want moves from idnb/cli down into a room"
    for planted in ("from idnb.cli.evaluate import keep", "import idnb.cli.fetch as f", "from idnb import checks, cli"):
        assert COMMAND_IMPORT.search(f'    "x = 1\\n",\n    "{planted}\\n"')


def test_contributing_shows_the_folders_in_their_order():
    text = (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `idnb/(\w+)/` \|", text, re.MULTILINE) == [*FLOORS, "assets"]


# --- import idnb ----------------------------------------------------------------------------------------------------


def test_import_is_light():
    before = set(run_python("import sys; print(*sys.modules)").split())
    after = set(run_python("import idnb, sys; print(*sys.modules)").split())
    heavy = {"torch", "numpy", "PIL", "matplotlib", "scipy", "importlib.metadata"}
    assert not heavy & after
    assert len(after - before) < 30


def test_public_names_exist():
    for name in idnb.__all__:
        assert getattr(idnb, name) is not None
    assert set(idnb.__all__) <= set(dir(idnb))
    with pytest.raises(AttributeError, match=r"no attribute 'load_nothing'; it offers"):
        _ = idnb.load_nothing


# --- command line ---------------------------------------------------------------------------------------------------


def test_help_lists_the_commands_and_imports_none():
    code = "import sys\nfrom idnb.__main__ import main\nmain(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO)
    assert done.returncode == 0
    positions = [re.search(rf"^ +{name}\b", done.stdout, re.MULTILINE) for name in COMMANDS]
    assert all(positions)
    starts = [match.start() for match in positions if match]
    assert starts == sorted(starts)
    loaded = run_python(
        "import sys\nfrom idnb.__main__ import build_parser\nbuild_parser(None).format_help()\nprint(*sys.modules)"
    )
    assert "torch" not in loaded.split() and not {module for module, _ in COMMANDS.values()} & set(loaded.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: idnb {command}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command):
    def unexplained(parser: argparse.ArgumentParser) -> list[str]:
        found = []
        for action in parser._actions:
            name = action.option_strings[-1] if action.option_strings else action.dest
            if isinstance(action, argparse._SubParsersAction):
                for word, inner in action.choices.items():
                    found += [f"{word} {option}" for option in unexplained(inner)]
            elif not action.help:
                found.append(name)
        return found

    assert not unexplained(build_parser(command))


def test_no_command_prints_the_help(capsys):
    assert main([]) == 0
    assert "commands" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"idnb {PROJECT['version']}\n"


@pytest.mark.parametrize("error, code", [(InputError("no such folder: x; give --out"), 2), (KeyboardInterrupt(), 130)])
def test_expected_errors_are_one_line(monkeypatch, capsys, error, code):
    def fail(args):
        raise error

    monkeypatch.setattr("idnb.cli.doctor.run", fail)
    assert main(["doctor"]) == code
    text = capsys.readouterr().err
    assert text.startswith("idnb: ") and text.count("\n") == 1


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_repository_stays_small():
    listing = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=REPO)
    if listing.returncode:
        pytest.skip("not a git clone")
    paths = [REPO / name for name in listing.stdout.decode().split("\0") if name]
    sizes = {path: path.stat().st_size for path in paths if path.is_file()}
    bundled = sum(size for path, size in sizes.items() if REPO / "idnb" / "assets" in path.parents)
    assert bundled < 80e6 and sum(sizes.values()) < 90e6  # the rest is notebooks with their pictures
    for path, size in sizes.items():
        assert size < 20e6, f"{path.name} is {size / 1e6:.0f} MB"


def test_licences_are_there():
    assert "Apache License" in (REPO / "LICENSE").read_text(encoding="utf-8")
    assert "CC0 1.0 Universal" in (REPO / "LICENSES" / "CC0-1.0.txt").read_text(encoding="utf-8")
    assert "CC BY 4.0" in (REPO / "LICENSES" / "README.md").read_text(encoding="utf-8")


def test_a_reader_that_stops_early_is_no_error():
    command = f"{shlex.quote(sys.executable)} -m idnb fetch | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=REPO)
    assert done.stderr == ""
