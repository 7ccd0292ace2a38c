"""Rows: a file's parts hold exactly its rows, whatever its format; what is malformed is named."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk.files.inputs import SUFFIXES
from bulk.files.rows import LINE, PART_ROWS, AllColumns, Part, count_rows, read_parts
from tests.support.odd_files import ODD_FILES, OddFile
from tests.support.tables import only, write_json_lines, write_parquet
from training.reading import DataError, parse_file

ROWS = 2 * PART_ROWS + 3
TEXTS = [f"text {row}" for row in range(ROWS)]


def make_file(folder: Path, kind: str) -> Path:
    """Write ``TEXTS`` in a format."""
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        return write_parquet(path, {"id": list(range(ROWS)), "text": TEXTS}, row_group_size=700)
    if kind == "jsonl":
        return write_json_lines(path, [{"id": row, "text": text} for row, text in enumerate(TEXTS)])
    if kind == "jsonl.gz":
        path.write_bytes(gzip.compress("".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()))
        return path
    separator = "\t" if kind == "tsv" else ","
    header = "" if kind == "txt" else f"id{separator}text\n"
    path.write_text(
        header + "".join(f"{'' if kind == 'txt' else f'{i:05}{separator}'}{t}\n" for i, t in enumerate(TEXTS))
    )
    return path


def read(path: Path, *wanted: int, added: str = "label") -> list[Part | None]:
    """Return all parts of a file, or those that are wanted."""
    columns = AllColumns("text", added=frozenset({added}))
    return list(read_parts(only(path), columns, lambda index: not wanted or index in wanted))


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "jsonl", "jsonl.gz", "txt"])
def test_the_parts_of_a_file_hold_its_rows_in_order(tmp_path: Path, kind: str) -> None:
    """No format loses, doubles or moves a row."""
    parts = [part for part in read(make_file(tmp_path, kind)) if part is not None]
    assert [0, 1, 2] == [part.index for part in parts]
    assert TEXTS == [text for part in parts for text in part.texts]
    assert ROWS == sum(part.table.num_rows for part in parts)
    first_line = {"csv": 2, "tsv": 2}.get(kind, 1)
    assert list(range(first_line, first_line + ROWS)) == [number for part in parts for number in part.numbers]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_a_part_holds_the_same_rows_when_the_others_are_left_out(tmp_path: Path, kind: str, wanted: int) -> None:
    """So a run can go on from any part, and parts can be shared out."""
    path = make_file(tmp_path, kind)
    parts = read(path, wanted)
    assert [index == wanted for index in range(3)] == [part is not None for part in parts]
    whole, alone = read(path)[wanted], parts[wanted]
    assert whole is not None
    assert alone is not None
    assert (whole.texts, whole.numbers, whole.table) == (alone.texts, alone.numbers, alone.table)


def test_columns_of_separated_files_stay_text(tmp_path: Path) -> None:
    """00001 does not become 1."""
    (first, *_) = read(make_file(tmp_path, "csv"))
    assert first is not None
    assert ["00000", "00001"] == first.table["id"].to_pylist()[:2]


def test_a_json_line_is_kept_as_it_was_written(tmp_path: Path) -> None:
    """Spaces, numbers and the order of keys are the user's."""
    line = '{"b": 1.00,  "text":"x", "a": 1e5}'
    (tmp_path / "t.jsonl").write_text(line + "\n")
    (part,) = read(tmp_path / "t.jsonl")
    assert part is not None
    assert [line] == part.table[LINE].to_pylist()


@pytest.mark.parametrize(("name", "content"), [("t.csv", "id,text\n"), ("t.jsonl", ""), ("t.txt", "\n")])
def test_a_file_without_rows_is_one_empty_part(tmp_path: Path, name: str, content: str) -> None:
    """Its output is empty, too, instead of missing."""
    (tmp_path / name).write_text(content)
    (part,) = read(tmp_path / name)
    assert part is not None
    assert (0, []) == (part.table.num_rows, part.texts)


def test_a_parquet_file_without_rows_is_one_empty_part(tmp_path: Path) -> None:
    """Its columns stay."""
    parquet.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "t.parquet")
    (part,) = read(tmp_path / "t.parquet")
    assert part is not None
    assert ["text"] == part.table.column_names


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"id,text\n1,a\n2\n", r"t\.csv line 3 has 1 fields, the header 2"),
        ("t.csv", b"id,body\n1,a\n", r"t\.csv has no column 'text', only 'id', 'body'"),
        ("t.csv", b"", r"t\.csv is empty"),
        ("t.csv", b"text,text\na,b\n", r"has two columns 'text'"),
        ("t.csv", b"text,label\na,b\n", r"has 'label' already, which scoring adds; .* --prefix"),
        ("t.csv", b"text\ncaf\xe9\n", r"t\.csv line 2: byte 8 of the file \(0xe9\) is not UTF-8"),
        ("t.jsonl", b'{"text": "a"}\n{"text": \n', r"t\.jsonl line 2 is not JSON"),
        ("t.jsonl", b'{"text": "a", "label": 1}\n', r"t\.jsonl line 1 has 'label' already"),
        ("t.jsonl", b'{"text": "\\ud800"}\n', r"t\.jsonl line 1, column 'text': .* half of a surrogate pair"),
        ("t.jsonl.gz", b"no gzip", r"t\.jsonl\.gz cannot be read"),
        ("t.parquet", b"no parquet", r"t\.parquet cannot be read"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """One line that names file, row and column."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    """The rows before the end of the download are no whole file."""
    path = make_file(tmp_path, "jsonl.gz")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"rows\.jsonl\.gz"):
        read(path)


def test_a_footer_says_how_many_rows_there_are(tmp_path: Path) -> None:
    """Without reading them."""
    assert ROWS == count_rows(only(make_file(tmp_path, "parquet")))


@pytest.mark.parametrize("odd", [odd for odd in ODD_FILES if odd.name.endswith(SUFFIXES)], ids=lambda odd: odd.name)
def test_odd_files_are_read_as_training_reads_them(odd: OddFile, tmp_path: Path) -> None:
    """Files as people have them give the same texts as in training, or one line."""
    path = odd.write(tmp_path)
    try:
        source = parse_file(f"{path}{odd.options}")
        columns = AllColumns(source.columns.text, text_format=source.text_format)
        parts = list(read_parts(only(path), columns, lambda _: True))
    except DataError as error:
        assert isinstance(odd.expected, str)
        assert "\n" not in str(error)  # noqa: PT017 - it may be raised or not: scoring takes texts without labels
    else:
        if isinstance(odd.expected, list):
            assert [text for text, _ in odd.expected] == [text for part in parts if part for text in part.texts]
