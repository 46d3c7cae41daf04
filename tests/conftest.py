"""What all tests share: one thread, no screen, and the notebooks of the series."""

import os

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
