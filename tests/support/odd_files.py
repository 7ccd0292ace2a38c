"""Data files as people have them: what is in each, and the rows or the one line that a reader must answer."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

Rows = list[tuple[str, str | int | float]]


@dataclass(frozen=True)
class OddFile:
    """A file that a test writes.

    Attributes:
        name: of the file; its start says what is odd.
        content: its bytes, or a function that makes them.
        expected: its rows, or a pattern of the one line that refuses it.
        options: that follow the file's name on a command line.
    """

    name: str
    content: bytes | Callable[[], bytes]
    expected: Rows | str
    options: str = ""

    def write(self, folder: Path) -> Path:
        """Write the file into a folder and return its path."""
        path = folder / self.name
        path.write_bytes(self.content if isinstance(self.content, bytes) else self.content())
        return path


def _table(text: Any, label: Any) -> Callable[[], bytes]:
    """Return a function that makes a Parquet file with two columns."""

    def make() -> bytes:
        columns = {
            name: values if isinstance(values, pa.Array) else pa.array(values)
            for name, values in (("text", text), ("label", label))
        }
        stream = io.BytesIO()
        parquet.write_table(pa.table(columns), stream)
        return stream.getvalue()

    return make


def _broken_text() -> bytes:
    buffers = [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xef")]
    return _table(pa.Array.from_buffers(pa.string(), 2, buffers), ["x", "y"])()


_LONG = "a word " * 150_000
_GOOD: Rows = [("good", "up"), ("bad", "down")]
_LINES = b"text,label\ngood,up\nbad,down\n"
_TSV = "text\tlabel\n" + "".join(f"row {n}\tup\n" for n in range(100))
_LONE = _TSV + '"so it begins\tup\n' + "".join(f"row {n}\tdown\n" for n in range(200)) + 'and ends"\tup\n'

ODD_FILES: tuple[OddFile, ...] = (
    # encodings
    OddFile("mark-utf-8.csv", b"\xef\xbb\xbf" + _LINES, _GOOD),
    OddFile("mark-utf-8.jsonl", b'\xef\xbb\xbf{"text": "good", "label": "up"}\n', [("good", "up")]),
    OddFile("mark-utf-16-le.csv", b"\xff\xfe" + _LINES.decode().encode("utf-16-le"), _GOOD),
    OddFile("mark-utf-16-be.tsv", b"\xfe\xff" + _LINES.replace(b",", b"\t").decode().encode("utf-16-be"), _GOOD),
    OddFile("mark-utf-32.csv", b"\xff\xfe\0\0" + _LINES.decode().encode("utf-32-le"), _GOOD),
    OddFile("no-mark-utf-16.csv", _LINES.decode().encode("utf-16-le"), "looks like UTF-16 without .*utf-16-le"),
    OddFile(
        "no-mark-no-order.csv",
        _LINES.decode().encode("utf-16-le"),
        "has no byte-order mark, so utf-16 does not say .*encoding=utf-16-le",
        ",encoding=utf-16",
    ),
    OddFile("no-mark-utf-16-named.csv", _LINES.decode().encode("utf-16-le"), _GOOD, ",encoding=utf-16-le"),
    OddFile("cut-utf-16.csv", b"\xff\xfe" + _LINES.decode().encode("utf-16-le")[:-1], r"line 3: byte 56 .*UTF-16"),
    OddFile(
        "windows-1252.csv", b"text,label\ngood,up\nna\xefve,up\n", r"line 3: byte 21 of the file \(0xef\) is not UTF-8"
    ),
    OddFile(
        "windows-1252-named.csv", b"text,label\n\x80 5 na\xefve,up\n", [("€ 5 naïve", "up")], ",encoding=windows-1252"
    ),
    OddFile(
        "windows-1252-undefined.csv", b"text,label\nx\x81,up\n", "line 2: byte 12 .*0x81", ",encoding=windows-1252"
    ),
    OddFile(
        "damaged-far.csv",
        _LINES + b"fine,up\n" * 50_000 + b"\xff,up\n" + b"fine,up\n" * 50_000,
        "line 50004: byte 400028 ",
    ),
    OddFile("damaged-between-breaks.csv", b'text,label\n"a\nb\nc",up\nx\xff,up\n', r"line 5: byte 23 "),
    OddFile("cut-in-a-character.txt", "good\nbad ü".encode()[:-1], "is plain text|line 2: byte 9 "),
    OddFile(
        "mark-against-name.csv",
        b"\xef\xbb\xbf" + _LINES,
        "mark of utf-8, but .* windows-1252",
        ",encoding=windows-1252",
    ),
    OddFile("encoding-unknown.csv", _LINES, "the encoding 'klingon' is unknown", ",encoding=klingon"),
    # line ends, quotes, separators
    OddFile("crlf.csv", b"text,label\r\ngood,up\r\n\r\nbad,down\r\n", _GOOD),
    OddFile(
        "carriage-returns.csv", b"text,label\rgood,up\rbad,down\r", "quotes or line ends are wrong|no column 'text'"
    ),
    OddFile(
        "breaks-in-quotes.csv",
        b'text,label\n"a\r\nb\n\nc",up\n"d\ne",down\n',
        [("a\r\nb\n\nc", "up"), ("d\ne", "down")],
    ),
    OddFile("line-separator.csv", "text,label\na\u2028b\x85c,up\n".encode(), [("a\u2028b\x85c", "up")]),
    OddFile("line-separator.jsonl", '{"text": "a\u2028b", "label": "up"}\n'.encode(), [("a\u2028b", "up")]),
    OddFile("doubled-quotes.csv", b'text,label\n"she said ""no""",up\n', [('she said "no"', "up")]),
    OddFile("open-quote.csv", b'text,label\nfine,up\n"a,up\nb,down\n', "line 3: the quotes or line ends are wrong"),
    OddFile("lone-quotes.tsv", _LONE.encode(), "line 102: a quote opens a field that ends 201 lines below"),
    OddFile(
        "lone-quotes.csv",
        b'text,label\nfine,up\nmeh,down\n"so it begins,up\nbad,down\nand ends",up\n',
        "line 4: a quote opens a field .* has a label like a row of its own",
    ),
    OddFile(
        "a-comma-on-each-line.csv",
        b'text,label\nfine,up\n"Roses are red,\nViolets are blue, I\nknow",up\n"red, so\nblue, up\n",up\n',
        [("fine", "up"), ("Roses are red,\nViolets are blue, I\nknow", "up"), ("red, so\nblue, up\n", "up")],
    ),
    OddFile(
        "lone-quotes-unquoted.tsv",
        b'text\tlabel\n"so\tup\nit"\tdown\n',
        [('"so', "up"), ('it"', "down")],
        ",quotes=none",
    ),
    OddFile("quotes-inside.tsv", b'text\tlabel\nthe "best" one\tup\n', [('the "best" one', "up")]),
    OddFile(
        "semicolons.csv",
        b'text;label\n"good; really";up\nbad, so;down\n',
        [("good; really", "up"), ("bad, so", "down")],
    ),
    OddFile("semicolons-told.csv", b"sep=;\r\ntext;label\r\ngood;up\r\nbad;down\r\n", _GOOD),
    OddFile("tabs.csv", b"text\tlabel\ngood\tup\nbad\tdown\n", _GOOD),
    OddFile("commas.tsv", _LINES, _GOOD),
    OddFile("bars.csv", b"id|text|label\n1|good|up\n2|bad|down\n", _GOOD),
    OddFile("carets.csv", b"text^label\ngood^up\nbad^down\n", _GOOD, ",separator=^"),
    OddFile("carets-unnamed.csv", b"text^label\ngood^up\n", r"has no column 'text', only 'text\^label'"),
    OddFile("blank-before-name.csv", b"id, text, label\n1,good,up\n2,bad,down\n", _GOOD),
    OddFile("CAPITALS.CSV", _LINES, _GOOD),
    OddFile("other-names.csv", b"body,queue\ngood,up\nbad,down\n", _GOOD, ",text=body,label=queue"),
    OddFile("other-names-unnamed.csv", b"body,queue\ngood,up\n", "has no column 'text', only 'body', 'queue'; rename"),
    OddFile("two-columns-of-a-name.csv", b"text,label,text\na,up,b\n", "has two columns 'text'"),
    OddFile(
        "surplus-field.csv",
        b"text,label\ngood,up\nbad, really,down\n",
        "line 3 has 3 fields, the header 2: 'down' is too many",
    ),
    OddFile(
        "missing-field.csv", b"text,label\ngood,up\nbad\n", "line 3 has 1 fields, the header 2: no value for 'label'"
    ),
    OddFile("megabyte.csv", f"text,label\n{_LONG},up\n".encode(), [(_LONG, "up")]),
    OddFile("zero-byte.csv", b"text,label\na\0b,up\n", [("a\0b", "up")]),
    # texts and labels that look like gaps, numbers, dates
    OddFile(
        "missing-words-as-texts.csv",
        b"text,label\nNA,up\nnull,down\nNone,up\nnan,up\n",
        [("NA", "up"), ("null", "down"), ("None", "up"), ("nan", "up")],
    ),
    OddFile(
        "missing-words-as-labels.csv",
        b"text,label\na,NA\nb,null\nc,None\n",
        [("a", "NA"), ("b", "null"), ("c", "None")],
    ),
    OddFile("blank-text.csv", b"text,label\ngood,up\n  ,up\n", "line 3, column 'text': the text is empty"),
    OddFile("blank-label.csv", b"text,label\ngood,up\nbad, \n", "line 3, column 'label': the label is missing"),
    OddFile("dates.csv", b"text,label\na,2024-01-31\nb,2024-02-29\n", [("a", "2024-01-31"), ("b", "2024-02-29")]),
    OddFile("numbers.csv", b"text,label\na,10\nb,9\nc,-1\n", [("a", "10"), ("b", "9"), ("c", "-1")]),
    OddFile(
        "numbers-as-texts.jsonl", b'{"text": 12345, "label": 1}\n', r"line 1, column 'text': the text is 12345 \(int\)"
    ),
    # JSON
    OddFile(
        "blank-lines.jsonl",
        b'\n{"text": "good", "label": 1}\n \t\n{"text": "bad", "label": 1.0}\n\n',
        [("good", 1), ("bad", 1)],
    ),
    OddFile("trailing-commas.jsonl", b'{"text": "good", "label": "up"},\n{"text": "bad", "label": "down"},\n', _GOOD),
    OddFile("one-array.jsonl", b'[\n{"text": "good", "label": "up"},\n{"text": "bad", "label": "down"}\n]\n', _GOOD),
    OddFile("one-array.json", json.dumps([{"text": t, "label": n} for t, n in _GOOD], indent=2).encode(), _GOOD),
    OddFile("array-with-a-gap.json", b'[{"text": "good", "label": "up"},\n 7]', "line 2 is not a JSON object"),
    OddFile("array-cut.json", b'[{"text": "good", "label": "up"},\n{"text": "bad"', "line 2 is not JSON"),
    OddFile(
        "array-and-more.json", b'[{"text": "good", "label": "up"}]\n{}', "line 2: the array has ended, but more follows"
    ),
    OddFile("nested.jsonl", b'{"text": "good", "label": "up", "meta": {"ids": [1, {"a": null}]}}\n', [("good", "up")]),
    OddFile(
        "nested-text.jsonl",
        b'{"text": {"body": "good"}, "label": "up"}\n',
        r"line 1, column 'text': the text is {'body': 'good'} \(dict\)",
    ),
    OddFile(
        "list-text.jsonl", b'{"text": ["good"], "label": "up"}\n', r"column 'text': the text is \['good'\] \(list\)"
    ),
    OddFile(
        "struct-label.jsonl", b'{"text": "good", "label": {"a": 1}}\n', "line 1, column 'label': the label is {'a': 1}"
    ),
    OddFile(
        "null-label.jsonl",
        b'{"text": "good", "label": 1}\n{"text": "bad", "label": null}\n',
        "line 2, column 'label': the label is missing",
    ),
    OddFile("nan-label.jsonl", b'{"text": "good", "label": NaN}\n', "line 1, column 'label': the label is missing"),
    OddFile(
        "booleans.jsonl",
        b'{"text": "good", "label": true}\n{"text": "bad", "label": false}\n',
        [("good", True), ("bad", False)],
    ),
    OddFile(
        "lone-surrogate.jsonl",
        b'{"text": "x\\ud83d", "label": "up"}\n',
        "line 1, column 'text': .* half of a surrogate pair",
    ),
    OddFile(
        "same-key-twice.jsonl",
        b'{"text": "x", "text": "y", "label": "up"}\n',
        "line 1 is not JSON: an object has the same key twice",
    ),
    OddFile("no-json.jsonl", b"text,label\ngood,up\n", "line 1 is not JSON"),
    # Parquet
    OddFile(
        "dictionary.parquet",
        _table(pa.array(["good", "bad"]).dictionary_encode(), pa.array(["up", "down"]).dictionary_encode()),
        _GOOD,
    ),
    OddFile("bytes.parquet", _table([b"good", "naïve".encode()], [b"up", b"up"]), [("good", "up"), ("naïve", "up")]),
    OddFile(
        "bytes-windows-1252.parquet",
        _table([b"good", b"na\xefve"], [b"up", b"up"]),
        "row 2, column 'text': .* are bytes that are not UTF-8",
    ),
    OddFile("large-string.parquet", _table(pa.array(["good", "bad"], pa.large_string()), ["up", "down"]), _GOOD),
    OddFile("broken-string.parquet", _broken_text, "row 2, column 'text': the bytes are not UTF-8"),
    OddFile(
        "list-text.parquet", _table([["good"], ["bad"]], ["up", "down"]), "row 1, column 'text': the text is .*list"
    ),
    OddFile("struct-label.parquet", _table(["good"], [{"a": 1}]), "row 1, column 'label': the label is {'a': 1}"),
    OddFile("float-label.parquet", _table(["good", "bad"], [1.0, 0.0]), [("good", 1), ("bad", 0)]),
    OddFile(
        "gap-among-floats.parquet", _table(["good", "bad"], [1.0, None]), "row 2, column 'label': the label is missing"
    ),
    OddFile(
        "nan-among-floats.parquet",
        _table(["good", "bad"], [1.0, float("nan")]),
        "row 2, column 'label': the label is missing",
    ),
    OddFile(
        "date-label.parquet",
        _table(["good", "bad"], [date(2024, 1, 31), date(2024, 2, 29)]),
        [("good", "2024-01-31"), ("bad", "2024-02-29")],
    ),
    OddFile("time-label.parquet", _table(["good"], [datetime(2024, 1, 31, 12)]), [("good", "2024-01-31T12:00:00")]),  # noqa: DTZ001 - as files hold it
    OddFile("decimal-label.parquet", _table(["good"], [Decimal("2.00")]), [("good", 2)]),
    OddFile(
        "year-out-of-range.parquet",
        _table(["good"], pa.array([2**60], pa.timestamp("ms"))),
        "row 1, column 'label': Python cannot hold the value",
    ),
    OddFile("no-parquet.parquet", b"PAR1 or not", "cannot be read as Parquet"),
    OddFile("empty.parquet", b"", "cannot be read as Parquet"),
    # nothing in it
    OddFile("empty.csv", b"", "is empty; its first line must name the columns"),
    OddFile("empty.jsonl", b"", "holds no row"),
    OddFile("empty-array.json", b"[]", "holds no row"),
    OddFile("header-alone.csv", b"text,label\n", "holds no row"),
    OddFile("workbook.xlsx", b"PK\3\4", "is none of .parquet|is neither a .parquet"),
)
