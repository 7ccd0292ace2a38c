"""A source of labelled text: its location, its columns and its weight.

On the command line a source is a location and options, separated by commas:

    data/train.csv,name=reviews,text=body,label=stars,held_out=0.1,encoding=windows-1252
    stanfordnlp/imdb,split=train

The location is a file that ``reading`` knows, or a data set on the Hugging Face hub.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, Literal, get_args

from training.data.treebank import detokenize
from training.reading import SUFFIXES, Columns, DataError, TextFormat, TextTable, read
from training.reading.hub import read_hub
from training.reading.source import format_of, split_options

Style = Literal["natural", "treebank"]
HELD_OUT: Final = 0.05
"""Share of a source's rows that is kept for validation by default."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file or data set of labelled text.

    Attributes:
        location: path of a file, or name of a data set on the hub.
        name: its name in figures; by default the file's folder and stem, or the hub's name.
        split: name of the split; on the hub it is the one that is read.
        text: column of the text.
        label: column of the label, an index or a name.
        text_pair: column of the second text, for a model that reads pairs. Empty: single texts.
        confidence: column of the label's probability, above 0 and at most 1; the other labels share the rest
            evenly. Empty: every label is certain.
        style: ``treebank`` text (``it 's``, ``-lrb-``) is converted to natural text.
        min_words: shorter texts are left out.
        held_out: rows kept for validation, a share if below 1. A row that is part of another row is never held out.
        weight: how often a row is seen per epoch.
        encoding, separator, quotes: of a text file, see ``reading.TextFormat``.
    """

    location: str
    name: str = ""
    split: str = "train"
    text: str = "text"
    label: str = "label"
    confidence: str = ""
    style: Style = "natural"
    min_words: int = 0
    held_out: float = HELD_OUT
    weight: float = 1.0
    encoding: str = ""
    separator: str = ""
    quotes: str = "double"
    text_pair: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the location is a file by its name, and not a data set on the hub."""
        return Path(self.location).suffix.lower() in SUFFIXES


_OPTIONS: Final = tuple(entry.name for entry in fields(Source) if entry.name != "location")
_KINDS: Final = {"min_words": int, "held_out": float, "weight": float}


def parse_source(specification: str, *, split: str = "train", held_out: float = HELD_OUT) -> Source:
    """Return the source that ``LOCATION[,option=value …]`` names.

    Args:
        specification: as on the command line.
        split: used if the specification names none.
        held_out: used if the specification names none.

    Raises:
        DataError: for an unknown option or a value of the wrong type.
    """
    location, options = split_options(specification, _OPTIONS)
    written = format_of(options)
    source = Source(location, name=_default_name(location), split=split, held_out=held_out)
    for key, value in options.items():
        try:
            source = replace(source, **{key: _KINDS.get(key, str)(value)})
        except ValueError:
            raise DataError(f"data option {key} must be a number, not {value!r}") from None
    source = replace(source, separator=written.separator)
    if source.style not in get_args(Style):
        raise DataError(f"style {source.style!r} is unknown; there are {', '.join(get_args(Style))}")
    if not (0 <= source.held_out < math.inf and 0 < source.weight < math.inf):
        raise DataError(f"{location}: held_out must be at least 0 and weight above 0")
    return source


def read_source(source: Source, *, many: bool = False, indicators: Sequence[str] = ()) -> TextTable:
    """Read all rows of a source, in its style.

    Args:
        source: the file or data set.
        many: whether a row has any number of labels.
        indicators: names of labels that may have a column of 0 and 1 each, see ``reading.Columns``.

    Raises:
        DataError: if it cannot be read, holds no row, or a row is unfit.
    """
    columns = Columns(
        source.text,
        source.label,
        source.confidence or None,
        text_pair=source.text_pair or None,
        many=many,
        indicators=tuple(indicators),
    )
    if source.is_file:
        written = TextFormat(source.encoding, source.separator, source.quotes)
        table = read(Path(source.location), columns, written, min_words=source.min_words)
    else:
        table = read_hub(source.location, source.split, columns, min_words=source.min_words)
    if source.style == "treebank":
        rows = [row._replace(text=detokenize(row.text)) for row in table.rows]
        table = replace(table, rows=rows)
    return table


def sha256_of(source: Source) -> str | None:
    """Return the file's sha256 in hexadecimal, or None for a data set on the hub."""
    path = Path(source.location)
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _default_name(location: str) -> str:
    path = Path(location)
    return "/".join([*path.parent.parts[-1:], path.stem]) if path.suffix.lower() in SUFFIXES else location
