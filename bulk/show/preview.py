"""The first rows of the inputs: to choose the text's column, to show a sample, to estimate rows, time and cost."""

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from bulk.errors import UsageError
from bulk.files.inputs import InputFile
from bulk.files.rows import JSON_LINES, PART_ROWS, AllColumns, header, read_parts
from training.reading import DataError, TextFormat
from training.reading.encoding import UTF_8
from training.reading.lines import json_records
from training.reading.separated import read_separated

_GUESSED_FROM: Final = 100
"""Rows by which the text's column is guessed."""
_FILES: Final = 8
_NAME: Final = "text"
"""A column of this name is the text; so are the lines of a plain text file."""
PAIR: Final = "text_pair"
"""A column of this name is the second text of a pair, unless another one is named."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some rows from the start of the files.

    Attributes:
        texts: as they are; None where there is none.
        bytes_per_row: of the text files, compressed as they are; 0 without text files.
    """

    texts: list[object]
    bytes_per_row: float


def choose_text(
    files: Sequence[InputFile],
    named: str | None,
    added: Sequence[str],
    text_format: TextFormat = UTF_8,
    *,
    pair: str | None = None,
) -> str:
    """Return the text's column: the one that is named, the one called ``text``, or the only one with several words.

    Args:
        files: the first one that can be read decides.
        named: by the user; None guesses.
        added: names of the columns that scoring adds.
        text_format: how text files are written.
        pair: the second text's column, which is not guessed.

    Raises:
        UsageError: if there is none, more than one, or a column has the name of one that is added.
        DataError: if no file can be read.
    """
    file, columns = _first_columns(files, text_format)
    listed = "; ".join(f"{name!r} ({_shown(values)})" for name, values in columns.items()) or "none"
    for name in (named, pair):
        if name is not None and name not in columns:
            asked = "; name the second text's with --text-pair" if name == pair else ""
            raise UsageError(f"{file} has no column {name!r}{asked}. Its columns: {listed}")
    try:
        AllColumns(added=frozenset(added)).check_free(columns, str(file))
    except DataError as error:
        raise UsageError(str(error)) from None
    if named is not None:
        return named
    if _NAME in columns:
        return _NAME
    prose = [name for name, values in columns.items() if name != pair and _is_prose(values)]
    if len(prose) == 1:
        return prose[0]
    what = "no column of texts" if not prose else f"{len(prose)} columns of texts"
    raise UsageError(f"{file} has {what}; choose one with --text COLUMN. Its columns: {listed}")


def _first_columns(files: Sequence[InputFile], text_format: TextFormat) -> tuple[InputFile, dict[str, list[Any]]]:
    problem: DataError | None = None
    for file in files:
        try:
            return file, _columns(file, text_format)
        except DataError as error:
            problem = problem or error
        except (OSError, EOFError, UnicodeDecodeError, pa.ArrowException) as error:
            problem = problem or DataError(f"{file} cannot be read: {str(error).partition(chr(10))[0]}")
    raise problem or DataError("there is no file")


def sample(files: Sequence[InputFile], columns: AllColumns, rows: int) -> Sample:
    """Return the first rows, an equal share of each of up to eight files.

    Raises:
        DataError: if a file cannot be read.
    """
    chosen = list(files[:: max(1, len(files) // _FILES)])[:_FILES]
    share = -(-rows // len(chosen))
    texts: list[object] = []
    text_bytes, text_rows = 0.0, 0
    for file in chosen:
        found: list[object] = []
        for part in itertools.islice(read_parts(file, columns, _every), -(-share // PART_ROWS)):
            if part is not None:
                found += part.texts
                text_bytes += 0 if file.suffix == ".parquet" else _stored_bytes(file, part.table)
        texts += found[:share]
        text_rows += 0 if file.suffix == ".parquet" else len(found)
    return Sample(texts[:rows], text_bytes / text_rows if text_rows else 0.0)


def _every(_: int) -> bool:
    return True


def _stored_bytes(file: InputFile, table: pa.Table) -> float:
    """Return how many bytes of a text file such rows take; separators are about as long as Arrow's offsets."""
    if not file.compression or not table.num_rows:
        return float(table.nbytes)
    content = "\n".join(str(value) for column in table.columns for value in column.to_pylist())
    return len(zlib.compress(content.encode("utf-8", "replace")))


def _columns(file: InputFile, text_format: TextFormat) -> dict[str, list[Any]]:
    """Return the values of the first rows by column."""
    if file.suffix == ".txt":
        return {_NAME: []}
    if file.suffix == ".parquet":
        with file.open_anywhere() as stream, parquet.ParquetFile(stream) as source:
            batch = next(source.iter_batches(_GUESSED_FROM), None)
            names = source.schema_arrow.names
            return {name: _values(batch.column(name)) if batch is not None else [] for name in names}
    if file.suffix in JSON_LINES:
        found = itertools.islice(json_records(file, _NAME, text_format), _GUESSED_FROM)
        records = [record for _, _, record in found]
        names = list(dict.fromkeys(name for record in records for name in record))
        return {name: [record.get(name) for record in records] for name in names}
    columns = header(file, text_format)
    rows = list(itertools.islice(read_separated(file, AllColumns(columns[0]), text_format), _GUESSED_FROM))
    return {name: [values[name] for _, values in rows] for name in columns}


def _values(column: pa.Array) -> list[Any]:
    """Return a column's values; none where Python cannot hold one, which then is no text."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        return []


def _is_prose(values: Sequence[Any]) -> bool:
    """Return whether half of the values that are there are of two words or more."""
    there = [value for value in values if value not in (None, "")]
    words = sum(isinstance(value, str) and len(value.split()) > 1 for value in there)
    return words > 0 and words * 2 >= len(there)


def _shown(values: Sequence[Any]) -> str:
    example = next((value for value in values if value not in (None, "")), None)
    return "empty" if example is None else f"such as {example!r:.40}"
