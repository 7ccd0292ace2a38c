"""Labels as they are in data <-> the indices that a model learns and predicts.

Training derives the names from the data; export and evaluation have the names of the model.
"""

import math
from collections.abc import Sequence

from training.reading.rows import DataError, Row, TextTable


def label_names(tables: Sequence[TextTable]) -> list[str]:
    """Return the names that the data declares, or those that occur: numbers by value, others by alphabet.

    Raises:
        DataError: if two tables declare different names or orders.
    """
    declared = [table.label_names for table in tables if table.label_names]
    if any(names != declared[0] for names in declared):
        shown = "; ".join(", ".join(names) for names in declared)
        raise DataError(f"the data sets order their labels differently ({shown}); choose an order with --labels")
    if declared:
        return list(declared[0])
    found = {str(row.label) for table in tables for row in table.rows if row.label is not None}
    try:
        values = {name: float(name) for name in found}
    except ValueError:
        values = {}
    if not all(map(math.isfinite, values.values())):
        values = {}
    return sorted(found, key=lambda name: (values.get(name, 0.0), name))


def match_labels(table: TextTable, names: Sequence[str]) -> list[int]:
    """Return the index of each row's label among ``names``, in the order of the rows.

    A label that is a name counts as that name. A number counts as an index from 0, unless a name is a number too
    (``1`` to ``5`` stars). Labels that the data declares names for are matched by these names; if the names are
    others but as many, by their order.

    Raises:
        DataError: if the names are not unique, or a label is neither a name nor an index; with the row.
    """
    if len(set(names)) < len(names):
        raise DataError(f"the labels {', '.join(names)} are not unique")
    if table.label_names:
        return _match_declared(table, table.label_names, names)
    places = {name: index for index, name in enumerate(names)}
    if not any(name.isdecimal() for name in names):
        places |= {str(index): index for index in range(len(names))}
    return [_index(table, row, places, names) for row in table.rows]


def match_indices(table: TextTable, count: int) -> list[int]:
    """Return each row's label as an index, in the order of the rows; for ``validation.parquet``, which holds indices.

    Raises:
        DataError: if a label is not an index from 0 to ``count`` - 1; with the row.
    """
    places = {str(index): index for index in range(count)}
    return [_index(table, row, places, list(places)) for row in table.rows]


def _match_declared(table: TextTable, declared: Sequence[str], names: Sequence[str]) -> list[int]:
    if set(declared) <= set(names):
        targets = [names.index(name) for name in declared]
    elif len(declared) == len(names):
        targets = list(range(len(names)))
    else:
        raise DataError(
            f"{table.location} declares the labels {', '.join(declared)}, which are not {', '.join(names)} or as many"
        )
    places = {str(index): target for index, target in enumerate(targets)}
    return [_index(table, row, places, list(places)) for row in table.rows]


def _index(table: TextTable, row: Row, places: dict[str, int], names: Sequence[str]) -> int:
    index = places.get(str(row.label))
    if index is None:
        raise DataError(
            f"{table.where(row)}, column {table.columns.label!r}: the label {row.label!r} is not one of "
            f"{', '.join(names)}; correct the row or remove it"
        )
    return index
