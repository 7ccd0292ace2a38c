"""The workflow of docs/training.md: a three-label CSV is trained, exported and served by the documented commands."""

import csv
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytest.importorskip("torch")

from tests.support.checkpoints import HEAD_TOKENS, MAX_LENGTH, build_checkpoint, synthetic_rows
from tests.support.process import ROOT, server_process

pytestmark = pytest.mark.development

QUEUES = ("delivery", "invoice", "other")


def run(*arguments: object) -> None:
    """Run a stage as a user does; show its output if it fails."""
    command = [sys.executable, "-m", *map(str, arguments)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == finished.returncode, finished.stdout + finished.stderr


def test_a_csv_with_three_labels_is_served(tmp_path: Path) -> None:
    """Columns may have other names, and predictions have the label names of the file."""
    rows = synthetic_rows(QUEUES, per_label=120)
    with (tmp_path / "tickets.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "body", "queue"])
        table.writerows((number, text, QUEUES[label]) for number, (text, label) in enumerate(rows))
    base = build_checkpoint(tmp_path / "tiny-base")
    checkpoint, artifact = tmp_path / "checkpoints" / "tickets", tmp_path / "artifacts" / "tickets"

    size = ("--max-length", MAX_LENGTH, "--head-tokens", HEAD_TOKENS, "--batch-texts", 8, "--epochs", 2)
    fast = ("--peak-learning-rate", 0.01, "--threads", 1)
    data = f"{tmp_path / 'tickets.csv'},text=body,label=queue,held_out=0.3"
    run("training", "--base-model", base, "--data", data, *size, *fast, "--output", checkpoint)
    run("export", checkpoint, "--output", artifact, "--only", "static")  # another test compares all candidates

    with server_process(artifact) as server:
        texts = [text for text, _ in rows[:60]]
        answer = httpx.post(f"{server.url}/predict/batch", json={"texts": texts}, timeout=60)
        model = httpx.get(f"{server.url}/info", timeout=60).json()["model"]
    assert (model["name"], tuple(model["labels"])) == ("tickets", QUEUES)
    predictions = answer.json()["predictions"]
    right = sum(found["label"] == QUEUES[label] for found, (_, label) in zip(predictions, rows, strict=False))
    assert right >= 40  # guessing gets 20
    assert all(3 == len(found["probabilities"]) for found in predictions)
