"""Pseudo-labels: an ensemble of a real checkpoint and a real linear model labels texts."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.checkpoints import build_checkpoint
from training.pseudo_labels import main

pytestmark = pytest.mark.development


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Labelled rows, in which two words decide, and rows without a label."""
    good, bad = "a lovely film and very moving", "a dull film and very clumsy"
    train = {"text": [f"{good} {n}" for n in range(9)] + [f"{bad} {n}" for n in range(9)], "label": [1] * 9 + [0] * 9}
    pq.write_table(pa.table(train), tmp_path / "train.parquet")
    pq.write_table(
        pa.table({"text": ["lovely and moving", "dull and clumsy", "the scene"]}), tmp_path / "texts.parquet"
    )
    return tmp_path


def label(data: Path, checkpoint: Path, *more: str) -> int:
    """Run the command."""
    fixed = ["--data", f"{data}/train.parquet", "--texts", f"{data}/texts.parquet", "--output", f"{data}/out.parquet"]
    return main([str(checkpoint), *fixed, *more])


def test_texts_get_the_label_of_which_the_mean_is_sure(data: Path, tmp_path: Path) -> None:
    """With labels by name, so that any checkpoint can learn from them; the unsure are left out."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    assert label(data, checkpoint, "--least", "0") == 0
    everything = pq.read_table(data / "out.parquet").to_pylist()
    assert [row["text"] for row in everything] == ["lovely and moving", "dull and clumsy", "the scene"]
    assert {row["label"] for row in everything} <= {"negative", "positive"}
    middle = sorted(row["probability"] for row in everything)[1]
    assert label(data, checkpoint, "--least", str(middle)) == 0
    assert pq.read_table(data / "out.parquet").num_rows == 2


def test_unfit_input_is_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing checkpoint, a missing file, a file without texts: exit code 1 and the name."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    assert label(data, tmp_path / "none") == 1
    assert label(data, checkpoint, "--texts", f"{data}/none.parquet") == 1
    pq.write_table(pa.table({"body": ["x"]}), data / "body.parquet")
    assert label(data, checkpoint, "--texts", f"{data}/body.parquet") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(name in line for name, line in zip(("none", "none.parquet", "body.parquet"), lines, strict=True))
