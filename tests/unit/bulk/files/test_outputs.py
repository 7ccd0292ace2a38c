"""Outputs: the input's columns come out untouched, in every format, with the scores behind them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk.files.columns import ScoreColumns
from bulk.files.outputs import Written, write
from bulk.files.rows import LINE
from bulk.scoring import Score
from training.reading import DataError

GOOD = Score("positive", [0.25, 0.75], 3)
FAILED = Score(None, [], error="the text is null")
COLUMNS = ScoreColumns()


def written(path: Path, tables: list[pa.Table], *, columns: ScoreColumns = COLUMNS, csv_safe: bool = False) -> Written:
    """Write the output of parts; the last row of each has an error."""

    def parts() -> Iterator[pa.Table]:
        for table in tables:
            yield columns.add_to(table, [*[GOOD] * (table.num_rows - 1), FAILED])

    return write(path, path.suffix[1:], parts, columns, csv_safe=csv_safe)


def lines(*rows: str) -> pa.Table:
    """Return a part of a JSON lines file."""
    return pa.table({LINE: list(rows)})


def test_parquet_keeps_types_and_metadata(tmp_path: Path) -> None:
    """Dates, nulls, nested values and the schema's notes are the input's."""
    table = pa.table({"when": pa.array([1, None], pa.timestamp("ms", "UTC")), "tags": [["a"], []]})
    written(
        tmp_path / "o.parquet",
        [table.replace_schema_metadata({"made": "by hand"}), table.replace_schema_metadata({"made": "by hand"})],
    )
    found = parquet.read_table(tmp_path / "o.parquet")
    assert found.select(["when", "tags"]) == pa.concat_tables([table, table])
    assert b"by hand" == found.schema.metadata[b"made"]
    assert ["label", "score", "tokens", "truncated", "unknown", "error"] == found.column_names[2:]
    assert [0.75, None] * 2 == found["score"].to_pylist()
    assert [None, "the text is null"] * 2 == found["error"].to_pylist()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_value_that_text_cannot_hold_is_named(tmp_path: Path, kind: str) -> None:
    """A time beyond the year 9999 stays in Parquet, and is one line in CSV and JSON, with the column and the remedy."""
    table = pa.table({"text": ["a"], "when": pa.array([2**60], pa.timestamp("ms"))})
    with pytest.raises(DataError, match=r"the column 'when' holds a value that cannot be written .*--format parquet"):
        written(tmp_path / f"o.{kind}", [table])
    written(tmp_path / "o.parquet", [table])
    assert table == parquet.read_table(tmp_path / "o.parquet").select(["text", "when"])


def test_labels_are_counted(tmp_path: Path) -> None:
    """Rows with an error have none."""
    found = written(tmp_path / "o.parquet", [pa.table({"text": ["a", "b", "c"]})])
    assert {"positive": 2} == found.labels


def test_json_lines_keep_each_line_as_it_was_written(tmp_path: Path) -> None:
    """The scores stand behind its last key; the rest is the user's, byte for byte."""
    written(tmp_path / "o.jsonl", [lines('{"b": 1.00,  "text":"x"} ', "{}")])
    first, second = (tmp_path / "o.jsonl").read_text().splitlines()
    assert first.startswith('{"b": 1.00,  "text":"x", "label": "positive", "score": 0.75, ')
    assert {"label": None, "error": "the text is null"}.items() <= json.loads(second).items()


def test_json_lines_become_columns_of_the_type_that_fits_all_parts(tmp_path: Path) -> None:
    """A key that is missing is null, and whole numbers give way to fractions in a later part."""
    written(tmp_path / "o.parquet", [lines('{"a": 1}', '{"b": null}'), lines('{"a": 2.5, "b": true}', "{}")])
    found = parquet.read_table(tmp_path / "o.parquet")
    assert [1.0, None, 2.5, None] == found["a"].to_pylist()
    assert [None, None, True, None] == found["b"].to_pylist()


def test_a_column_of_several_kinds_is_written_as_json_text_and_said(tmp_path: Path) -> None:
    """Nothing is lost where a table has no type for it."""
    found = written(tmp_path / "o.parquet", [lines('{"a": 1}', '{"a": "x"}'), lines('{"a": [1, 2]}', '{"a": null}')])
    assert ["1", '"x"', "[1, 2]", None] == parquet.read_table(tmp_path / "o.parquet")["a"].to_pylist()
    assert ["columns with values of several kinds, written as JSON text: a"] == found.notes


def test_csv_quotes_what_needs_it(tmp_path: Path) -> None:
    """Separators, quotes and line breaks inside a text come back."""
    text = 'a, "b"\nc'
    written(tmp_path / "o.csv", [pa.table({"text": [text, None], "ok": [True, False]})])
    with (tmp_path / "o.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert (text, "true", "positive", "0.75") == tuple(rows[0][name] for name in ("text", "ok", "label", "score"))


def test_csv_that_is_safe_has_no_formula(tmp_path: Path) -> None:
    """Cells and headers that a spreadsheet would compute get an apostrophe; numbers stay numbers."""
    cells = ["=1+1", "@SUM(A1)", "-2+3", "+cmd|' /C calc'!A0", "\t=1", "-5", "+4.5e3", "plain", "last"]
    written(tmp_path / "o.csv", [pa.table({"=text": cells})], csv_safe=True)
    with (tmp_path / "o.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert "'=text" == header[0]
    expected = ["'=1+1", "'@SUM(A1)", "'-2+3", "'+cmd|' /C calc'!A0", "'\t=1", "-5", "+4.5e3", "plain", "last"]
    assert expected == [row[0] for row in rows]


def test_probabilities_and_a_prefix_are_options(tmp_path: Path) -> None:
    """Every label's probability in the order of the labels, under names that the input does not have."""
    written(tmp_path / "o.parquet", [pa.table({"label": ["x", "y"]})], columns=ScoreColumns("p_", probabilities=True))
    found = parquet.read_table(tmp_path / "o.parquet")
    assert (["x", "y"], [[0.25, 0.75], None]) == (found["label"].to_pylist(), found["p_probabilities"].to_pylist())


def test_a_file_without_rows_has_an_output_without_rows(tmp_path: Path) -> None:
    """With all of its columns."""
    columns = COLUMNS
    empty = columns.add_to(pa.table({"text": pa.array([], pa.string())}), [])
    write(tmp_path / "o.csv", "csv", lambda: iter([empty]), columns)
    assert "text,label,score,tokens,truncated,unknown,error\n" == (tmp_path / "o.csv").read_text()
