"""The readers of the page's file view, in Chromium, against Python's csv, json and pyarrow."""

import base64
import csv
import hashlib
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.web.file.conftest import STATIC

pa = pytest.importorskip("pyarrow", reason="pyarrow writes the Parquet files")
pq = pytest.importorskip("pyarrow.parquet")

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.development

_READ = """
async (files) => {
  const { openSource } = await import("/js/file/source.js");
  const results = [];
  for (const { name, content, options } of files) {
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    try {
      const source = await openSource(new File([bytes], name), options);
      const rows = [];
      for await (const batch of source.batches()) {
        rows.push(...batch.rows);
      }
      results.push({ columns: source.columns, separator: source.separator, rows });
    } catch (error) {
      results.push({ error: error.message, name: error.name });
    }
  }
  return results;
}
"""
_SPLIT = """
async (documents) => {
  const { SeparatedParser } = await import("/js/file/separated.js");
  return documents.map(({ chunks, separator }) => {
    const parser = new SeparatedParser(separator);
    try {
      return [...chunks.flatMap((chunk) => parser.feed(chunk)), ...parser.end()].map(({ fields }) => fields);
    } catch (error) {
      return null;
    }
  });
}
"""
_CHARACTERS = st.sampled_from([*'ab,;\t"\n\r é😀', '""', "\r\n"])


def read(page: "Page", name: str, content: bytes, **options: Any) -> Any:
    """Return what the page reads of one file."""
    (result,) = read_all(page, [(name, content)], **options)
    return result


def read_all(page: "Page", files: list[tuple[str, bytes]], **options: Any) -> list[Any]:
    """Return what the page reads of some files, with one message to the browser."""
    encoded = [
        {"name": name, "content": base64.b64encode(content).decode(), "options": options} for name, content in files
    ]
    return list(page.evaluate(_READ, encoded))


def values(result: Any) -> list[list[Any]]:
    """Return the values of all rows."""
    return [row["values"] for row in result["rows"]]


def parquet(table: Any, **options: Any) -> bytes:
    """Return a table as Parquet."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(_CHARACTERS, max_size=40).map("".join), st.integers(1, 7), st.sampled_from(",;\t|")),
        min_size=20,
        max_size=40,
    )
)
def test_fields_are_split_as_python_splits_them(modules: "Page", documents: list[tuple[str, int, str]]) -> None:
    """Any text, in chunks of any size, gives the rows of Python's strict csv module, or is refused where it refuses."""
    sent = [
        {"chunks": [text[place : place + size] for place in range(0, len(text), size)], "separator": separator}
        for text, size, separator in documents
    ]
    expected = [_python_rows(text, separator) for text, _, separator in documents]
    assert expected == modules.evaluate(_SPLIT, sent)


def _python_rows(text: str, separator: str) -> list[list[str]] | None:
    lines = io.StringIO(text, newline="\n")
    try:
        return [fields for fields in csv.reader(lines, delimiter=separator, strict=True) if fields]
    except csv.Error:
        return None


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.lists(st.text(max_size=30).filter(lambda text: "\x00" not in text), min_size=2, max_size=2), min_size=1)
)
def test_a_written_csv_comes_back(modules: "Page", rows: list[list[str]]) -> None:
    """Line breaks, quotes, separators and every character of a field survive."""
    for separator, name in ((",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv")):
        sink = io.StringIO(newline="")
        csv.writer(sink, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([["text", "label"], *rows])
        for mark in ("", "\ufeff"):
            result = read(modules, name, (mark + sink.getvalue()).encode())
            assert ["text", "label"] == result["columns"]
            assert rows == values(result)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "text,label\nx,1\n", (",", ["text", "label"], [["x", "1"]])),
        ("a.csv", "sep=;\ntext;label\na,b;1\n", (";", ["text", "label"], [["a,b", "1"]])),
        ("a.csv", "Text ;Label\r\nWell, well;1\r\n", (";", ["Text", "Label"], [["Well, well", "1"]])),
        ("a.csv", "text|label\na,b|1", ("|", ["text", "label"], [["a,b", "1"]])),
        ("A.TSV", 'text\tlabel\n"a\tb\nc"\t1\n', ("\t", ["text", "label"], [["a\tb\nc", "1"]])),
        ("a.csv", "\n\ntext\nx\n\ny\n", (",", ["text"], [["x"], ["y"]])),
        ("a.csv", "one;two;three\n1;2;3\n", (";", ["one", "two", "three"], [["1", "2", "3"]])),
    ],
)
def test_the_separator_is_found_in_the_header(modules: "Page", name: str, content: str, expected: Any) -> None:
    """A spreadsheet's semicolons, tabs and bars need no option."""
    result = read(modules, name, content.encode())
    assert expected == (result["separator"], result["columns"], values(result))


