"""Held-out rows: labels matched with the model's, halves that share no row."""

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("onnx")
from artifact.scores import Head
from export.checkpoint import Checkpoint, read_checkpoint
from export.errors import ExportError
from export.general_texts import general_texts
from export.samples import LabelledText, load_samples, read_rows, spread
from tests.support.checkpoints import build_checkpoint
from training.reading import HELD_OUT, FileSource, parse_file

pytestmark = pytest.mark.development

HEAD = Head(("negative", "positive"))


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


def test_labels_keep_the_share_of_people_behind_them(tmp_path: Path) -> None:
    """A named column tells how sure each label is; the held-out rows of earlier runs have none and are certain."""
    path = tmp_path / "rated.csv"
    path.write_text("text,label,share\nfine,1,0.55\ngood,1,1\n")
    rows = read_rows(parse_file(f"{path},confidence=share"), HEAD).rows
    assert [0.55, 1.0] == [row.confidence for row in rows]
    assert [1.0, 1.0] == [row.confidence for row in read_rows(FileSource(path, HELD_OUT), HEAD).rows]


def test_the_temperature_is_fitted_to_shares(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Every measured text carries the share of its label."""
    path = tmp_path / "rated.csv"
    path.write_text("text,label,share\n" + "".join(f"text {n},{n % 2},0.{n + 51}\n" for n in range(40)))
    samples = load_samples(checkpoint, [parse_file(f"{path},confidence=share")], calibration=20, limit=20)
    shares = [float(f"0.{int(sample.text.split()[1]) + 51}") for sample in samples.measurement]
    assert shares == samples.certainty.tolist()


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
    expected = [LabelledText("good\nagain", 1, "rows"), LabelledText("bad", 0, "rows")]
    assert expected == read_rows(FileSource(path), HEAD).rows


def test_a_column_groups_the_rows(tmp_path: Path) -> None:
    """A row without a value belongs to the file."""
    path = tmp_path / "rows.csv"
    path.write_text("text,label,kind\ngood,1,short\nbad,0,\n")
    source = parse_file(f"{path},group=kind")
    assert ["short", "rows"] == [row.group for row in read_rows(source, HEAD).rows]


def test_validation_rows_hold_indices(tmp_path: Path) -> None:
    """Where names of labels are numbers, training's own rows still count from 0."""
    pytest.importorskip("torch")
    checkpoint = read_checkpoint(build_checkpoint(tmp_path / "checkpoint", labels=("1", "2")))
    samples = load_samples(checkpoint, [], calibration=32, limit=32)
    assert {0, 1} == {sample.label for sample in samples.measurement}
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\ngood,2\nbad,1\n")
    assert [1, 0] == [row.label for row in read_rows(FileSource(rows), checkpoint.head).rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [("rows.csv", "text\nno label\n"), ("rows.parquet", "not parquet"), ("rows.jsonl", '{"text": "x", "label": "y"}')],
)
def test_unreadable_rows_are_one_clear_line(tmp_path: Path, name: str, content: str) -> None:
    """The message names the file."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ExportError, match=name):
        read_rows(FileSource(path), HEAD)


def test_a_label_that_the_model_lacks_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Rows of another task are refused before anything is measured, with the line."""
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "good,1\n" * 20 + "good,7\n")
    with pytest.raises(ExportError, match=r"line 22.*7"):
        load_samples(checkpoint, [FileSource(path)], calibration=5, limit=5)


