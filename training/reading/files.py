"""A data file -> its rows. Owns which formats there are, and Parquet."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from training.reading.encoding import UTF_8, TextFormat
from training.reading.lines import read_json, read_plain
from training.reading.rows import STANDARD, Columns, DataError, Record, TextTable, collect
from training.reading.separated import read_separated

if TYPE_CHECKING:
    from pyarrow import ChunkedArray


def read(path: Path, columns: Columns = STANDARD, text_format: TextFormat = UTF_8, *, min_words: int = 0) -> TextTable:
    """Read a file whole.

    Args:
        path: one of ``SUFFIXES``, in small or capital letters.
        columns: to read; ``.txt`` holds one text per line and no labels.
        text_format: how it is written, where that cannot be seen; Parquet needs none.
        min_words: shorter texts are left out.

    Raises:
        DataError: if the file is missing, is not what its name says, or a row is unfit.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is none of {', '.join(SUFFIXES)}; convert it to one of these")
    if not path.exists():
        raise DataError(f"{path} does not exist")
    unit = "row" if reader is _read_parquet else "line"
    try:
        return collect(reader(path, columns, text_format), columns, location=str(path), unit=unit, min_words=min_words)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or _first_line(error)}") from error


def _read_parquet(path: Path, columns: Columns, _: TextFormat) -> Iterator[Record]:
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - slow to import, and only for this format

    try:
        with parquet.ParquetFile(path) as file:
            names = columns.among(file.schema_arrow.names, str(path))
            table = file.read(columns=names)
    except (ArrowException, UnicodeDecodeError) as error:  # the second for a column's name
        raise DataError(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    values = [_values(table[name], f"{path} row", name) for name in names]
    for number, row in enumerate(zip(*values, strict=True), 1):
        yield number, dict(zip(names, row, strict=True))


def _values(column: "ChunkedArray", where: str, name: str) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        for number, value in enumerate(column, 1):
            try:
                value.as_py()
            except UnicodeDecodeError as error:
                raise DataError(f"{where} {number}, column {name!r}: the bytes are not UTF-8 ({error})") from error
            except (ValueError, OverflowError) as error:
                raise DataError(f"{where} {number}, column {name!r}: Python cannot hold the value ({error})") from error
        raise


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n", 1)[0].split())


_READERS: Final[dict[str, Callable[[Path, Columns, TextFormat], Iterator[Record]]]] = {
    ".parquet": _read_parquet,
    ".csv": read_separated,
    ".tsv": read_separated,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".json": read_json,
    ".txt": read_plain,
}
SUFFIXES: Final = tuple(_READERS)
