"""One source of labelled text: where it is, how its columns are called, and reading it.

A source is named on the command line by its location and options, separated by commas:

    data/train.parquet,name=reviews,text=body,label=stars,held_out=0.1
    stanfordnlp/imdb,split=train

The location is a ``.parquet``, ``.csv``, ``.tsv`` or ``.jsonl`` file, or a data set on the Hugging Face hub.
Knows nothing of splits, labels as indices or tokens: that is ``data``'s.
"""

import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from training.treebank import detokenize

Style = Literal["natural", "treebank"]
Row = tuple[str, Any, Any]
"""Where it stands (for messages), the text, the label as it is in the data."""


class DataError(Exception):
    """The data can not be trained on; the message says where, what and how to mend it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Labelled text somewhere.

    Attributes:
        location: path of a file, or name of a data set on the hub.
        name: what figures call it; the file's folder and stem, or the hub's name.
        split: the split's name; on the hub the one to read.
        text: column of the text.
        label: column of the label, an index or a name.
        style: ``treebank`` text (``it 's``, ``-lrb-``) is brought to natural text first.
        min_words: shorter texts are left out.
        held_out: rows kept for validation; a share if below 1.
        weight: how often a row is seen per epoch.
    """

    location: str
    name: str = ""
    split: str = "train"
    text: str = "text"
    label: str = "label"
    style: Style = "natural"
    min_words: int = 0
    held_out: float = 0.05
    weight: float = 1.0


_OPTIONS: Final = {entry.name: entry for entry in fields(Source) if entry.name != "location"}
_KINDS: Final = {"min_words": int, "held_out": float, "weight": float}


def parse_source(specification: str) -> Source:
    """Read ``LOCATION[,option=value …]``.

    Raises:
        DataError: for an unknown option or a value of the wrong kind.
    """
    location, *options = specification.split(",")
    source = Source(location, name=_default_name(location))
    for option in options:
        key, separator, value = option.partition("=")
        if not separator or key not in _OPTIONS:
            raise DataError(f"unknown data option {option!r}; there are {', '.join(_OPTIONS)}, as key=value")
        try:
            source = replace(source, **{key: _KINDS.get(key, str)(value)})
        except ValueError:
            raise DataError(f"data option {key} must be a number, not {value!r}") from None
    if source.style not in get_args(Style):
        raise DataError(f"style {source.style!r} is unknown; there are {', '.join(get_args(Style))}")
    if source.held_out < 0 or source.weight <= 0:
        raise DataError(f"{location}: held_out must be at least 0 and weight above 0")
    return source


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
        (where, _styled(text, source.style), label)
        for where, text, label in reader(path, source)
        if not (isinstance(text, str) and len(text.split()) < source.min_words)
    ]
    return rows, None


def sha256_of(source: Source) -> str | None:
    """Return the file's sha256 in hexadecimal, or None for a data set on the hub."""
    path = Path(source.location)
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _default_name(location: str) -> str:
    path = Path(location)
    return "/".join([*path.parent.parts[-1:], path.stem]) if path.suffix.lower() in _READERS else location


def _styled(text: Any, style: Style) -> Any:  # noqa: ANN401 - not yet known to be a text
    return detokenize(text) if style == "treebank" and isinstance(text, str) else text


def _need_columns(path: Path, found: list[str], source: Source) -> None:
    for column in (source.text, source.label):
        if column not in found:
            raise DataError(
                f"{path} has no column {column!r}, only {', '.join(map(repr, found))}; "
                "name the columns with text=… and label=…"
            )


def _read_parquet(path: Path, source: Source) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - slow to import, and only for this format

    try:
        _need_columns(path, parquet.read_schema(path).names, source)
        table = parquet.read_table(path, columns=[source.text, source.label])
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} can not be read: {error}") from error
    columns = (table[source.text].to_pylist(), table[source.label].to_pylist())
    for number, (text, label) in enumerate(zip(*columns, strict=True), 1):
        yield f"{path} row {number}", text, label


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
                yield f"{path} line {line}", row[source.text], row[source.label]
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
            yield f"{path} line {number}", row[source.text], row[source.label]


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
    rows = [
        (f"{source.location} row {number}", _styled(text, source.style), label)
        for number, (text, label) in enumerate(zip(loaded[source.text], loaded[source.label], strict=True), 1)
        if len(str(text).split()) >= source.min_words
    ]
    return rows, names


_READERS: Final[dict[str, Callable[[Path, Source], Iterator[Row]]]] = {
    ".parquet": _read_parquet,
    ".csv": _read_separated,
    ".tsv": _read_separated,
    ".jsonl": _read_jsonl,
}
