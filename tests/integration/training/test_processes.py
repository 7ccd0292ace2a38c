"""Two processes under torchrun train one model together."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

pytestmark = pytest.mark.development


def test_two_processes_on_the_cpu(arguments: list[str], tmp_path: Path) -> None:
    """Under torchrun the steps halve, one process prints and writes, and the model has learnt."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, "-m", "training", *arguments, "--epochs", "4"],
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert 40 == recipe["steps"]  # 160 rows, 4 epochs, 2 processes of 8 texts a step
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["evaluations"][0]["accuracy"] > 0.9
    assert 1 == done.stdout.count("training rows")
