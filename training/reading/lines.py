"""Plain text and JSON: records from the lines of a file."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from training.reading.encoding import UTF_8, DataFile, TextFormat, decoded_lines
from training.reading.rows import Columns, DataError, Record

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_BREAK: Final = re.compile(r"[ \t]*[\r\n]+[ \t\r\n]*")


def read_plain(path: DataFile, columns: Columns, text_format: TextFormat = UTF_8) -> Iterator[Record]:
    """Yield one text per line.

    Raises:
        DataError: if another column is asked for, or the lines end in a carriage return alone.
    """
    for name in (columns.text_pair, columns.label, columns.confidence):
        if name is not None and name in columns.needed:
            raise DataError(f"{path} is plain text, which has no column {name!r}; use .csv, .tsv, .jsonl or .parquet")
    for number, line in enumerate(decoded_lines(path, text_format), 1):
        text = line.removesuffix("\n").removesuffix("\r")
        if number == 1 and "\r" in text and text == line:
            raise DataError(f"{path}: the lines end in a carriage return alone; end them with LF (tr '\\r' '\\n')")
        if text.strip():
            yield number, {columns.text: text}


def read_json(path: DataFile, columns: Columns, text_format: TextFormat = UTF_8) -> Iterator[Record]:
    """Yield one record per JSON object: of each line, or of one array.

    Raises:
        DataError: if one is not a JSON object with the columns.
    """
    for number, _, record in json_records(path, columns.text, text_format):
        where = f"{path} line {number}"
        values = {name: record[name] for name in columns.among(list(record), where)}
        yield number, {name: check_encodable(value, f"{where}, column {name!r}") for name, value in values.items()}


def json_records(
    path: DataFile, text: str, text_format: TextFormat = UTF_8
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield for each object the number of its first line, the object as it was written, on one line, and its values.

    A line may end in a comma. A file that begins with ``[`` is one array of objects and is read whole.

    Args:
        path: the file.
        text: name of the text's column, for messages.
        text_format: its encoding.

    Raises:
        DataError: if a line or an element is not a JSON object.
    """
    lines = decoded_lines(path, text_format)
    for number, line in enumerate(lines, 1):
        written = line.strip(" \t\r\n")
        if written.startswith("["):
            yield from _elements(path, text, number, line + "".join(lines))
        elif written:
            written = written.removesuffix(",")
            record, end = _decoded(written, 0, f"{path} line", number, text)
            if end < len(written):
                raise DataError(f"{path} line {number} is not JSON: Extra data at column {end + 1}")
            yield number, written, record


def _elements(path: DataFile, text: str, number: int, document: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the objects of an array; a comma may follow the last one."""
    place = _skip(document, document.index("[") + 1)
    counted = 0
    while document[place : place + 1] != "]":
        number += document.count("\n", counted, place)
        counted = place
        record, end = _decoded(document, place, f"{path} line", number, text)
        yield number, _BREAK.sub(" ", document[place:end]), record
        place = _skip(document, end)
        if document[place : place + 1] == ",":
            place = _skip(document, place + 1)
        elif document[place : place + 1] != "]":
            line = number + document.count("\n", counted, place)
            raise DataError(f"{path} line {line} is not JSON: a comma or the array's end is missing")
    if _skip(document, place + 1) < len(document):
        line = number + document.count("\n", counted, _skip(document, place + 1))
        raise DataError(
            f"{path} line {line}: the array has ended, but more follows; write one array or one object a line"
        )


def _skip(document: str, place: int) -> int:
    found = _BLANK.match(document, place)
    return place if found is None else found.end()


def _decoded(document: str, place: int, where: str, number: int, text: str) -> tuple[dict[str, Any], int]:
    """Return the object that begins at a place, and the place behind it."""
    try:
        record, end = _DECODER.raw_decode(document, place)
    except RecursionError:
        raise DataError(f"{where} {number} is nested too deeply") from None
    except json.JSONDecodeError as error:
        line = number + document.count("\n", place, error.pos)
        raise DataError(f"{where} {line} is not JSON: {error.msg} at column {error.colno}") from error
    except ValueError as error:
        raise DataError(f"{where} {number} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{where} {number} is not a JSON object, such as {{{json.dumps(text)}: …}}")
    return record, end


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique)


def check_encodable(value: Any, where: str) -> Any:  # noqa: ANN401 - any value of JSON
    """Return a value of JSON.

    Raises:
        DataError: if it is text, or a list with a text, with half of a surrogate pair.
    """
    for each in value if isinstance(value, list) else ():
        check_encodable(each, where)
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: {value[error.start]!a} is half of a surrogate pair and no character; write both halves"
        ) from None
    return value
