"""Building the web page: what it needs, and what makes it build again."""

import json
import re
from pathlib import Path

import pytest

import tools.web as web
from tools.notebook_files import REPO


def test_without_node_the_remedy_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert web.main([]) == 2
    assert "make web needs node and npm, version 20 or newer" in capsys.readouterr().err


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "idnb" / "assets").mkdir(parents=True)
    (tmp_path / "web" / "src").mkdir(parents=True)
    (tmp_path / "idnb" / "assets" / "manifest.json").write_text("{}")
    (tmp_path / "web" / "src" / "main.js").write_text("1")
    monkeypatch.setattr(web, "REPO", tmp_path)
    return tmp_path


def test_changed_sources_or_weights_build_again(house):
    before = web.fingerprint(("web/src",))
    assert web.fingerprint(("web/src",)) == before
    (house / "web" / "src" / "main.js").write_text("2")
    changed = web.fingerprint(("web/src",))
    (house / "idnb" / "assets" / "manifest.json").write_text('{"weights": "new"}')
    assert len({before, changed, web.fingerprint(("web/src",))}) == 3


def test_packages_come_by_version_and_hash():
    lock = json.loads((REPO / "web" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert {"node_modules/onnxruntime-web", "node_modules/esbuild"} <= set(packages)
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-") and "resolved" not in entry, name
    wanted = json.loads((REPO / "web" / "package.json").read_text(encoding="utf-8"))
    for version in (wanted["dependencies"] | wanted["devDependencies"]).values():
        assert version[0].isdigit()


def test_all_texts_stand_in_one_file():
    """What people read comes from texts.js: no other module holds a sentence in quotes."""
    for path in sorted((REPO / "web" / "src").rglob("*.js")):
        if path.name == "texts.js" or "numbers" in path.parts:
            continue
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for quoted in re.findall(r"'([^'\n]*)'", code):
            plain = len(quoted.split()) < 4 or quoted in ("the worker did not start",)
            assert plain, f"{path.name}: {quoted}"
