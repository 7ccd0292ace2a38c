"""What is written comes back exactly; an odd file gives exact rows or one error."""

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from training.reading import Columns, DataError, TextFormat, read

_ODD = st.sampled_from(
    [
        '"',
        '""',
        ",",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "\u2028",
        "\x85",
        "\x0b",
        "\x1c",
        "\0",
        "\ufeff",
        "'",
        "\\",
        " ",
        "é",
        "😀",
    ]
)
_TEXT = st.lists(st.one_of(_ODD, st.text(max_size=5)), max_size=8).map("".join).map(lambda text: f"x{text}")
_UNQUOTED = _TEXT.filter(lambda text: not {"\n", "\t"} & set(text) and not text.endswith("\r"))
_ROWS = st.lists(st.tuples(_TEXT, _TEXT), min_size=1, max_size=6)


def _read(
    name: str, content: bytes, columns: Columns | None = None, text_format: TextFormat | None = None
) -> list[tuple[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return [(row.text, row.label) for row in read(path, columns or Columns(), text_format or TextFormat()).rows]


def _separated(rows: list[tuple[str, str]], separator: str, quoting: int, mark: bool) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator, quoting=quoting).writerows([("text", "label"), *rows])
    return stream.getvalue().encode("utf-8-sig" if mark else "utf-8")


@given(_ROWS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.booleans())
@example([("x,x\nx", "x"), ("y", "x")], csv.QUOTE_MINIMAL, False)
def test_csv_comes_back(rows: list[tuple[str, str]], quoting: int, mark: bool) -> None:
    """Whatever the csv module writes is read exactly; only a row that looks like several is refused."""
    try:
        assert rows == _read("a.csv", _separated(rows, ",", quoting, mark))
    except DataError as error:
        assert "like a row of its own" in str(error)  # noqa: PT017 - it may be raised or not
        assert any("," in text and "\n" in text for row in rows for text in (",".join(row),))


@given(_ROWS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.booleans())
@example([("x\ty\nz", "1")], csv.QUOTE_MINIMAL, False)
def test_tsv_comes_back(rows: list[tuple[str, str]], quoting: int, mark: bool) -> None:
    """Whatever the csv module writes with tabs is read exactly; only a row that looks like several is refused."""
    try:
        assert rows == _read("a.tsv", _separated(rows, "\t", quoting, mark))
    except DataError as error:
        assert "looks like a row of its own" in str(error)  # noqa: PT017 - it may be raised or not
        assert any("\t" in text and "\n" in text for row in rows for text in ("\t".join(row),))


@given(_ROWS, st.booleans())
def test_json_lines_come_back(rows: list[tuple[str, str]], ascii_only: bool) -> None:
    """Whatever the json module writes is read exactly, numbers and names as they are."""
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=ascii_only) for text, label in rows]
    assert rows == _read("a.jsonl", "\n".join(lines).encode())


@given(_ROWS, st.sampled_from([None, 2]), st.booleans())
def test_a_json_array_comes_back(rows: list[tuple[str, str]], indent: int | None, ascii_only: bool) -> None:
    """One array of objects, on one line or many, is read exactly."""
    document = json.dumps(
        [{"label": label, "text": text} for text, label in rows], indent=indent, ensure_ascii=ascii_only
    )
    assert rows == _read("a.json", document.encode())


@given(_ROWS, st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "gb18030"]), st.sampled_from(";|"))
def test_other_encodings_and_separators_come_back(rows: list[tuple[str, str]], encoding: str, separator: str) -> None:
    """A named encoding and a separator that the header shows make no difference."""
    rows = [
        (text.replace(separator, ""), label.replace(separator, "")) for text, label in rows
    ]  # or one looks like two
    content = _separated(rows, separator, csv.QUOTE_ALL, mark=False).decode().encode(encoding)
    assert rows == _read("a.csv", content, None, TextFormat(encoding))


@given(st.lists(st.tuples(_UNQUOTED, _UNQUOTED), min_size=1))
def test_a_file_without_quoting_comes_back(rows: list[tuple[str, str]]) -> None:
    """Where quotes mean nothing, every line is a row and keeps its quotes."""
    content = "\n".join("\t".join(row) for row in [("text", "label"), *rows])
    assert rows == _read("a.tsv", content.encode(), None, TextFormat(quotes="none"))


@given(_ROWS)
def test_parquet_comes_back(rows: list[tuple[str, str]]) -> None:
    """Whatever pyarrow writes is read exactly."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    texts, labels = zip(*rows, strict=True)
    parquet.write_table(pyarrow.table({"text": list(texts), "label": list(labels)}), stream)
    assert rows == _read("a.parquet", stream.getvalue())


@given(st.lists(_TEXT.filter(lambda text: "\n" not in text and text[-1] != "\r" and text[1:2] != "\0"), min_size=1))
def test_plain_text_comes_back(texts: list[str]) -> None:
    """Texts without line feeds are read exactly, one per line."""
    rows = _read("a.txt", "".join(f"{text}\n" for text in texts).encode(), Columns(label=None))
    assert [(text, None) for text in texts] == rows


@given(
    st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.parquet"]),
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from(["text", "label", ",", "\t", '"', "\n", "\r", "x", "{", "}", ":", "1", "é"])).map(
            lambda parts: ("text,label\n" + "".join(parts)).encode()
        ),
        st.lists(st.sampled_from(["\t", '"', "\n", "x", "\r\n"])).map(
            lambda parts: ("text\tlabel\n" + "".join(parts)).encode()
        ),
    ),
)
def test_an_odd_file_gives_rows_or_one_error(name: str, content: bytes) -> None:
    """Any bytes are read without loss, or refused with one line that names the file."""
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    try:
        rows = _read(name, content)
    except DataError as error:
        assert name in str(error)  # noqa: PT017 - it may be raised or not
        assert "\n" not in str(error)  # noqa: PT017 - as above
    else:
        kept = "".join(f"{text}{label}" for text, label in rows)
        body = content.decode("utf-8-sig").partition("\n")[2]
        ignored = '",\t\r\n{} :'
        if not name.endswith(".jsonl"):
            assert [c for c in body if c not in ignored] == [c for c in kept if c not in ignored]