def test_too_few_rows_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Three texts prove nothing."""
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "good,1\n" * 3)
    with pytest.raises(ExportError, match="too few"):
        load_samples(checkpoint, [FileSource(path)], calibration=5, limit=5)


def test_spread_keeps_the_shortest_and_the_longest(checkpoint: Checkpoint) -> None:
    """A few samples stand for all lengths."""
    samples = load_samples(checkpoint, [], calibration=32, limit=32).measurement
    chosen = [len(s.ids) for s in spread(samples, 4)]
    assert chosen[0] == min(len(s.ids) for s in samples)
    assert chosen[-1] == max(len(s.ids) for s in samples)


def test_names_that_are_numbers_are_names(tmp_path: Path) -> None:
    """A model of the classes 0 to 11, in the order of text, reads 10 as its class 10, and the mapping is told."""
    names = tuple(sorted(map(str, range(12))))
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"text {n},{n}\n" for n in range(12)))
    found = read_rows(FileSource(path), Head(names))
    assert list(map(str, range(12))) == [names[row.label] for row in found.rows if row.label is not None]
    assert found.note.startswith(f"labels of {path}: 0: 1 rows; 1: 1 rows; 2 10: 1 rows")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.txt", "good\nbad\n"),
        ("rows.csv", "text,id\ngood,7\nbad,8\n"),
        ("rows.jsonl", '{"text": "good"}\n{"text": "bad"}'),
    ],
)
def test_texts_alone_have_no_labels(tmp_path: Path, name: str, content: str) -> None:
    """Plain text, and a file without a column of labels, are read without; the note says so."""
    path = tmp_path / name
    path.write_text(content)
    found = read_rows(parse_file(str(path), may_lack_label=True), HEAD)
    assert [LabelledText("good", None, "rows"), LabelledText("bad", None, "rows")] == found.rows
    assert "2 texts, no labels" in found.note


def test_labels_may_be_left_out_by_name(tmp_path: Path) -> None:
    """``label=`` reads texts alone although there is a column; a column that is named must be there."""
    path = tmp_path / "rows.csv"
    path.write_text("text,label\ngood,up\n")
    source = parse_file(f"{path},label=", may_lack_label=True)
    assert [None] == [row.label for row in read_rows(source, HEAD).rows]
    with pytest.raises(ExportError, match="has no column 'queue'"):
        read_rows(parse_file(f"{path},label=queue", may_lack_label=True), HEAD)


def test_labels_on_some_rows_alone_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Neither a file nor two files mix rows with and without labels: the figures would be of a part."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good", "label": "positive"}\n{"text": "bad"}\n' * 10)
    source = parse_file(str(path), may_lack_label=True)
    with pytest.raises(ExportError, match="line 2 has no label, other rows have one"):
        read_rows(source, checkpoint.head)
    (tmp_path / "a.csv").write_text("text,label\n" + "good,positive\n" * 20)
    (tmp_path / "b.txt").write_text("good\n" * 20)
    mixed = [parse_file(str(tmp_path / name), may_lack_label=True) for name in ("a.csv", "b.txt")]
    with pytest.raises(ExportError, match="some rows have labels and some have none"):
        load_samples(checkpoint, mixed, calibration=5, limit=5)


def test_texts_without_labels_are_divided_too(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Texts without labels calibrate and measure; there is nothing to compare decisions with."""
    (tmp_path / "a.txt").write_text("".join(f"good film {n}\n" for n in range(40)))
    samples = load_samples(
        checkpoint, [parse_file(str(tmp_path / "a.txt"), may_lack_label=True)], calibration=10, limit=50
    )
    assert (10, 30) == (len(samples.calibration), len(samples.measurement))
    assert not samples.are_labelled
    assert not samples.are_general


def test_without_data_the_projects_texts_are_used(tmp_path: Path) -> None:
    """Where there are no rows, texts of many lengths calibrate and measure, and both parts share no sentence."""
    folder = build_checkpoint(tmp_path / "checkpoint")
    (folder / "validation.parquet").unlink()
    samples = load_samples(read_checkpoint(folder), [], calibration=100, limit=2000)
    assert not samples.are_labelled
    assert samples.are_general
    assert len(samples.calibration) <= 100
    assert len(samples.measurement) >= 300
    assert "Accuracy is not measured" in samples.notes[0]
    calibration, measurement = general_texts()
    assert not set(calibration) & set(measurement)
    assert len(set(calibration)) == len(calibration)
