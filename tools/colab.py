"""Runs the series with the versions that Colab has installed: `python -m tools.colab`, called by `make colab`.

An environment of its own is made in build/colab. It holds the packages of tools/colab_requirements.txt; whatever is not
listed there, PyTorch above all, is taken from the environment this is called from, so nothing large is installed twice.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tools.notebook_files import REPO

__all__ = ["REQUIREMENTS", "main", "make_environment", "pins"]

REQUIREMENTS = REPO / "tools" / "colab_requirements.txt"


def pins() -> dict[str, str]:
    """Name -> version of every listed package."""
    lines = [line.strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def make_environment(folder: Path) -> Path:
    """Make the environment, unless it is there with these requirements.

    Args:
        folder: where.

    Returns:
        Its Python.
    """
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    # Files named *.pth add folders to the end of the path, so what is installed here comes first.
    (site / "zz_idnb_base.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    command = [str(python), "-m", "pip", "install", "--quiet", "--ignore-installed", "--disable-pip-version-check"]
    subprocess.run([*command, "-r", str(REQUIREMENTS)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def main(argv: Sequence[str] | None = None) -> int:
    """Run notebooks in that environment; the exit code is that of the run."""
    parser = argparse.ArgumentParser(prog="python -m tools.colab", description=__doc__)
    parser.add_argument("only", nargs="*", help="beginnings of names, such as 01; all when none is given")
    parser.add_argument("--profile", default="smoke", help="value for PROFILE (default: smoke)")
    parser.add_argument("--tests", action="store_true", help="run the tests of the labs there as well")
    args = parser.parse_args(argv)
    python = make_environment(REPO / "build" / "colab" / "env")
    environment = {**os.environ, "PYTHONPATH": str(REPO), "JUPYTER_PREFER_ENV_PATH": "1"}
    names = list(pins())
    show = f"from importlib.metadata import version as v; print(', '.join(f'{{n}} {{v(n)}}' for n in {names}))"
    subprocess.run([str(python), "-c", show], check=True, env=environment)
    command = [str(python), "-m", "tools.notebooks", "run", "--profile", args.profile, "--out", "build/colab/pages"]
    code = subprocess.run([*command, *args.only], cwd=REPO, env=environment).returncode
    if code == 0 and args.tests:
        if importlib.util.find_spec("pytest") is None:
            print("the tests need pytest: pip install -e '.[dev]'")
            return 1
        code = subprocess.run(
            [str(python), "-m", "pytest", "-q", "tests/test_widgets.py"], cwd=REPO, env=environment
        ).returncode
    return code


if __name__ == "__main__":
    raise SystemExit(main())
