"""Text files as lines: decoding, plain text and JSON lines.

Lines end at a line feed alone. ``str.splitlines`` would also break them at U+2028, U+0085 and other characters
that occur inside texts.
"""

import codecs
import io
import json
from collections.abc import Iterator
from typing import IO, Any, Final, Literal, Protocol

from training.reading.rows import Columns, DataError, Record

_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class DataFile(Protocol):
    """A file that can be read from its start: a ``Path``, or one that is compressed or not on this machine."""

    @property
    def suffix(self) -> str:
        """What its name ends with, such as ``.csv``."""
        ...

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:
        """Open it at its start."""
        ...


def decoded_lines(path: DataFile) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their line ends, without a byte order mark.

    Raises:
        DataError: if the bytes are not UTF-8; the message names the first wrong one.
    """
    try:
        with path.open("rb") as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n") as lines:
            yield from lines
    except UnicodeDecodeError:
        raise DataError(_wrong_encoding(path)) from None


def read_plain(path: DataFile, columns: Columns) -> Iterator[Record]:
    """Yield one text per line.

    Raises:
        DataError: if a label or a confidence is asked for.
    """
    for name in (columns.label, columns.confidence):
        if name is not None:
            raise DataError(f"{path} is plain text, which has no column {name!r}; use .csv, .tsv, .jsonl or .parquet")
    for number, line in enumerate(decoded_lines(path), 1):
        text = line.removesuffix("\n").removesuffix("\r")
        if text.strip():
            yield number, {columns.text: text}


def read_json_lines(path: DataFile, columns: Columns) -> Iterator[Record]:
    """Yield one JSON object per line.

    Raises:
        DataError: if a line is not a JSON object with the columns.
    """
    for number, _, record in json_records(path, columns.text):
        where = f"{path} line {number}"
        values = {name: record[name] for name in columns.among(list(record), where)}
        yield number, {name: check_encodable(value, f"{where}, column {name!r}") for name, value in values.items()}


def json_records(path: DataFile, text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the number of each line that is not blank, the line itself without its end, and its object.

    Args:
        path: the file.
        text: name of the text's column, for messages.

    Raises:
        DataError: if a line is not a JSON object.
    """
    for number, line in enumerate(decoded_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        try:
            record = json.loads(line, object_pairs_hook=_unique)
        except RecursionError:
            raise DataError(f"{where} is nested too deeply") from None
        except ValueError as error:
            raise DataError(f"{where} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{where} is not a JSON object, such as {{{json.dumps(text)}: …}}")
        yield number, line.removesuffix("\n").removesuffix("\r"), record


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def check_encodable(value: Any, where: str) -> Any:  # noqa: ANN401 - any value of JSON
    """Return a value of JSON.

    Raises:
        DataError: if it is text with half of a surrogate pair.
    """
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: {value[error.start]!a} is half of a surrogate pair and no character; write both halves"
        ) from None
    return value


def _wrong_encoding(path: DataFile) -> str:
    offset = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if number == 1 and line.startswith(_UTF_16):
                return f"{path} is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"{path} line {number}: byte {offset + error.start} of the file (0x{line[error.start]:02x}) is not "
                    "UTF-8; save the file as UTF-8 (iconv -f WINDOWS-1252 -t UTF-8, if that is its encoding)"
                )
            offset += len(line)
    return f"{path} changed while it was read; start again"
