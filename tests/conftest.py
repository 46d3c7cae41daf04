"""What all tests share: one thread, no screen, and the notebooks of the series."""

import os
import sys
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; the tests are small

import matplotlib
import pytest

from tools.notebook_files import find

# Not by the environment variable MPLBACKEND: kernels would inherit it and draw no figures.
matplotlib.use("agg")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for `notebook_path` one notebook after the other."""
    if "notebook_path" in metafunc.fixturenames:
        paths = find()
        metafunc.parametrize("notebook_path", paths, ids=[path.stem for path in paths])


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Let no test hand its mixed precision on to the next: accelerate keeps it for the whole process."""
    yield
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state()
