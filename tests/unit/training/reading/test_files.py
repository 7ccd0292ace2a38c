"""Every format gives the same rows, and what is unfit in a file is named with its place."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import ROOT
from training.reading import Columns, DataError, Row, read

TEXTS = Columns(label=None)


def _write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8", newline="")
    return path


def _parquet(path: Path, **columns: list[Any]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("name", "content", "numbers"),
    [
        ("rows.csv", 'text,label\n"good, really",yes\nbad,no\n', [2, 3]),
        ("rows.csv", 'text,label\r\n"good, really",yes\r\n\r\nbad,no', [2, 4]),
        ("rows.tsv", "text\tlabel\ngood, really\tyes\nbad\tno\n", [2, 3]),
        ("rows.jsonl", '{"text": "good, really", "label": "yes"}\n\n{"text": "bad", "label": "no", "x": 1}', [1, 3]),
        ("rows.jsonl", '\ufeff{"text": "good, really", "label": "yes"}\r\n{"text": "bad", "label": "no"}\r\n', [1, 2]),
        ("rows.CSV", '\ufefftext,label\n"good, really",yes\nbad,no\n', [2, 3]),
    ],
)
def test_text_formats_are_read_alike(tmp_path: Path, name: str, content: str, numbers: list[int]) -> None:
    """CSV, TSV and JSON lines give the same rows; byte order marks, CRLF and blank lines do no harm."""
    table = read(_write(tmp_path / name, content))
    assert [("good, really", "yes"), ("bad", "no")] == [(row.text, row.label) for row in table.rows]
    assert numbers == [row.number for row in table.rows]
    assert f"{tmp_path / name} line {numbers[0]}" == table.where(table.rows[0])


def test_parquet_is_read(tmp_path: Path) -> None:
    """A Parquet file gives its rows, with the columns that are asked for, even if a name holds a dot."""
    path = _parquet(tmp_path / "t.parquet", **{"review.body": ["a", "b"], "y": [1, 0], "z": [0, 0]})
    table = read(path, Columns(text="review.body", label="y"))
    assert [Row(1, "a", 1), Row(2, "b", 0)] == table.rows
    assert f"{path} row 2" == table.where(table.rows[1])


def test_folders_of_a_parquet_file_are_no_columns(tmp_path: Path) -> None:
    """A folder called label=1 does not give a file the column that it lacks."""
    (tmp_path / "label=1").mkdir()
    with pytest.raises(DataError, match="has no column 'label'"):
        read(_parquet(tmp_path / "label=1" / "t.parquet", text=["a"]))


def test_plain_text_is_a_text_per_line(tmp_path: Path) -> None:
    """Lines end at a line feed alone, are not stripped, and keep their numbers when blank ones are skipped."""
    path = _write(tmp_path / "a.txt", "\ufeff one\u2028still one \r\n\r\ntwo\x85still two\n  \nthree")
    assert [Row(1, " one\u2028still one ", None), Row(3, "two\x85still two", None), Row(5, "three", None)] == read(
        path, TEXTS
    ).rows


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label,p,kind\ngood,yes,0.75,old\nbad,no,1,\n"),
        (
            "a.jsonl",
            '{"text": "good", "label": "yes", "p": 0.75, "kind": "old"}\n{"text": "bad", "label": "no", "p": 1}',
        ),
    ],
)
def test_confidence_and_group_are_read(tmp_path: Path, name: str, content: str) -> None:
    """Without a confidence column every label is certain; a row or a file may lack the group alone."""
    path = _write(tmp_path / name, content)
    table = read(path, Columns(confidence="p", group="kind"))
    assert [(0.75, "old"), (1.0, None)] == [(row.confidence, row.group) for row in table.rows]
    assert [(1.0, None)] * 2 == [(row.confidence, row.group) for row in read(path, Columns(group="source")).rows]
    with pytest.raises(DataError, match="has no column 'q'"):
        read(path, Columns(confidence="q"))


def test_short_texts_are_left_out(tmp_path: Path) -> None:
    """Texts with fewer words are left out, and it is an error when none is left."""
    path = _write(tmp_path / "a.csv", "text,label\ngood,1\nvery good,1\n,1\n")
    assert ["very good"] == [row.text for row in read(path, min_words=2).rows]
    with pytest.raises(DataError, match="holds no row of at least 3 words"):
        read(path, min_words=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": ["a", None]}, "row 2, column 'text': the text is null"),
        ({"text": [1.5]}, r"row 1, column 'text': the text is 1.5 \(float\)"),
        ({"text": [["a"]]}, r"row 1, column 'text': the text is \['a'\] \(list\)"),
        ({"text": [b"a\xef"]}, r"column 'text': b'a\\xef' are bytes that are not UTF-8"),
        ({"label": [b"a\xef"]}, r"column 'label': b'a\\xef' are bytes that are not UTF-8"),
        ({"label": [float("inf")]}, r"column 'label': the label is inf \(float\), not a name or an index"),
        ({"text": [" \n"]}, "row 1, column 'text': the text is empty"),
        ({"label": ["x", None]}, "row 2, column 'label': the label is missing"),
        ({"label": [float("nan")]}, "row 1, column 'label': the label is missing"),
        ({"label": [""]}, "row 1, column 'label': the label is missing"),
        ({"label": [" "]}, "row 1, column 'label': the label is missing"),
        ({"label": [[1]]}, r"column 'label': the label is \[1\] \(list\), not a name or an index"),
        ({"p": [None]}, "column 'p': the confidence None is not a number above 0 and at most 1"),
        ({"p": [0.0]}, "column 'p': the confidence 0.0 is not"),
        ({"p": [1.01]}, "column 'p': the confidence 1.01 is not"),
        ({"p": ["much"]}, "column 'p': the confidence 'much' is not"),
    ],
)
def test_unfit_values_are_named(tmp_path: Path, values: dict[str, list[Any]], message: str) -> None:
    """A value of the wrong kind is refused with its file, row, column and what it is."""
    rows = len(next(iter(values.values())))
    path = _parquet(tmp_path / "a.parquet", **({"text": ["a"] * rows, "label": [0] * rows, "p": [1.0] * rows} | values))
    with pytest.raises(DataError, match=f"a.parquet.*{message}"):
        read(path, Columns(confidence="p"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.csv", "missing.csv does not exist"),
        ("rows.xlsx", "rows.xlsx is none of .parquet, .csv, .tsv, .jsonl, .ndjson, .json, .txt"),
        ("folder.csv", "folder.csv cannot be read: Is a directory"),
        ("folder.parquet", "folder.parquet cannot be read"),
    ],
)
def test_what_is_no_data_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    """A missing file, a folder and an unknown kind of file are told apart."""
    if name.startswith("folder"):
        pytest.importorskip("pyarrow")
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_files_without_rows_are_refused(tmp_path: Path) -> None:
    """Nothing to read is an error in every format."""
    for name, content in [
        ("a.csv", ""), ("a.csv", "\n\n"), ("b.csv", "text,label\n"), ("a.jsonl", "\n"), ("a.tsv", "text\tlabel")
    ]:  # fmt: skip
        with pytest.raises(DataError, match=f"{name} (holds no row|is empty)"):
            read(_write(tmp_path / name, content))
    with pytest.raises(DataError, match=r"a.txt holds no row"):
        read(_write(tmp_path / "a.txt", " \n"), TEXTS)
    with pytest.raises(DataError, match=r"a.parquet holds no row"):
        read(_parquet(tmp_path / "a.parquet", text=[], label=[]))


def test_broken_parquet_is_refused(tmp_path: Path) -> None:
    """Another file of that name, two columns of one name and bytes that are no text are errors with their place."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    with pytest.raises(DataError, match=r"a.parquet cannot be read as Parquet: "):
        read(_write(tmp_path / "a.parquet", "not parquet"))
    parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["x"])] * 2, ["text"] * 2), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b.parquet has two columns 'text'"):
        read(tmp_path / "b.parquet", TEXTS)
    buffers = [None, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pyarrow.py_buffer(b"a\xef")]
    text = pyarrow.Array.from_buffers(pyarrow.string(), 2, buffers)
    parquet.write_table(pyarrow.table({"text": text}), tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"c.parquet row 2, column 'text': the bytes are not UTF-8"):
        read(tmp_path / "c.parquet", TEXTS)


def test_reading_needs_no_model_library() -> None:
    """The reader imports neither torch nor transformers, nor datasets, nor another module of training."""
    code = "import sys, training.reading.hub; print(*sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split()
    assert not {"torch", "transformers", "datasets", "pyarrow", "numpy"} & set(output)
    assert {"training", "training.reading"} == {
        name for name in output if name.startswith("training") and not name.startswith("training.reading.")
    }
