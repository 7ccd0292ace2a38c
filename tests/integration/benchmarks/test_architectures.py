"""Other architectures are measured with one command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("psutil")
pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[3]
SMALL = ("--width", "32", "--layers", "2", "--vocabulary", "200", "--quick")


def test_an_architecture_is_built_and_measured(tmp_path: Path) -> None:
    """The report has its graphs, rewrites and bounds; progress is shown, the last line is JSON."""
    command = [sys.executable, "-m", "benchmarks", "architectures", "distilbert", *SMALL, "--output", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode in (0, 1), finished.stderr
    assert "build variants" in finished.stderr
    document = json.loads(finished.stdout.splitlines()[-1])
    (row,) = document["architectures"]
    assert {"fp32", "fp32-rewritten", "usual", "static"} == row["graphs"].keys()
    assert "skip_padding" in document["rewrites"][0]["applied"]
    assert all(figures["ms"]["mixed"] > 0 for figures in row["graphs"].values())
    assert row["graphs"]["static"]["batch_variance"] <= 1e-6
    assert row["peak_bytes"] > row["graphs"]["static"]["size_bytes"]
    assert {"architectures", "rewrites", "bounds"} == json.loads((tmp_path / "architectures-32x2.json").read_text())[
        "sections"
    ].keys()
