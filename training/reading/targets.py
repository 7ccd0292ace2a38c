"""Targets of other heads than single-label: several labels of a row as indices, or its value.

A multi-label row has a list of labels (Parquet, JSON), a text that names one label or several with a bar, a semicolon
or a comma between them, or a column of 0 and 1 for each label. A row without any label is one like others.
"""

import ast
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from training.reading.labels import match_labels, name_of
from training.reading.rows import DataError, Label, Row, TextTable

_SEPARATORS: Final = "|;,"


def match_many(table: TextTable, names: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the indices of each row's labels among ``names``, ascending, in the order of the rows.

    Each label is matched as ``match_labels`` does.

    Raises:
        DataError: if a label is neither a name nor an index; with the row and the labels of both sides.
    """
    single = [Row(row.number, row.text, label) for row in table.rows for label in _split(row.labels or (), set(names))]
    expanded = TextTable(table.location, table.unit, table.columns, single, table.label_names)
    found = iter(match_labels(expanded, names))
    return [tuple(sorted({next(found) for _ in _split(row.labels or (), set(names))})) for row in table.rows]


def single_labels(table: TextTable) -> TextTable:
    """Return a multi-label table with a row for each label of each of its rows, to find the names that occur."""
    rows = [Row(row.number, row.text, label) for row in table.rows for label in _split(row.labels or (), set())]
    return replace(table, rows=rows)


def read_values(table: TextTable) -> list[float]:
    """Return the number of each row, in the order of the rows.

    Raises:
        DataError: if a label is not a finite number; with the row.
    """
    values = []
    for row in table.rows:
        try:
            value = float("" if row.label is None else row.label)
        except (ValueError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise DataError(
                f"{table.where(row)}, column {table.columns.label!r}: {row.label!r:.40} is not a number, which a "
                "regression needs; correct the row or remove it"
            )
        values.append(value)
    return values


def describe_many(table: TextTable, names: Sequence[str], indices: Sequence[tuple[int, ...]]) -> str:
    """Return how many rows have each label of a multi-label model, in one line."""
    counts = Counter(index for chosen in indices for index in chosen)
    parts = [f"{names[index]}: {count} rows" for index, count in sorted(counts.items())]
    without = sum(not chosen for chosen in indices)
    return f"labels of {table.location}: {'; '.join(parts[:20])}; no label: {without} rows"


def describe_values(table: TextTable, values: Sequence[float]) -> str:
    """Return the range of the values of a regression, in one line."""
    return f"values of {table.location}: {len(values)} rows from {min(values):g} to {max(values):g}"


def _split(labels: Sequence[Label], names: set[str]) -> list[Label]:
    """Return the labels one by one: a text that is no name may be a JSON list, or several names with a separator."""
    if len(labels) != 1 or not isinstance(labels[0], str) or labels[0].strip() in names:
        return list(labels)
    text = labels[0].strip()
    if text.startswith("["):
        return _list(text)
    separator = next((character for character in _SEPARATORS if character in text), None)
    return [text] if separator is None else [part.strip() for part in text.split(separator) if part.strip()]


def _list(text: str) -> list[Label]:
    try:
        found = ast.literal_eval(text)  # JSON, or as Python writes a list
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # what Python's parser raises
        return [text]
    labels: list[Label] = [name_of(each) for each in found if isinstance(each, str | int | float)]
    return labels if len(labels) == len(found) else [text]  # which is then refused as an unknown label
