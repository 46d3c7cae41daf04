"""Memory that runs out is one line with a remedy, whoever says so: the system, NumPy, torch."""

import argparse
import os
import resource
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from idnb.cli.memory import memory_told
from idnb.core.errors import InputError
from tools.notebook_files import REPO


@pytest.mark.skipif(sys.platform != "linux", reason="no other system keeps a process to so much memory")
def test_memory_that_runs_out_is_one_line(tmp_path):
    words = ["train", "encoder", "--kind", "low_res", "--data", "starter", "--people", "2", "--batch", "65536"]
    limits = partial(resource.setrlimit, resource.RLIMIT_DATA, (5 << 29, 5 << 29))
    command = [sys.executable, "-m", "idnb", *words, "--phases", "1:65536", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run(command, env=environment, preexec_fn=limits, capture_output=True, text=True, timeout=300)
    *_, said = done.stderr.splitlines()
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert said.startswith(
        "idnb: memory ran out (3.2 GB more were asked for); choose a smaller --batch or --people, or"
    )


def test_what_says_that_memory_ran_out():
    arguments = argparse.Namespace(processes=2, size=None)
    for error, said in (
        (MemoryError(), "memory ran out; choose a smaller --processes, or close other programs"),
        (
            RuntimeError("[enforce fail] can't allocate memory: you tried to allocate 64000000000 bytes"),
            "(64.0 GB more",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "(2.00 GiB more"),
        (RuntimeError("can't start new thread"), "memory ran out; "),
    ):
        with pytest.raises(InputError) as caught, memory_told(arguments):
            raise error
        assert said in str(caught.value)
    with pytest.raises(RuntimeError, match="sizes differ"), memory_told(arguments):
        raise RuntimeError("sizes differ")
    with pytest.raises(MemoryError):
        np.zeros(1 << 55)
    with pytest.raises(InputError, match=r"memory ran out \(256\. PiB more"), memory_told(arguments):
        np.zeros(1 << 55)
