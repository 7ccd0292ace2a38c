"""CSV and TSV: a header, then rows of as many fields.

Both quote as RFC 4180 says: a field that holds the separator, a line break or a quote stands in quotes, and quotes
inside it are doubled. Many TSV files do not quote at all; there a lone quote at the start of a field would join
all rows up to the next one. Such files are refused.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from training.reading.lines import DataFile, decoded_lines
from training.reading.rows import Columns, DataError, Record

_QUOTING: Final = "put the field in quotes and double each quote inside it, or use .jsonl or .parquet"


def read_separated(path: DataFile, columns: Columns) -> Iterator[Record]:
    """Yield one record per row; its number is the line on which it begins.

    Raises:
        DataError: if the quoting is wrong, a row has another number of fields than the header, or a column is missing.
    """
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    consumed: list[str] = []  # lines of the current row
    reader = csv.reader(_kept(decoded_lines(path), consumed), delimiter=separator, strict=True)
    header: list[str] = []
    wanted: list[tuple[str, int]] = []
    with _fields_of_any_length():
        try:
            for fields in reader:
                first = reader.line_num - len(consumed) + 1
                if header and fields:
                    _check(fields, header, f"{path} line {first}", separator, consumed)
                    yield first, {name: fields[place] for name, place in wanted}
                elif fields:
                    header = fields
                    wanted = [(name, header.index(name)) for name in columns.among(header, str(path))]
                consumed.clear()
        except csv.Error as error:
            first = reader.line_num - len(consumed) + 1
            raise DataError(f"{path} line {first}: the quotes or line ends are wrong ({error}); {_QUOTING}") from error
    if not header:
        raise DataError(f"{path} is empty; its first line must name the columns")


def _kept(lines: Iterator[str], consumed: list[str]) -> Iterator[str]:
    for line in lines:
        consumed.append(line)
        yield line


def _check(fields: Sequence[str], header: Sequence[str], where: str, separator: str, lines: Sequence[str]) -> None:
    if len(fields) < len(header):
        missing = ", ".join(map(repr, header[len(fields) :]))
        raise DataError(f"{where} has {len(fields)} fields, the header {len(header)}: no value for {missing}")
    if len(fields) > len(header):
        raise DataError(
            f"{where} has {len(fields)} fields, the header {len(header)}: {fields[len(header)]!r:.40} is too many; "
            f"if it belongs to the field before it, {_QUOTING}"
        )
    # As many separators on each line as in the header: each line is a row too, if quotes mean nothing in this file.
    rows = [line.count(separator) == len(header) - 1 for line in lines if line.strip()]
    if separator == "\t" and len(rows) > 1 and all(rows):
        raise DataError(
            f"{where}: a quote opens a field that ends {len(lines) - 1} lines below, and each of these lines looks "
            f"like a row of its own; if a field begins with a quote of its text, {_QUOTING}"
        )


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    earlier = csv.field_size_limit(sys.maxsize)  # the standard library's limit is 131,072 characters
    try:
        yield
    finally:
        csv.field_size_limit(earlier)
