"""Rows of text, and the checks that every row passes whatever its format.

Owns the columns that are read and the types of their values. Knows neither file formats nor what labels mean.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from artifact.blank import is_blank

Label: TypeAlias = str | int | float
Record: TypeAlias = tuple[int, Mapping[str, Any]]
"""Number of a row, from 1, and its values by column."""

_REPAIR: Final = "correct the row or remove it"
_INDICATORS: Final = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


class DataError(Exception):
    """The data cannot be used; the message names the file, the row, the column and the remedy."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns to read.

    Attributes:
        text: the text.
        label: an index or a name; None reads texts without labels.
        confidence: the label's probability, above 0 and at most 1; None makes every label certain.
        group: a value by which figures are broken down; a file may lack it.
        may_lack_label: whether a file may lack the label's column; its rows then have no label.
        may_lack_confidence: whether a file may lack the confidence's column; every label is then certain.
        text_pair: the second text, for models of pairs; None reads single texts.
        many: whether a row has any number of labels, for multi-label models; see ``targets``.
        indicators: names of all labels. With ``many``, a file without the label's column may have a column of 0 and 1
            for each of them.
    """

    text: str = "text"
    label: str | None = "label"
    confidence: str | None = None
    group: str | None = None
    may_lack_label: bool = False
    may_lack_confidence: bool = False
    text_pair: str | None = None
    many: bool = False
    indicators: tuple[str, ...] = ()

    @property
    def needed(self) -> list[str]:
        """The columns that a file must have."""
        label = None if self.may_lack_label else self.label
        confidence = None if self.may_lack_confidence else self.confidence
        return [name for name in (self.text, self.text_pair, label, confidence) if name is not None]

    def fit(self, found: Sequence[str]) -> bool:
        """Return whether a file with these columns has all that it must have."""
        return set(self.needed) <= set(found)

    def among(self, found: Sequence[str], where: str) -> list[str]:
        """Return those of the columns that a file has.

        Args:
            found: the file's columns.
            where: the file, for messages.

        Raises:
            DataError: if a column is missing or occurs twice.
        """
        indicators = self._indicators_among(found)
        needed = [name for name in self.needed if not indicators or name != self.label]
        for name in needed:
            if name not in found:
                raise DataError(
                    f"{where} has no column {name!r}, only {', '.join(map(repr, found)) or 'none'}; "
                    "rename a column, or name another one behind the file's name (,text=… or ,label=…; bulk: --text)"
                )
        wanted = [
            *needed,
            *indicators,
            *(name for name in (self.label, self.confidence, self.group) if name is not None and name in found),
        ]
        for name in wanted:
            if found.count(name) > 1:
                raise DataError(f"{where} has two columns {name!r}; rename one of them")
        return list(dict.fromkeys(wanted))

    def _indicators_among(self, found: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of 0 and 1 where a file has all of them, and no column of labels."""
        instead = self.many and self.label not in found and set(self.indicators) <= set(found)
        return self.indicators if instead else ()


STANDARD: Final = Columns()
HELD_OUT: Final = Columns(confidence="confidence", group="source", may_lack_confidence=True)
"""Of the held-out rows that training writes for export; earlier versions wrote no confidence."""


class Row(NamedTuple):
    """One text.

    Attributes:
        number: its line (where it begins) or row in the file, from 1.
        text: never blank.
        label: a name or a number; bytes are decoded, ``1.0`` is 1, a date is text. None where no label was asked for.
        confidence: the label's probability.
        group: as text; None where the file has no such column or no value.
        text_pair: the second text of a pair, never blank; None where none was asked for.
        labels: with ``Columns.many`` the row's labels, of which a text may hold several; None where there are none.
    """

    number: int
    text: str
    label: Label | None
    confidence: float = 1.0
    group: str | None = None
    text_pair: str | None = None
    labels: tuple[Label, ...] | None = None


@dataclass(frozen=True, slots=True)
class TextTable:
    """The rows of one file or data set.

    Attributes:
        location: path or name, for messages.
        unit: what ``Row.number`` counts, ``line`` or ``row``.
        columns: that were asked for.
        rows: in the order of the file; at least one.
        label_names: names of the labels 0, 1, …, where the data itself declares them.
        short: rows that were left out because their texts have fewer words than asked for.
    """

    location: str
    unit: str
    columns: Columns
    rows: list[Row]
    label_names: tuple[str, ...] | None = None
    short: int = 0

    def where(self, row: Row) -> str:
        """Return where a row is, for messages: ``tickets.csv line 7``."""
        return f"{self.location} {self.unit} {row.number}"


