"""A dry run: `accelerate launch` with two processes trains, stops and goes on; two processes measure the result."""

import json
import os
import subprocess
import sys

import pytest
import torch

from tools.notebook_files import REPO

pytestmark = pytest.mark.slow
LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
LAUNCH += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m"]


def run(cache, *words: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "IDNB_CACHE": str(cache), "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.long
def test_two_processes_train_stop_go_on_and_measure(tmp_path):
    train = ["idnb", "train", "encoder", "--kind", "low_res", "--data", "test", "--people", "3", "--batch", "1"]
    train += ["--accumulate", "2", "--checkpoint", "--phases", "1@16:12", "--device", "cpu", "--precision", "no"]
    train += ["--threads", "1", "--out", str(tmp_path / "run")]
    run(tmp_path, *LAUNCH, *train, "--minutes", "0")
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    assert torch.load(checkpoint, weights_only=True)["images"] == 4  # one step: two processes, two batches of one
    assert "going on from 4 of 12 images" in run(tmp_path, *LAUNCH, *train)
    assert torch.load(checkpoint, weights_only=True)["images"] == 12
    results = []
    for processes in ("2", "1"):
        measure = ["-m", "idnb", "evaluate", "dual", "--weights", str(checkpoint), "--contours", "30", "--count", "1"]
        measure += ["--steps", "1", "--reference", "none", "--processes", processes, "--threads", "1"]
        run(tmp_path, *measure, "--out", str(tmp_path / processes))
        (file,) = (tmp_path / processes).rglob("result.json")
        results.append(json.loads(file.read_text(encoding="utf-8")))
    assert results[0]["pairs"] == results[1]["pairs"] == 30
    assert untimed(results[0]) == untimed(results[1])


def untimed(result):
    """A result without what the clock said."""
    if isinstance(result, dict):
        return {key: untimed(value) for key, value in result.items() if key != "seconds"}
    return result
