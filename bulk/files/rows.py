"""An input file -> its parts: tables of 512 rows, by the rules of ``training.reading``.

A file's rows come exactly as they were written, or the file is refused with one ``DataError`` that names the row.
Columns of CSV and TSV files are text. A JSON line is kept as it was written. A part is what is scored, stored and
taken up again after an interruption: part 3 of a file always holds the rows from 1,536.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from bulk.files.inputs import InputFile
from training.reading import DataError, TextFormat
from training.reading.encoding import UTF_8
from training.reading.lines import check_encodable, json_records, read_plain
from training.reading.rows import Columns
from training.reading.separated import read_separated

PART_ROWS: Final = 512
"""Enough for micro-batches of nearly equal lengths; 512 sentences take seconds, 512 reviews a quarter of a minute."""
JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
LINE: Final = "__line"
"""The one column of a part of a JSON file: each object as it was written, on one line."""

Wanted = Callable[[int], bool]
"""Whether a part is to be scored, by its index."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that follow each other in a file.

    Attributes:
        index: counts the parts of the file from 0.
        table: the input's columns.
        texts: what stands in the text's column, with ``text_pair`` a tuple of both; None where there is nothing.
        numbers: of the rows, from 1: lines of a text file, rows of a Parquet file.
    """

    index: int
    table: pa.Table
    texts: list[object]
    numbers: list[int]


@dataclass(frozen=True, slots=True)
class AllColumns(Columns):
    """All columns of a file, one of which is the text.

    Attributes:
        added: names of columns that scoring adds, which the file may not have.
        text_format: how text files are written.
    """

    label: str | None = None
    added: frozenset[str] = frozenset()
    text_format: TextFormat = UTF_8

    def among(self, found: Sequence[str], where: str) -> list[str]:
        """Return all columns, after a check.

        Raises:
            DataError: if the text's column is missing, a name occurs twice, or one is to be added.
        """
        for name in self.needed:
            if name not in found:
                raise DataError(f"{where} has no column {name!r}, only {', '.join(map(repr, found)) or 'none'}")
        twice = next((name for name in found if found.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{where} has two columns {twice!r}; rename one of them")
        self.check_free(found, where)
        return list(found)

    def content(self, values: Mapping[str, Any]) -> object:
        """Return what is scored of a row: the text, or both texts of a pair."""
        return values[self.text] if self.text_pair is None else (values[self.text], values[self.text_pair])

    def check_free(self, found: Iterable[str], where: str) -> None:
        """Check that no column has the name of one that scoring adds.

        Raises:
            DataError: if one has.
        """
        taken = self.added.intersection(found)
        if taken:
            named = ", ".join(map(repr, sorted(taken)))
            raise DataError(f"{where} has {named} already, which scoring adds; name what it adds with --prefix scored_")


def read_parts(file: InputFile, columns: AllColumns, wanted: Wanted) -> Iterator[Part | None]:
    """Yield the parts of a file in order, and None in place of one that is not wanted; one empty part for no rows.

    Text files cannot be entered in the middle: they are read, and checked, from the start.

    Raises:
        DataError: if the file is not what its name says; rows before the wrong one have been yielded.
    """
    try:
        if file.suffix == ".parquet":
            yield from _parquet_parts(file, columns, wanted)
        elif file.suffix in JSON_LINES:
            yield from _collect(_json_rows(file, columns), wanted, _json_table, [LINE])
        else:
            yield from _separated_parts(file, columns, wanted)
    except (OSError, EOFError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read: {str(error).partition(chr(10))[0]}") from error


def count_rows(file: InputFile) -> int:
    """Return the rows of a Parquet file, from its footer.

    Raises:
        DataError: if it is not Parquet.
    """
    try:
        with file.open_anywhere() as stream:
            return int(parquet.read_metadata(stream).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read as Parquet: {str(error).partition(chr(10))[0]}") from error


def _separated_parts(file: InputFile, columns: AllColumns, wanted: Wanted) -> Iterator[Part | None]:
    reader = read_plain if file.suffix == ".txt" else read_separated
    records = reader(file, columns, columns.text_format)
    first = next(records, None)
    if first is None:
        names = columns.needed if file.suffix == ".txt" else columns.among(header(file, columns.text_format), str(file))
        yield Part(0, pa.table({name: pa.array([], pa.string()) for name in names}), [], [])
        return
    rows = ((number, values, columns.content(values)) for number, values in itertools.chain([first], records))
    yield from _collect(rows, wanted, _text_table, list(first[1]))


def header(file: InputFile, text_format: TextFormat) -> list[str]:
    """Return the columns that the first line of a CSV or TSV file names.

    Raises:
        DataError: if it has no such line.
    """
    columns = _Header()
    next(read_separated(file, columns, text_format), None)
    return columns.found


class _Header(Columns):
    """Takes any columns and remembers them."""

    def __init__(self) -> None:
        super().__init__(label=None)
        object.__setattr__(self, "found", [])  # the class above is frozen

    found: list[str]

    def fit(self, found: Sequence[str]) -> bool:
        return len(found) > 1

    def among(self, found: Sequence[str], where: str) -> list[str]:
        self.found.extend(found)
        return list(dict.fromkeys(found))


def _json_rows(file: InputFile, columns: AllColumns) -> Iterator[tuple[int, str, object]]:
    for number, line, record in json_records(file, columns.text, columns.text_format):
        where = f"{file} line {number}"
        check_encodable(line, where)
        columns.check_free(record, where)
        values = {name: check_encodable(record.get(name), f"{where}, column {name!r}") for name in columns.needed}
        yield number, line, columns.content(values)


def _text_table(names: list[str], records: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.table({name: pa.array([record[name] for record in records], pa.string()) for name in names})


def _json_table(names: list[str], lines: Sequence[str]) -> pa.Table:
    return pa.table({names[0]: pa.array(lines, pa.string())})


def _collect(
    rows: Iterable[tuple[int, Any, object]],
    wanted: Wanted,
    table: Callable[[list[str], list[Any]], pa.Table],
    names: list[str],
) -> Iterator[Part | None]:
    rows = iter(rows)
    for index in itertools.count():
        taken = list(itertools.islice(rows, PART_ROWS))
        if not taken and index:
            return
        if wanted(index):
            numbers, values, texts = map(list, zip(*taken, strict=True)) if taken else ([], [], [])
            yield Part(index, table(names, values), texts, numbers)
        else:
            yield None


def _parquet_parts(file: InputFile, columns: AllColumns, wanted: Wanted) -> Iterator[Part | None]:
    with file.open_anywhere() as stream, parquet.ParquetFile(stream) as source:
        columns.among(source.schema_arrow.names, str(file))
        count = max(1, -(-source.metadata.num_rows // PART_ROWS))
        first = next((index for index in range(count) if wanted(index)), count)
        yield from itertools.repeat(None, first)
        for index, rows in enumerate(_tables(source, first * PART_ROWS), first):
            if not wanted(index):
                yield None
                continue
            numbers = list(range(index * PART_ROWS + 1, index * PART_ROWS + 1 + len(rows)))
            read = {name: _texts(rows[name], f"{file} row", numbers, name) for name in columns.needed}
            texts = [columns.content(dict(zip(read, each, strict=True))) for each in zip(*read.values(), strict=True)]
            yield Part(index, rows, texts, numbers)


def _tables(source: parquet.ParquetFile, start: int) -> Iterator[pa.Table]:
    """Yield tables of ``PART_ROWS`` rows from a row on; row groups before it are not read."""
    ends = list(itertools.accumulate(source.metadata.row_group(g).num_rows for g in range(source.num_row_groups)))
    skipped = sum(end <= start for end in ends)
    before = start - (ends[skipped - 1] if skipped else 0)
    waiting, have = [], 0
    for batch in source.iter_batches(PART_ROWS, row_groups=list(range(skipped, source.num_row_groups))):
        cut = min(before, len(batch))
        before -= cut
        waiting.append(batch.slice(cut))
        have += len(batch) - cut
        while have >= PART_ROWS:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, PART_ROWS)
            waiting, have = table.slice(PART_ROWS).to_batches(), have - PART_ROWS
    if have or source.metadata.num_rows == 0:
        yield pa.Table.from_batches(waiting, source.schema_arrow)


def _texts(column: pa.ChunkedArray, where: str, numbers: Sequence[int], name: str) -> list[object]:
    try:
        return [_decoded(value) for value in column.to_pylist()]
    except (ValueError, OverflowError):
        for number, value in zip(numbers, column, strict=True):
            try:
                value.as_py()
            except UnicodeDecodeError as error:
                raise DataError(f"{where} {number}, column {name!r}: the bytes are not UTF-8 ({error})") from error
            except (ValueError, OverflowError) as error:
                raise DataError(f"{where} {number}, column {name!r}: Python cannot hold the value ({error})") from error
        raise


def _decoded(value: object) -> object:
    """Return bytes that are UTF-8 as text, all others as they are: their row gets an error."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
