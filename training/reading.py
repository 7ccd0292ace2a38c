"""A source -> rows: parquet, csv, tsv and jsonl files, and data sets on the hub.

Owns the formats and what is wrong with a file, down to its line. Knows nothing of what labels mean.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from training.sources import DataError, Source, Style
from training.treebank import detokenize


class Row(NamedTuple):
    """Where it stands (for messages), and text, label and the label's probability as they are in the data."""

    where: str
    text: Any
    label: Any
    confidence: Any = 1.0


def read_source(source: Source) -> tuple[list[Row], list[str] | None]:
    """Read all rows, and the label names if the data itself knows them.

    Raises:
        DataError: if the file is missing or can not be read (with the line), or a column is missing.
    """
    path = Path(source.location)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        return _read_hub(source)
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    rows = [
        row._replace(text=_styled(row.text, source.style))
        for row in reader(path, source)
        if not (isinstance(row.text, str) and len(row.text.split()) < source.min_words)
    ]
    return rows, None


def _styled(text: Any, style: Style) -> Any:  # noqa: ANN401 - not yet known to be a text
    return detokenize(text) if style == "treebank" and isinstance(text, str) else text


def _need_columns(path: Path, found: list[str], source: Source) -> None:
    for column in source.columns():
        if column not in found:
            raise DataError(
                f"{path} has no column {column!r}, only {', '.join(map(repr, found))}; "
                "name the columns with text=…, label=… and confidence=…"
            )


def _read_parquet(path: Path, source: Source) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - slow to import, and only for this format

    try:
        _need_columns(path, parquet.read_schema(path).names, source)
        table = parquet.read_table(path, columns=source.columns())
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} can not be read: {error}") from error
    columns = (table[column].to_pylist() for column in source.columns())
    for number, values in enumerate(zip(*columns, strict=True), 1):
        yield Row(f"{path} row {number}", *values)


def _read_separated(path: Path, source: Source) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream, delimiter=delimiter, strict=True)
            _need_columns(path, list(rows.fieldnames or []), source)
            for row in rows:
                line = rows.line_num
                if None in row or None in row.values():
                    expected = len(rows.fieldnames or [])
                    raise DataError(f"{path} line {line} does not have {expected} fields as the first line has")
                yield Row(f"{path} line {line}", *(row[column] for column in source.columns()))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} can not be read behind line {line}: {error}") from error


def _read_jsonl(path: Path, source: Source) -> Iterator[Row]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path} line {number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{path} line {number} is not a JSON object")
            _need_columns(path, list(row), source)
            yield Row(f"{path} line {number}", *(row[column] for column in source.columns()))


def _read_hub(source: Source) -> tuple[list[Row], list[str] | None]:
    import datasets  # noqa: PLC0415 - slow to import, and only for the hub

    if source.location.startswith((".", "/", "~")) or source.location.count("/") > 1:
        kinds = ", ".join(_READERS)
        raise DataError(f"{source.location} is neither a {kinds} file nor a name on the hub")
    try:
        loaded = datasets.load_dataset(source.location, split=source.split)
    except Exception as error:  # the hub client raises many kinds; a user needs one line
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{source.location} can not be loaded from the hub: {reason}") from error
    _need_columns(Path(source.location), loaded.column_names, source)
    names = getattr(loaded.features[source.label], "names", None)
    columns = (loaded[column] for column in source.columns())
    rows = [
        Row(f"{source.location} row {number}", _styled(text, source.style), *more)
        for number, (text, *more) in enumerate(zip(*columns, strict=True), 1)
        if len(str(text).split()) >= source.min_words
    ]
    return rows, names


_READERS: Final[dict[str, Callable[[Path, Source], Iterator[Row]]]] = {
    ".parquet": _read_parquet,
    ".csv": _read_separated,
    ".tsv": _read_separated,
    ".jsonl": _read_jsonl,
}
