"""The judge enters no loss: the imports of everything that trains a generator or an encoder never reach it.

The package is read, not run: every import statement counts, also those inside functions. One door is known,
`load_identity_network(judge=True)`; so no training module may say `judge` in a call of that function either.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
JUDGE = "idnb.models.judge"
DOOR = "idnb.models.identity_files"
# They make the judge or measure with it: the command that trains it, and what reports figures.
MAY_KNOW_IT = {"idnb.cli.train_identity"}
NOT_TRAINING = ("verification", "metrics", "evaluat", "doctor", "fetch", "__main__", "plots", "widgets")


def modules() -> dict[str, ast.Module]:
    """Every module of the package, by dotted name."""
    found = {}
    for path in sorted((ROOT / "idnb").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(name: str, tree: ast.Module, known: set[str]) -> set[str]:
    """Modules of the package that a module imports anywhere; the judge's name in a plain string counts too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".")[: -node.level]
                base = ".".join([*parts, *([base] if base else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value == JUDGE:
            found.add(JUDGE)
    return found & known


def reached_from(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph.get(name, set())
    return seen


def training_modules(trees: dict[str, ast.Module]) -> list[str]:
    """All that trains or is part of a loss: everything save the lists above and the two networks themselves."""
    words = ("train", "loss", "adversarial", "encoder", "optimis", "inversion", "augment")
    return [
        name
        for name in trees
        if any(word in name for word in words) and name not in MAY_KNOW_IT and not any(w in name for w in NOT_TRAINING)
    ]


def test_only_the_known_modules_import_the_judge():
    trees = modules()
    importers = {name for name, tree in trees.items() if JUDGE in imports(name, tree, set(trees)) and name != JUDGE}
    allowed = {name for name in importers if any(word in name for word in NOT_TRAINING)}
    assert importers - allowed == {DOOR, *(MAY_KNOW_IT & importers)}


def test_no_training_module_reaches_the_judge():
    trees = modules()
    graph = {name: imports(name, tree, set(trees)) for name, tree in trees.items()}
    assert JUDGE in graph[DOOR]
    graph[DOOR] -= {JUDGE}  # the door is watched by the next test
    training = training_modules(trees)
    assert "idnb.pretraining.identity" in training
    for name in training:
        assert JUDGE not in reached_from(name, graph), f"{name} reaches the judge"


def test_no_training_module_opens_the_door():
    trees = modules()
    for name in training_modules(trees):
        for node in ast.walk(trees[name]):
            if isinstance(node, ast.Call) and "load_identity_network" in ast.unparse(node.func):
                said = len(node.args) > 1 or any(word.arg in ("judge", None) for word in node.keywords)
                assert not said, f"{name}, line {node.lineno}: a training module asks for the judge"


def test_the_test_would_notice():
    known = {JUDGE, "idnb.training.losses"}
    for text in ("from idnb.models import judge", "def f():\n    import idnb.models.judge", f"x = '{JUDGE}'"):
        assert JUDGE in imports("idnb.training.losses", ast.parse(text), known)
    assert JUDGE in imports("idnb.models.x", ast.parse("from .judge import JudgeNetwork"), known)
