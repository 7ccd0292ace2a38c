"""Pseudo-labels: an ensemble of a real checkpoint and a real linear model labels texts."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.checkpoints import build_checkpoint
from training.pseudo_labels import main, sentences_of

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
    """Labels are written by name; texts with an uncertain label are left out."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    assert 0 == label(data, checkpoint, "--least", "0")
    everything = pq.read_table(data / "out.parquet").to_pylist()
    assert ["lovely and moving", "dull and clumsy", "the scene"] == [row["text"] for row in everything]
    assert {row["label"] for row in everything} <= {"negative", "positive"}
    middle = sorted(row["probability"] for row in everything)[1]
    assert 0 == label(data, checkpoint, "--least", str(middle))
    assert 2 == pq.read_table(data / "out.parquet").num_rows


def test_unfit_input_is_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing checkpoint, a missing file or a file without texts gives exit code 1 and the name."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    assert 1 == label(data, tmp_path / "none")
    assert 1 == label(data, checkpoint, "--texts", f"{data}/none.parquet")
    pq.write_table(pa.table({"body": ["x"]}), data / "body.parquet")
    assert 1 == label(data, checkpoint, "--texts", f"{data}/body.parquet")
    pq.write_table(pa.table({"text": ["x", None]}), data / "null.parquet")
    assert 1 == label(data, checkpoint, "--texts", f"{data}/null.parquet", "--sentences")
    lines = capsys.readouterr().err.splitlines()
    names = ("none", "none.parquet", "body.parquet", "null.parquet row 2, column 'text': the text is null")
    assert all(name in line for name, line in zip(names, lines, strict=True))


def test_sentences_of_texts_by_checkpoints_alone(data: Path, tmp_path: Path) -> None:
    """Without labelled data there is no linear model; texts of another file are left out."""
    checkpoints = [str(build_checkpoint(tmp_path / name, seed=seed)) for seed, name in enumerate(("one", "two"))]
    review = 'A lovely film, all told.<br /><br />"Very moving scenes!" Dull! It has a very clumsy ending, though?'
    pq.write_table(pa.table({"text": [review]}), data / "texts.parquet")
    known = "A lovely film, all told. Watch it."  # a text, of which one sentence is long enough
    pq.write_table(pa.table({"text": [known]}), data / "known.parquet")
    fixed = ["--texts", f"{data}/texts.parquet", "--least", "0", "--output", f"{data}/out.parquet"]
    assert 0 == main([*checkpoints, *fixed, "--sentences", "--unlike", f"{data}/known.parquet"])
    assert ["It has a very clumsy ending, though?"] == pq.read_table(data / "out.parquet")["text"].to_pylist()
    assert ["A lovely film, all told.", "It has a very clumsy ending, though?"] == sentences_of(review)


def test_checkpoints_with_other_labels_are_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checkpoints with different labels are refused, and the message names both."""
    one, two = build_checkpoint(tmp_path / "one"), build_checkpoint(tmp_path / "two", labels=("bad", "good"))
    assert 1 == main([str(one), str(two), "--texts", f"{data}/texts.parquet", "--output", f"{data}/out.parquet"])
    line = capsys.readouterr().err
    assert "two has the labels bad, good" in line
    assert "one has negative, positive" in line