def collect(
    records: Iterable[Record],
    columns: Columns,
    *,
    location: str,
    unit: str,
    min_words: int = 0,
    label_names: tuple[str, ...] | None = None,
) -> TextTable:
    """Check all records and return them as a table.

    Args:
        records: numbers and values of the rows.
        columns: which values are which.
        location: path or name, for messages.
        unit: what the numbers count, ``line`` or ``row``.
        min_words: shorter texts are left out.
        label_names: see ``TextTable``.

    Raises:
        DataError: if there is no row, or a value is not what its column needs.
    """
    rows, short = [], 0
    for number, values in records:
        text = values[columns.text]
        if isinstance(text, str) and len(text.split()) < min_words:
            short += 1
            continue
        try:
            rows.append(_row(number, values, columns))
        except _UnfitError as error:
            column, reason = error.args
            raise DataError(f"{location} {unit} {number}, column {column!r}: {reason}") from None
    if not rows:
        raise DataError(f"{location} holds no row" + (f" of at least {min_words} words" if min_words else ""))
    return TextTable(location, unit, columns, rows, label_names, short)


class _UnfitError(Exception):
    """A value cannot be used; the arguments are its column and the reason."""


def _row(number: int, values: Mapping[str, Any], columns: Columns) -> Row:
    text = _text(values[columns.text], columns.text)
    pair = None if columns.text_pair is None else _text(values[columns.text_pair], columns.text_pair)
    label = None if columns.label is None or columns.many else _label_of(values, columns.label, columns)
    confidence = _confidence_of(values, columns)
    group = None if columns.group is None else values.get(columns.group)
    labels = _labels(values, columns) if columns.many else None
    return Row(number, text, label, confidence, None if group is None or group == "" else str(group), pair, labels)


def _text(value: Any, column: str) -> str:  # noqa: ANN401 - a value of the file before its check
    text = _plain(value, column) if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise _UnfitError(column, f"the text is {_shown(text)}; {_REPAIR}")
    if is_blank(text):
        raise _UnfitError(column, f"the text is empty; {_REPAIR}")
    return text


def _label_of(values: Mapping[str, Any], name: str, columns: Columns) -> Label | None:
    return None if columns.may_lack_label and name not in values else _label(values[name], name)


def _labels(values: Mapping[str, Any], columns: Columns) -> tuple[Label, ...] | None:
    """Return the labels of a multi-label row: of a list, of a text, or of columns of 0 and 1."""
    if columns.label is not None and columns.label in values:
        value = values[columns.label]
        if isinstance(value, list | tuple):
            return tuple(_label(each, columns.label) for each in value)
        return () if isinstance(value, str) and not value.strip() else (_label(value, columns.label),)
    found = [name for name in columns.indicators if name in values]
    return tuple(name for name in found if _holds(values[name], name)) if found else None


def _holds(value: Any, column: str) -> bool:  # noqa: ANN401 - as above
    words = str(_plain(value, column)).strip().lower()
    if words not in _INDICATORS:
        raise _UnfitError(column, f"the value is {_shown(value)}, not 0 or 1; {_REPAIR}")
    return _INDICATORS[words]


def _label(value: Any, column: str) -> Label:  # noqa: ANN401 - a value of the file before its check
    label = _plain(value, column)
    blank = isinstance(label, str) and not label.strip()
    if label is None or blank or (isinstance(label, float) and math.isnan(label)):
        raise _UnfitError(column, f"the label is missing; {_REPAIR}")
    if not isinstance(label, str | int | float) or label in {math.inf, -math.inf}:
        raise _UnfitError(column, f"the label is {_shown(value)}, not a name or an index; {_REPAIR}")
    return label


def _plain(value: Any, column: str) -> Any:  # noqa: ANN401 - as above
    """Return bytes as text, whole numbers as ``int``, dates and times as ISO 8601; others as they are."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _UnfitError(column, f"{value!r:.40} are bytes that are not UTF-8; {_REPAIR}") from None
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.isoformat() if isinstance(value, date | time) else value


def _confidence_of(values: Mapping[str, Any], columns: Columns) -> float:
    column = columns.confidence
    if column is None or (columns.may_lack_confidence and column not in values):
        return 1.0
    return _confidence(values[column], column)


def _confidence(value: Any, column: str) -> float:  # noqa: ANN401 - a value of the file before its check
    try:
        confidence = float(value)
    except (OverflowError, TypeError, ValueError):
        confidence = math.nan
    if not 0 < confidence <= 1:
        raise _UnfitError(column, f"the confidence {value!r:.40} is not a number above 0 and at most 1; {_REPAIR}")
    return confidence


def _shown(value: object) -> str:
    return "null" if value is None else f"{value!r:.40} ({type(value).__name__})"