def test_rows_have_the_number_of_the_line_on_which_they_begin(modules: "Page") -> None:
    """A reason then leads to the place in the file; a quoted line break and a blank line count."""
    result = read(modules, "a.csv", b'text,label\n"a\nb",1\n\nc,2\nd\n')
    assert [2, 5, 6] == [row["number"] for row in result["rows"]]
    assert 'no value for "label"' in result["rows"][2]["problem"]
    assert ["", ""] == [row["problem"] for row in result["rows"][:2]]


@pytest.mark.parametrize(
    ("encoding", "option"),
    [
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16-le", "utf-16le"),
        ("utf-16-be", "utf-16be"),
        ("windows-1252", "windows-1252"),
        ("shift_jis", "shift_jis"),
        ("gb18030", "gb18030"),
    ],
)
def test_encodings(modules: "Page", encoding: str, option: str) -> None:
    """A byte-order mark says the encoding, else the option does; slices may end inside a character."""
    text = {"windows-1252": "Größe “gut”", "shift_jis": "素晴らしい映画"}.get(encoding, "Größe 素 😀")
    rows = [f"{text} {number}" for number in range(9_000)]
    result = read(modules, "a.txt", "\n".join(rows).encode(encoding), encoding=option)
    assert [[row] for row in rows] == values(result)


def test_parquet_comes_back_whatever_its_codec(modules: "Page") -> None:
    """Each codec that Arrow writes is read or refused by name with the remedy; types become texts and numbers."""
    table = pa.table(
        {
            "text": [f"text {number} é😀" for number in range(5_500)],
            "label": [number % 3 for number in range(5_500)],
            "big": pa.array([2**60 + number for number in range(5_500)], pa.int64()),
            "tags": [["a", "b"] if number % 2 else [] for number in range(5_500)],
            "none": pa.array([None if number % 2 else "x" for number in range(5_500)], pa.string()),
            "kind": pa.array([("one", "two")[number % 2] for number in range(5_500)]).dictionary_encode(),
        }
    )
    codecs = ["none", "snappy", "gzip", "zstd", "lz4"]
    files = [(f"{codec}.parquet", parquet(table, compression=codec, row_group_size=2_001)) for codec in codecs]
    expected = [
        [row["text"], row["label"], str(row["big"]), row["tags"], row["none"], row["kind"]] for row in table.to_pylist()
    ]
    for codec, result in zip(codecs, read_all(modules, files), strict=True):
        assert (codec, table.column_names) == (codec, result.get("columns", result))
        assert expected == values(result)
        assert [1, 5_500] == [result["rows"][0]["number"], result["rows"][-1]["number"]]
    refused = read(modules, "b.parquet", parquet(table, compression="brotli"))
    assert "brotli" in refused["error"]
    assert "snappy, zstd, gzip or lz4" in refused["error"]


