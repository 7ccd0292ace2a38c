"""A data file as a command line names it: ``tickets.csv,text=body,label=queue,encoding=windows-1252``."""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from training.reading.encoding import UTF_8, TextFormat
from training.reading.files import SUFFIXES, read
from training.reading.rows import STANDARD, Columns, DataError, TextTable

_FILE: Final = re.compile(rf"(.*?(?:{'|'.join(map(re.escape, SUFFIXES))}))(?:,(.*))?", re.IGNORECASE | re.DOTALL)
_NEXT: Final = re.compile(r",(?=\w+=)")
_OPTIONS: Final = ("text", "label", "confidence", "group", "encoding", "separator", "quotes", "text_pair")
_SEPARATORS: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|"}


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file, its columns and how it is written."""

    path: Path
    columns: Columns = STANDARD
    text_format: TextFormat = UTF_8

    def read(self) -> TextTable:
        """Read all rows.

        Raises:
            DataError: if the file cannot be read, holds no row, or a row is unfit.
        """
        return read(self.path, self.columns, self.text_format)


def parse_file(specification: str, *, group: str | None = None, may_lack_label: bool = False) -> FileSource:
    """Return the file that ``PATH[,option=value …]`` names.

    Args:
        specification: with text, label, confidence, group, encoding, separator, quotes or text_pair as options.
        group: column of the group if the specification names none.
        may_lack_label: whether the file may lack a label's column that the specification does not name.

    Raises:
        DataError: for an unknown option, encoding or separator.
    """
    path, options = split_options(specification, _OPTIONS)
    columns = Columns(
        options.get("text", STANDARD.text),
        options.get("label", STANDARD.label) or None,
        options.get("confidence"),
        group=options.get("group", group),
        may_lack_label=may_lack_label and "label" not in options,
        text_pair=options.get("text_pair"),
    )
    return FileSource(Path(path), columns, format_of(options))


def parse_texts(specification: str) -> FileSource:
    """Return the file of texts that ``PATH[,option=value …]`` names; it may have any other column, and none is read.

    Raises:
        DataError: as ``parse_file``.
    """
    source = parse_file(specification)
    return replace(source, columns=replace(source.columns, label=None))


def split_options(specification: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return the location and the options of a specification; the name of a file may hold commas.

    Raises:
        DataError: for an option that is not known.
    """
    file = _FILE.fullmatch(specification)
    location, _, rest = specification.partition(",")
    if file is not None:
        location, rest = file[1], file[2] or ""
    options = {}
    for option in _NEXT.split(rest) if rest else ():
        key, separator, value = option.partition("=")
        if not separator or key not in known:
            raise DataError(f"unknown data option {option!r}; there are {', '.join(known)}, as key=value")
        options[key] = value
    return location, options


def format_of(options: dict[str, str]) -> TextFormat:
    """Return the text format of some options; a separator may be ``tab``, ``comma``, ``semicolon`` or ``bar``.

    Raises:
        DataError: for an unknown encoding, a separator that is not one character, or other quotes.
    """
    separator = options.get("separator", "")
    return TextFormat(
        options.get("encoding", ""), _SEPARATORS.get(separator, separator), options.get("quotes", UTF_8.quotes)
    )


def read_numbers(source: FileSource, column: str, lowest: float, highest: float) -> list[float] | None:
    """Return a column of numbers within bounds, in the order of the rows; None if the file has no such column.

    Raises:
        DataError: if the file cannot be read, or a value is no such number.
    """
    table = replace(source, columns=replace(source.columns, label=column, may_lack_label=True)).read()
    if all(row.label is None for row in table.rows):
        return None
    numbers = []
    for row in table.rows:
        try:
            number = float(str(row.label))
        except ValueError:
            number = math.nan
        if not lowest <= number <= highest:
            raise DataError(
                f"{table.where(row)}, column {column!r}: {row.label!r} is not a number from {lowest:g} to {highest:g}"
            )
        numbers.append(number)
    return numbers
