"""A tiny base model and rows to train it on."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.checkpoints import build_checkpoint, synthetic_rows

Train = Callable[..., int]

LABELS = ("negative", "positive")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of random weights."""
    return build_checkpoint(tmp_path_factory.mktemp("base") / "tiny-base")


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred rows whose words tell the labels apart, as csv."""
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.csv", LABELS)


def write_rows(path: Path, labels: Sequence[str], per_label: int = 100) -> Path:
    """Write synthetic rows as csv."""
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["text", "label"])
        table.writerows((text, labels[label]) for text, label in synthetic_rows(labels, per_label=per_label))
    return path


@pytest.fixture
def arguments(base: Path, rows: Path, tmp_path: Path) -> list[str]:
    """A command line that trains the tiny model in a second; later options override earlier ones."""
    return command_line(base, rows, tmp_path / "out")


def command_line(base: Path, rows: Path, output: Path) -> list[str]:
    """Return the options of a short training into a directory."""
    options = {
        "--base-model": base,
        "--data": f"{rows},name=synthetic,held_out=0.2",
        "--output": output,
        "--max-length": 64,
        "--head-tokens": 15,
        "--epochs": 2,
        "--batch-texts": 8,
        "--peak-learning-rate": 0.01,
        "--threads": 1,
        "--save-steps": 6,
    }
    return [str(part) for option in options.items() for part in option]
