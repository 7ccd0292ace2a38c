"""Labels as they are in data <-> the indices that a model learns and predicts.

Training derives the names from the data; export and evaluation have the names of the model. Names win over indices.
Blanks around a name, its case and the ``.0`` of a whole number never tell two labels apart.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from training.reading.rows import DataError, Label, Row, TextTable

_Key = TypeVar("_Key", str, int)

_NUMBER: Final = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?")
_WHOLE: Final = re.compile(r"([-+]?[0-9]+)\.0*")
_INTEGER: Final = re.compile(r"[0-9]+")
_GENERIC: Final = re.compile(r"(?:label|class)?[ _-]?[0-9]+", re.IGNORECASE)
"""Names that only count the labels, such as ``LABEL_0``."""
_GAPS: Final = frozenset({"nan", "na", "n/a", "<na>", "null", "none", "nat", "-100"})
"""What writers put for a missing number; -100 is the label that torch ignores. As the name of a class among other
names they are names: ``none`` of the intents, ``NA`` for a region."""
_SHOWN: Final = 20
"""Most labels that a message lists."""
_ASK: Final = "name every label with --labels, which then decides"


def label_names(tables: Sequence[TextTable]) -> list[str]:
    """Return the names that the data declares, or those that occur: numbers by value, others by alphabet.

    Raises:
        DataError: if two tables declare different names or orders, a label among numbers stands for a missing one, or
            two labels differ in case or blanks alone; with the row.
    """
    declared = [table.label_names for table in tables if table.label_names]
    if any(names != declared[0] for names in declared):
        shown = "; ".join(", ".join(names) for names in declared)
        raise DataError(f"the data sets order their labels differently ({shown}); choose an order with --labels")
    if declared:
        return list(declared[0])
    found: dict[str, str] = {}
    for table in tables:
        for row in table.rows:
            if row.label is not None:
                found.setdefault(name_of(row.label), table.where(row))
    _refuse_gaps(found)
    return _sorted(_distinct(found))


def match_labels(table: TextTable, names: Sequence[str]) -> list[int]:
    """Return the index of each row's label among ``names``, in the order of the rows.

    A label counts as the name that equals it, or the only one that does but for case and blanks, or, for a number, the
    only name of that value or with that integer in it (``4`` is ``4 stars``). Where no name holds a number, a number
    is an index from 0. Labels that the data declares names for are matched by these names.

    Raises:
        DataError: if the names are not unique, or a label is neither a name nor an index; with the row and the labels
            of both sides.
    """
    if len(set(names)) < len(names) or not all(name.strip() for name in names):
        raise DataError(f"the labels {_listed(names)} are not unique or one is blank; name each once")
    if table.label_names:
        return _match_declared(table, table.label_names, names)
    places = _Places(names)
    return _indices(table, {name: places.find(name) for name in _counts(table)}, names)


def match_indices(table: TextTable, count: int) -> list[int]:
    """Return each row's label as an index, in the order of the rows; for ``validation.parquet``, which holds indices.

    Raises:
        DataError: if a label is not an index from 0 to ``count`` - 1; with the row.
    """
    places = {str(index): index for index in range(count)}
    return _indices(table, places, list(places))


def describe_labels(table: TextTable, names: Sequence[str], indices: Sequence[int]) -> str:
    """Return which label of the data was read as which of the model, with the rows, in one line.

    Args:
        table: the rows.
        names: of the model.
        indices: of the rows' labels among the names.
    """
    written: dict[int, Counter[str]] = {}
    for row, index in zip(table.rows, indices, strict=True):
        written.setdefault(index, Counter())[name_of("" if row.label is None else row.label)] += 1
    parts = []
    for index, spellings in sorted(written.items()):
        others = [repr(name) for name in spellings if name != names[index]]
        as_written = f" (written {', '.join(others[:3])})" if others else ""
        name = names[index] if names[index] == str(index) else f"{index} {names[index]}"
        parts.append(f"{name}{as_written}: {spellings.total()} rows")
    more = f"; and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return f"labels of {table.location}: {'; '.join(parts[:_SHOWN])}{more}"


def name_of(label: Label) -> str:
    """Return a label as text: a whole number without ``.0``, text as it is."""
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


class _Places:
    """Finds the index of a label among names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = {name: index for index, name in enumerate(names)}
        self._folded = _unambiguous((_folded(name), index) for index, name in enumerate(names))
        inside = [_INTEGER.findall(name) for name in names]
        counted = all(len(numbers) == 1 for numbers in inside) and not any(map(_is_number, names))
        if counted:
            self._numbers = _unambiguous((int(numbers[0]), index) for index, numbers in enumerate(inside))
        elif any(map(_is_number, names)):
            self._numbers = {}
        else:
            self._numbers = {index: index for index in range(len(names))}

    def find(self, name: str) -> int | None:
        """Return the index, or None."""
        if name in self._exact:
            return self._exact[name]
        folded = _folded(name)
        if folded in self._folded:
            return self._folded[folded]
        return self._numbers.get(int(folded)) if _INTEGER.fullmatch(folded) else None


