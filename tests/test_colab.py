"""The environment with Colab's versions: its list is exact, admitted by our bounds, and told in words."""

import re
import tomllib

from tools.colab import pins
from tools.notebook_files import REPO


def test_every_pin_is_admitted_and_listed():
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = (REPO / "DEVELOPERS.md").read_text(encoding="utf-8")
    bounds = dict(line.split(">=") for line in project["dependencies"] if ">=" in line)
    assert pins()["ipywidgets"] == bounds["ipywidgets"] == "7.7.1"
    for name, version in pins().items():
        assert re.search(rf"{name} {re.escape(version)}", told, re.IGNORECASE), f"DEVELOPERS.md does not list {name}"
        if name in bounds:
            asked, given = ([int(part) for part in text.split(".")] for text in (bounds[name], version))
            assert given >= asked, f"{name} {version} is older than {bounds[name]}"


def test_torch_is_not_pinned():
    assert not {"torch", "torchvision"} & set(pins())
