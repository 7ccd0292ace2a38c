"""Every command ends with one JSON object of the documented shape. Its figures are not tested."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psutil")
pytest.importorskip("torch")

from benchmarks.commands import PROMISES
from tests.support.checkpoints import build_checkpoint
from tests.support.first_stages import tiny_with_first_stage
from tests.support.tiny import TINY

pytestmark = pytest.mark.development

ROOT = Path(__file__).parents[3]


def run(*arguments: str, codes: tuple[int, ...] = (0,), artifact: Path = TINY) -> dict[str, Any]:
    """Run a command on the tiny artifact and return the object in its last line."""
    command = [sys.executable, "-m", "benchmarks", *arguments, "--artifact", str(artifact), "--quick"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode in codes, finished.stderr
    document: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return document


def test_every_promise_is_measured_with_one_command(tmp_path: Path) -> None:
    """Each gives findings with a figure and a bound. Errors must be zero even in a quick run."""
    document = run("promises", "--output", str(tmp_path), codes=(0, 1))
    assert document["held"] == all(finding["holds"] for finding in document["promises"])
    words = " ".join(finding["what"] for finding in document["promises"])
    assert len(document["promises"]) >= len(PROMISES)
    named = ("sentences", "reviews", "overload", "soak", "SIGTERM", "isolation", "sharing", "poison", "chaos", "vLLM")
    assert all(word in words for word in named)
    kept = ("isolation", "SIGTERM", "sharing", "poison", "protocols")
    exact = [finding for finding in document["promises"] if finding["what"].startswith(kept)]
    exact = [finding for finding in exact if "exactly" == finding["relation"]]
    assert len(exact) >= 10
    assert {0} == {finding["value"] for finding in exact}
    assert (tmp_path / "promises.md").exists()


def test_bench_measures_the_first_stage(tmp_path: Path) -> None:
    """An artifact with a first stage is measured with it on and off."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    artifact = tiny_with_first_stage(tmp_path / "tiny")
    run("bench", "--checkpoint", str(checkpoint), "--output", str(tmp_path), artifact=artifact)
    rows = json.loads((tmp_path / "bench.json").read_text())["sections"]["cascade"]["figures"]
    assert ["sentences", "reviews"] == [row["shape"] for row in rows]
    assert all(row["ratio"] > 0 and 0 <= row["answered"] <= 1 for row in rows)


def test_bench_writes_a_report(tmp_path: Path) -> None:
    """JSON, Markdown and pictures; the last line is a summary."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    summary = run("bench", "--checkpoint", str(checkpoint), "--output", str(tmp_path))
    sections = json.loads((tmp_path / "bench.json").read_text())["sections"]
    figures = {name: section["figures"] for name, section in sections.items()}
    assert "tiny" == summary["artifact"]
    assert {row["engine"] for row in figures["engines"]} >= {"PyTorch eager fp32", "this artifact"}
    assert {row["shape"] for row in figures["closed_loops"]} >= {"sentences", "reviews"}
    assert [0.5, 0.7, 0.9, 1.1, 3.0] == [row["load"] for row in figures["open_loops"]]
    assert 4 == len(figures["ratios"])
    assert {path.suffix for path in tmp_path.iterdir()} >= {".json", ".md", ".png"}


def test_compare_takes_any_two_servers(tmp_path: Path) -> None:
    """An artifact against a working tree that is made slower on purpose."""
    document = run("compare", str(TINY), str(ROOT), "--slow-b", "1.15", "--output", str(tmp_path))
    assert {row["load"] for row in document["comparison"]} >= {"sentences, 1 caller", "reviews, 16 callers"}
    assert all({"ratio", "cpu_ratio", "verdict"} <= row.keys() for row in document["comparison"])


def test_a_missing_artifact_gives_one_line(tmp_path: Path) -> None:
    """Exit code 2 and no traceback."""
    command = [sys.executable, "-m", "benchmarks", "ratios", "--artifact", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 2 == finished.returncode
    assert "Traceback" not in finished.stderr
    assert str(tmp_path) in finished.stderr