def _unambiguous(pairs: Iterable[tuple[_Key, int]]) -> dict[_Key, int]:
    """Return the pairs as a dictionary, without the keys that occur twice."""
    listed = list(pairs)
    counts = Counter(key for key, _ in listed)
    return {key: index for key, index in listed if counts[key] == 1}


def _folded(name: str) -> str:
    """Return what two spellings of one label share."""
    plain = " ".join(unicodedata.normalize("NFC", name).casefold().split())
    if _is_number(plain):
        value = float(plain)
        return str(int(value)) if value.is_integer() else repr(value)
    return plain


def _is_number(name: str) -> bool:
    return _NUMBER.fullmatch(name.strip()) is not None


def _refuse_gaps(found: Mapping[str, str]) -> None:
    """Refuse what stands for a missing label, where all other labels are numbers.

    Args:
        found: the first place of each name.
    """
    gaps = [name for name in found if name.strip().lower() in _GAPS]
    others = found.keys() - set(gaps)
    if gaps and others and all(map(_is_number, others)):
        raise DataError(
            f"{found[gaps[0]]}: the label {gaps[0]!r} among numbers stands for a missing one; remove the row, or {_ASK}"
        )


def _distinct(found: Mapping[str, str]) -> list[str]:
    """Return the names without outer blanks, and whole numbers without ``.0``, after a check that none are near-equal.

    Args:
        found: the first place of each name.

    Raises:
        DataError: if two names would be one.
    """
    whole = all(_is_number(name) and float(name).is_integer() for name in found)
    spellings: dict[str, str] = {}
    for name, where in found.items():
        earlier = spellings.setdefault(_folded(name), name)
        if earlier != name and not (whole and _tidy(earlier, whole) == _tidy(name, whole)):
            raise DataError(
                f"{where}: the label {name!r} is {earlier!r} ({found[earlier]}) but for case, blanks or digits; "
                f"write both alike, or {_ASK}"
            )
    return list(dict.fromkeys(_tidy(name, whole) for name in found))


def _tidy(name: str, whole: bool) -> str:
    plain = name.strip()
    match = _WHOLE.fullmatch(plain) if whole else None
    return match[1] if match else plain


def _sorted(names: Sequence[str]) -> list[str]:
    numbers = all(map(_is_number, names))
    return sorted(names, key=lambda name: (float(name) if numbers else 0.0, name))


def _match_declared(table: TextTable, declared: Sequence[str], names: Sequence[str]) -> list[int]:
    targets = _declared_targets(declared, names)
    if targets is None:
        raise DataError(
            f"{table.location} declares the labels {_listed(declared)}, which are not {_listed(names)}; "
            "save the rows to a file with the names of the other side"
        )
    places = {str(index): target for index, target in enumerate(targets)}
    return _indices(table, places, names)


def _declared_targets(declared: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """Return the index of each declared name among the names; None where they cannot be told.

    They may differ in case, be cut (``neg`` for ``negative``), or only count the labels on one of the two sides.
    """
    places = _Places(names)
    by_name = [places.find(name) for name in declared if not _GENERIC.fullmatch(name) or name in names]
    if None not in by_name and len(set(by_name)) == len(declared):
        return [place for place in by_name if place is not None]
    cut = [[index for index, name in enumerate(names) if name.lower().startswith(own.lower())] for own in declared]
    if all(len(found) == 1 for found in cut) and len({found[0] for found in cut}) == len(declared):
        return [found[0] for found in cut]
    counted = any(all(_GENERIC.fullmatch(name) for name in side) for side in (declared, names))
    return list(range(len(names))) if counted and len(declared) == len(names) else None


def _indices(table: TextTable, places: Mapping[str, int | None], names: Sequence[str]) -> list[int]:
    result = []
    for row in table.rows:
        index = places.get(name_of("" if row.label is None else row.label))
        if index is None:
            raise DataError(_mismatch(table, row, places, names))
        result.append(index)
    return result


def _mismatch(table: TextTable, row: Row, places: Mapping[str, int | None], names: Sequence[str]) -> str:
    unknown = [name for name in _counts(table) if places.get(name) is None]
    also = f" ({table.location} has {_listed(unknown)})" if len(unknown) > 1 else ""
    return (
        f"{table.where(row)}, column {table.columns.label!r}: the label {row.label!r:.80} is not one of "
        f"{_listed(names)}{also}; correct the row or remove it, or rename the labels of one side"
    )


def _counts(table: TextTable) -> Counter[str]:
    return Counter(name_of(row.label) for row in table.rows if row.label is not None)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name:.40}" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}, … ({len(names)} in all)"
