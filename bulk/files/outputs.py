"""Scored parts -> the output of a file: Parquet, CSV or JSON lines.

A part is a Parquet table of the input's columns and the scores. Parquet and CSV take its columns; JSON lines add the
scores to each line as it was written. JSON lines that become a table get the type that fits all values of a column;
where none does, the column holds each value as JSON text, and a note says so.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

import pyarrow as pa
from pyarrow import parquet

from bulk.files.columns import ScoreColumns
from bulk.files.rows import LINE
from training.reading import DataError

_NUMBER: Final = re.compile(r"[-+]?[0-9]*[.,]?[0-9]+([eE][-+]?[0-9]+)?%?")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell: OWASP, "CSV Injection"."""

Parts = Callable[[], Iterator[pa.Table]]
"""Reads the scored parts of a file in order; called once for each pass over them."""


@dataclass(slots=True)
class Written:
    """What writing an output found out.

    Attributes:
        labels: rows by label.
        notes: what a reader of the output should know.
    """

    labels: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def write(path: Path, format_: str, parts: Parts, scores: ScoreColumns, *, csv_safe: bool = False) -> Written:
    """Write the output of one file.

    Args:
        path: local file to write.
        format_: ``parquet``, ``csv`` or ``jsonl``.
        parts: the scored parts.
        scores: the columns that were added.
        csv_safe: whether an apostrophe is put before text that a spreadsheet would compute.

    Raises:
        DataError: if CSV or JSON cannot hold a value of a Parquet column.
    """
    written = Written()
    first = next(parts())
    if LINE in first.column_names and format_ != "jsonl":
        parts = _typed(parts, scores, written)
    with _WRITERS[format_](path, csv_safe=csv_safe) as add:
        for table in parts():
            written.labels.update(scores.count_labels(table))
            add(table)
    return written


@contextmanager
def _parquet(path: Path, *, csv_safe: bool) -> Iterator[Callable[[pa.Table], None]]:
    writer: parquet.ParquetWriter | None = None

    def add(table: pa.Table) -> None:
        nonlocal writer
        if writer is None:
            writer = parquet.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)

    try:
        yield add
    finally:
        if writer is not None:
            writer.close()


@contextmanager
def _csv(path: Path, *, csv_safe: bool) -> Iterator[Callable[[pa.Table], None]]:
    safe = _safe if csv_safe else str
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        begun = False

        def add(table: pa.Table) -> None:
            nonlocal begun
            if not begun:
                writer.writerow(map(safe, table.column_names))
                begun = True
            rows = zip(*(_values(table, name) for name in table.column_names), strict=True)
            writer.writerows([_cell(value, safe) for value in row] for row in rows)

        yield add


@contextmanager
def _json_lines(path: Path, *, csv_safe: bool) -> Iterator[Callable[[pa.Table], None]]:
    with path.open("w", encoding="utf-8", newline="") as stream:
        yield lambda table: _write_json_lines(stream, table)


def _write_json_lines(stream: TextIO, table: pa.Table) -> None:
    if LINE not in table.column_names:
        columns = {name: _values(table, name) for name in table.column_names}
        rows = zip(*columns.values(), strict=True)
        stream.writelines(_json(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
        return
    for line, row in zip(table[LINE].to_pylist(), table.drop_columns([LINE]).to_pylist(), strict=True):
        body = line.rstrip().removesuffix("}").rstrip()
        stream.write(f"{body}{'' if body.endswith('{') else ', '}{_json(row)[1:]}\n")


def _values(table: pa.Table, name: str) -> list[Any]:
    try:
        return list(table[name].to_pylist())
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"the column {name!r} holds a value that cannot be written as text ({error}); write --format parquet"
        ) from error


_WRITERS: Final = {"parquet": _parquet, "csv": _csv, "jsonl": _json_lines}


def _typed(parts: Parts, scores: ScoreColumns, written: Written) -> Parts:
    """Return parts with a column for every key of the JSON lines, of one type in all parts."""
    types: dict[str, pa.DataType | None] = {}
    for table in parts():
        for name, values in _keys(table).items():
            found = _type(values)
            types[name] = found if name not in types else _joint(types[name], found)
    as_json = [name for name, type_ in types.items() if type_ is None]
    if as_json:
        written.notes.append(f"columns with values of several kinds, written as JSON text: {', '.join(as_json)}")
    own = [
        pa.field(name, pa.string() if type_ is None or pa.types.is_null(type_) else type_)
        for name, type_ in types.items()
    ]

    def read() -> Iterator[pa.Table]:
        for table in parts():
            keys = _keys(table)
            arrays = [_array(keys.get(field.name, [None] * len(table)), field.type, types[field.name]) for field in own]
            scored = [table[name] for name in scores.schema.names]
            yield pa.Table.from_arrays([*arrays, *scored], schema=pa.schema([*own, *scores.schema]))

    return read


def _keys(table: pa.Table) -> dict[str, list[Any]]:
    records = [json.loads(line) for line in table[LINE].to_pylist()]
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}


def _type(values: Sequence[Any]) -> pa.DataType | None:
    try:
        found = pa.array(values).type
    except (pa.ArrowException, OverflowError):
        return None
    return None if pa.types.is_nested(found) else found


def _joint(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    if one is None or other is None:
        return None
    try:
        schemas = [pa.schema([("", one)]), pa.schema([("", other)])]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def _array(values: Sequence[Any], type_: pa.DataType, found: pa.DataType | None) -> pa.Array:
    if found is None:
        return pa.array([None if value is None else json.dumps(value, ensure_ascii=False) for value in values], type_)
    return pa.array(values, type_)


def _cell(value: Any, safe: Callable[[str], str]) -> Any:  # noqa: ANN401 - any value of a table
    if isinstance(value, str):
        return safe(value)
    return _json(value) if isinstance(value, list | dict | bool) else value


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def _json(value: Any) -> str:  # noqa: ANN401 - any value of a table
    return json.dumps(value, ensure_ascii=False, default=str)
