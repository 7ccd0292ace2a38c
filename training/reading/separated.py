"""CSV and TSV: a header, then rows of as many fields.

Both quote as RFC 4180 says: a field that holds the separator, a line break or a quote stands in quotes, and quotes
inside it are doubled. Many TSV files do not quote at all; there a lone quote at the start of a field would join
all rows up to the next one. Such files are refused, unless the user says that quotes mean nothing in them. In CSV,
where a quoted text often has line breaks, they are recognized by the labels that stand inside the field.

The separator is the one by which the header has the columns that are asked for: a comma or, in a ``.tsv``, a tab; else
a semicolon, as spreadsheets write where the comma is decimal, a tab or a bar.
"""

import csv
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from training.reading.encoding import UTF_8, DataFile, TextFormat, decoded_lines
from training.reading.rows import Columns, DataError, Record

_QUOTING: Final = (
    "put the field in quotes and double each quote inside it, use .jsonl or .parquet, or say quotes=none behind the "
    "file's name (bulk: --quotes none) if quotes mean nothing in this file"
)
_SEPARATORS: Final = (",", ";", "\t", "|")
_DECLARED: Final = re.compile(r"sep=(.)[\r\n]*")
"""The first line by which spreadsheets tell each other the separator."""


def read_separated(path: DataFile, columns: Columns, text_format: TextFormat = UTF_8) -> Iterator[Record]:
    """Yield one record per row; its number is the line on which it begins.

    Raises:
        DataError: if the quoting is wrong, a row has another number of fields than the header, or a column is missing.
    """
    lines, separator = _begun(path, columns, text_format)
    consumed: list[str] = []  # lines of the current row
    kept = _kept(lines, consumed)
    unquoted = text_format.quotes == "none"
    reader = _split(kept, separator) if unquoted else csv.reader(kept, delimiter=separator, strict=True)
    header: list[str] = []
    wanted: list[tuple[str, int]] = []
    swallowed = _Swallowed(columns, separator)
    line = 0  # read so far
    with _fields_of_any_length():
        try:
            for fields in reader:
                first, line = line + 1, line + len(consumed)
                if header and fields:
                    _check(fields, header, f"{path} line {first}", "" if unquoted else separator, consumed)
                    swallowed.look_at(first, fields, header, consumed)
                    yield first, {name: fields[place] for name, place in wanted}
                elif fields:
                    header = fields if columns.fit(fields) else [name.strip() for name in fields]
                    wanted = [(name, header.index(name)) for name in columns.among(header, str(path))]
                consumed.clear()
        except csv.Error as error:
            raise DataError(
                f"{path} line {line + 1}: the quotes or line ends are wrong ({error}); {_QUOTING}"
            ) from error
    if not header:
        raise DataError(f"{path} is empty; its first line must name the columns")
    if swallowed.line is not None:
        raise DataError(
            f"{path} line {swallowed.line}: a quote opens a field that ends some lines below, and each of these lines "
            f"has a label like a row of its own; if a field begins with a quote of its text, {_QUOTING}"
        )


class _Swallowed:
    """Finds rows inside a quoted field: each of its lines splits into as many fields as the header, with a known label.

    Args:
        columns: one of which is the label; without it nothing is found.
        separator: of the fields.
    """

    def __init__(self, columns: Columns, separator: str) -> None:
        self._label, self._separator = columns.label, separator
        self._known: set[str] = set()
        self._suspected: list[tuple[int, set[str]]] = []

    def look_at(self, line: int, fields: Sequence[str], header: Sequence[str], lines: Sequence[str]) -> None:
        """Remember the label of a row on one line, and those inside a row on several lines that look like rows."""
        if self._label is None or self._label not in header:
            return
        place = header.index(self._label)
        if len(lines) == 1:
            self._known.add(fields[place])
            return
        parts = [plain.split(self._separator) for plain in map(str.strip, lines) if plain]
        if len(parts) > 1 and all(len(part) == len(header) for part in parts):
            self._suspected.append((line, {part[place] for part in parts}))

    @property
    def line(self) -> int | None:
        """The first line of a row whose lines all have labels that other rows have; None if there is none."""
        return next((line for line, labels in self._suspected if labels <= self._known), None)


def _begun(path: DataFile, columns: Columns, text_format: TextFormat) -> tuple[Iterator[str], str]:
    """Return all lines, and the separator that the first one that is not blank shows."""
    lines = decoded_lines(path, text_format)
    read: list[str] = []
    for line in lines:
        read.append(line)
        if line.strip():
            break
    first = read[-1] if read else ""
    separator = text_format.separator or ("\t" if path.suffix.lower() == ".tsv" else ",")
    if declared := _DECLARED.fullmatch(first):
        read[-1] = "\n"  # a blank line, so that the others keep their numbers
        return itertools.chain(read, lines), text_format.separator or declared[1]
    if not text_format.separator and not _fits(first, separator, columns):
        separator = next((other for other in _SEPARATORS if _fits(first, other, columns)), separator)
    return itertools.chain(read, lines), separator


def _fits(line: str, separator: str, columns: Columns) -> bool:
    """Return whether a header has the columns by this separator."""
    try:
        fields = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return False
    return columns.fit(fields) or columns.fit([name.strip() for name in fields])


def _split(lines: Iterator[str], separator: str) -> Iterator[list[str]]:
    for line in lines:
        plain = line.removesuffix("\n").removesuffix("\r")
        yield plain.split(separator) if plain else []


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