def test_json_lines_keep_what_was_written(modules: "Page") -> None:
    """The raw object stays, with numbers that JavaScript cannot hold; a bad line is a row with a problem."""
    lines = [
        '{"text": "a\\n\\u00e9", "id": 12345678901234567890, "x": 1.0}',
        '{"text": "b",',
        '{"text": "c"},',
        "",
        "[1]",
        '{"id": 7}',
    ]
    result = read(modules, "a.jsonl", "\r\n".join(lines).encode())
    assert ["text", "id", "x"] == result["columns"]
    assert [1, 2, 3, 5, 6] == [row["number"] for row in result["rows"]]
    assert [lines[0], lines[1][:-1], lines[2][:-1], lines[4], lines[5]] == [row["raw"] for row in result["rows"]]
    assert ["a\né", None, "c", None, None] == [row["values"][0] for row in result["rows"]]
    assert [False, True, False, True, False] == [bool(row["problem"]) for row in result["rows"]]


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": st.text(alphabet='a"\\[]{},:\n é😀'), "more": st.lists(st.none() | st.booleans())}
        ),
        min_size=1,
    ),
    st.sampled_from([None, 2]),
)
def test_an_array_of_objects_is_read_like_lines(
    modules: "Page", records: list[dict[str, Any]], indent: int | None
) -> None:
    """Brackets, quotes and commas inside strings end no element, and an indented array is the same."""
    result = read(modules, "a.json", json.dumps(records, indent=indent).encode())
    assert records == [json.loads(row["raw"]) for row in result["rows"]]
    assert [[record[name] for name in result["columns"]] for record in records] == values(result)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"PK\x03\x04", r"a\.xlsx is none of \.csv.*convert"),
        ("a.csv", b"PK\x03\x04....", r"Excel workbook; save the sheet as CSV"),
        ("a.csv", b"", r"a\.csv is empty: it has 0 bytes; choose"),
        ("a.csv", b"text,label\n", r"holds no row: its first line must name the columns"),
        ("a.csv", b"\x89\x00\xff\x80binary", r"is binary, not text: byte 1 is 0; choose a CSV"),
        ("a.csv", b"text\nok\ncaf\xe9 au lait\n", r"line 3: byte 11 of the file \(0xe9\) is not UTF-8.*windows-1252"),
        ("a.txt", b"x" * 262_143 + b"\n" + "é".encode()[:1] + b"x", r"line 2: byte 262144 of the file \(0xc3\)"),
        ("a.txt", b"x" * 262_143 + "é".encode() + b"\nab\xff", r"line 2: byte 262148 of the file \(0xff\)"),
        ("a.csv", "text\nx".encode("utf-16-le"), r"looks like UTF-16 .* utf-16le"),
        ("a.csv", "text\nx".encode("utf-32"), r"UTF-32.*save it as UTF-8"),
        ("a.csv", b'text,label\nx,1\n"y,2\n', r"a\.csv line 3: a quote opens a field that never ends"),
        ("a.csv", b'text,label\n"y"z,2\n', r'line 2: a quote ends a field, but "z" follows'),
        ("a.csv", b"text\rx\ry", r"line 1: a carriage return stands outside quotes"),
        ("a.txt", b"a\rb\rc", r"a carriage return alone; end them with LF"),
        ("a.txt", b" \n\n", r"all its lines are blank"),
        ("a.jsonl", b"hello\n", r"no JSON object: line 1 is not JSON"),
        ("a.parquet", b"no parquet at all", r"cannot be read as Parquet"),
        ("a.csv", b"PAR1....", r"Parquet; let its name end with \.parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(modules: "Page", name: str, content: bytes, message: str) -> None:
    """The message names the file, the place, the value and the remedy."""
    result = read(modules, name, content)
    assert "FileError" == result.get("name"), result
    assert re.search(message, result["error"]), result["error"]


def test_the_vendored_library_is_the_one_that_its_readme_names() -> None:
    """Its sha256 stands beside the commands that make it."""
    folder = STATIC / "vendor" / "hyparquet"
    digest = hashlib.sha256((folder / "hyparquet.min.js").read_bytes()).hexdigest()
    assert f"`{digest}`" in (folder / "README.md").read_text()
