"""Held-out rows: labels matched with the model's, halves that share no row."""

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("onnx")
from export.checkpoint import Checkpoint, read_checkpoint
from export.errors import ExportError
from export.samples import load_samples, read_rows, spread
from tests.support.checkpoints import build_checkpoint

pytestmark = pytest.mark.development


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A tiny checkpoint with its validation rows."""
    pytest.importorskip("torch")
    return read_checkpoint(build_checkpoint(tmp_path_factory.mktemp("checkpoint")))


def test_the_halves_share_no_row_and_both_hold_every_label(checkpoint: Checkpoint) -> None:
    """No text both calibrates and measures, and each half is stratified."""
    samples = load_samples(checkpoint, [], calibration=32, limit=32)
    assert 32 == len(samples.calibration) == len(samples.measurement)
    assert not {s.text for s in samples.calibration} & {s.text for s in samples.measurement}
    for part in (samples.calibration, samples.measurement):
        assert {16} == set(Counter(s.label for s in part).values())


def test_calibration_never_takes_more_than_half(checkpoint: Checkpoint) -> None:
    """Asked for more, it still leaves as much to measure on."""
    samples = load_samples(checkpoint, [], calibration=10_000, limit=10_000)
    assert 32 == len(samples.calibration) == len(samples.measurement)


def test_rows_are_cut_as_the_server_cuts_them(checkpoint: Checkpoint) -> None:
    """No row is longer than the model reads, and long texts fill it."""
    samples = load_samples(checkpoint, [], calibration=32, limit=32)
    lengths = [len(s.ids) for s in (*samples.calibration, *samples.measurement)]
    assert max(lengths) == checkpoint.max_length


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", 'text,label\n"good\nagain",1\nbad,negative\n'),
        ("rows.jsonl", '{"text": "good\\nagain", "label": 1}\n\n{"text": "bad", "label": "negative"}\n'),
        ("rows.csv", '\ufefftext,label\n"good\nagain",positive\nbad,0\n'),
    ],
    ids=["csv", "json lines", "byte order mark"],
)
def test_labels_are_indices_or_names(tmp_path: Path, name: str, content: str) -> None:
    """A quoted line break stays in its text, and the file's name is the group."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert [("good\nagain", 1, "rows"), ("bad", 0, "rows")] == read_rows(path, ("negative", "positive"))


def test_a_column_groups_the_rows(tmp_path: Path) -> None:
    """A row without a value belongs to the file."""
    path = tmp_path / "rows.csv"
    path.write_text("text,label,kind\ngood,1,short\nbad,0,\n")
    assert ["short", "rows"] == [row.group for row in read_rows(path, ("negative", "positive"), "kind")]


def test_validation_rows_hold_indices(tmp_path: Path) -> None:
    """Where names of labels are numbers, training's own rows still count from 0."""
    pytest.importorskip("torch")
    checkpoint = read_checkpoint(build_checkpoint(tmp_path / "checkpoint", labels=("1", "2")))
    samples = load_samples(checkpoint, [], calibration=32, limit=32)
    assert {0, 1} == {sample.label for sample in samples.measurement}
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\ngood,2\nbad,1\n")
    assert [1, 0] == [row.label for row in read_rows(rows, checkpoint.labels)]


@pytest.mark.parametrize(
    ("name", "content"),
    [("rows.csv", "text\nno label\n"), ("rows.parquet", "not parquet"), ("rows.jsonl", '{"text": "x", "label": "y"}')],
)
def test_unreadable_rows_are_one_clear_line(tmp_path: Path, name: str, content: str) -> None:
    """The message names the file."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ExportError, match=name):
        read_rows(path, ("negative", "positive"))


def test_a_label_that_the_model_lacks_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Rows of another task are refused before anything is measured, with the line."""
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "good,1\n" * 20 + "good,7\n")
    with pytest.raises(ExportError, match=r"line 22.*7"):
        load_samples(checkpoint, [path], calibration=5, limit=5)


def test_too_few_rows_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Three texts prove nothing."""
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "good,1\n" * 3)
    with pytest.raises(ExportError, match="too few"):
        load_samples(checkpoint, [path], calibration=5, limit=5)


def test_spread_keeps_the_shortest_and_the_longest(checkpoint: Checkpoint) -> None:
    """A few samples stand for all lengths."""
    samples = load_samples(checkpoint, [], calibration=32, limit=32).measurement
    chosen = [len(s.ids) for s in spread(samples, 4)]
    assert chosen[0] == min(len(s.ids) for s in samples)
    assert chosen[-1] == max(len(s.ids) for s in samples)
