"""Files become rows, and what is wrong with one is named down to the line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from training.reading import read_source
from training.sources import DataError, Source, parse_source

pytestmark = pytest.mark.development


def _write(path: Path, content: str) -> Source:
    path.write_text(content, encoding="utf-8")
    return Source(str(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", 'text,label\n"good, really",yes\nbad,no\n'),
        ("rows.tsv", "text\tlabel\ngood, really\tyes\nbad\tno\n"),
        ("rows.jsonl", '{"text": "good, really", "label": "yes"}\n\n{"text": "bad", "label": "no", "more": 1}\n'),
        ("rows.CSV", '\ufefftext,label\n"good, really",yes\nbad,no\n'),
    ],
)
def test_text_formats_are_read_alike(tmp_path: Path, name: str, content: str) -> None:
    """csv, tsv and jsonl give the same rows in order; a byte order mark and empty lines do no harm."""
    rows, names = read_source(_write(tmp_path / name, content))
    assert [("good, really", "yes"), ("bad", "no")] == [(row.text, row.label) for row in rows]
    assert names is None


def test_parquet_is_read(tmp_path: Path) -> None:
    """A parquet file gives its rows, with the columns that the source names."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"body": ["a", "b"], "y": [1, 0], "z": [0, 0]}), tmp_path / "t.parquet")
    rows, _ = read_source(parse_source(f"{tmp_path / 't.parquet'},text=body,label=y"))
    assert [("a", 1), ("b", 0)] == [(row.text, row.label) for row in rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label,p\ngood,yes,0.75\n"),
        ("a.jsonl", '{"text": "good", "label": "yes", "p": 0.75}\n'),
    ],
)
def test_confidence_is_read_from_its_column(tmp_path: Path, name: str, content: str) -> None:
    """Rows carry what the named column holds; without one, every label is certain."""
    source = _write(tmp_path / name, content)
    assert [1.0] == [row.confidence for row in read_source(source)[0]]
    assert [0.75] == [float(row.confidence) for row in read_source(replace(source, confidence="p"))[0]]
    with pytest.raises(DataError, match=r"has no column 'q'.* and confidence="):
        read_source(replace(source, confidence="q"))


def test_style_and_least_words_apply(tmp_path: Path) -> None:
    """Treebank text is made natural, and texts with too few words are left out."""
    source = _write(
        tmp_path / "t.jsonl", json.dumps({"text": "it 's fine", "label": 1}) + '\n{"text": "ok", "label": 0}'
    )
    chosen = parse_source(f"{source.location},style=treebank,min_words=2")
    assert ["it's fine"] == [row.text for row in read_source(chosen)[0]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "body,label\nx,1\n", r"a.csv has no column 'text', only 'body', 'label'; name the columns"),
        ("a.csv", "text,label\nx\n", "a.csv line 2 does not have 2 fields"),
        ("a.csv", "text,label\nx,1\ny,1,2\n", "a.csv line 3 does not have 2 fields"),
        ("a.csv", 'text,label\n"x,1\n', "a.csv can not be read behind line 1"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{"text": \n', "a.jsonl line 2 is not JSON"),
        ("a.jsonl", "[1]\n", "a.jsonl line 1 is not a JSON object"),
        ("a.jsonl", '{"text": "x"}\n', "a.jsonl has no column 'label'"),
        ("a.parquet", "not parquet", "a.parquet can not be read"),
    ],
)
def test_unreadable_file_is_named_with_its_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    """What is wrong is said with the file and, where there are lines, the line."""
    with pytest.raises(DataError, match=message):
        read_source(_write(tmp_path / name, content))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A csv file in another encoding is refused instead of read wrongly."""
    (tmp_path / "a.csv").write_bytes(b"text,label\nna\xefve,1\n")
    with pytest.raises(DataError, match="can not be read behind line"):
        read_source(Source(str(tmp_path / "a.csv")))


@pytest.mark.parametrize("location", ["./missing.csv", "missing.jsonl"])
def test_missing_file_is_named(location: str) -> None:
    """A path that does not exist is not looked for on the hub."""
    with pytest.raises(DataError, match="does not exist"):
        read_source(Source(location))


@pytest.mark.parametrize("location", ["./folder", "/a/b/c", "rows.xlsx/a/b"])
def test_neither_file_nor_hub(location: str) -> None:
    """What is neither a known file kind nor a hub name is refused without asking a network."""
    with pytest.raises(DataError, match="neither a"):
        read_source(Source(location))
