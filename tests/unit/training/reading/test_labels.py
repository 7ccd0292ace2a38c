"""Names of labels are derived from data, or data is matched to names."""

import pytest

from training.reading import Columns, DataError, Row, TextTable, label_names, match_indices, match_labels


def _table(*labels: str | float | None, declared: tuple[str, ...] | None = None) -> TextTable:
    rows = [Row(number, "text", label) for number, label in enumerate(labels, 1)]
    return TextTable("a.csv", "line", Columns(), rows, declared)


@pytest.mark.parametrize(
    ("tables", "names"),
    [
        ([_table("no", "yes", "maybe")], ["maybe", "no", "yes"]),
        ([_table("10", "9", "1")], ["1", "9", "10"]),
        ([_table(10, 9), _table("1")], ["1", "9", "10"]),
        ([_table("-1", "0", "0.5")], ["-1", "0", "0.5"]),
        ([_table("10", "9", "nan")], ["10", "9", "nan"]),
        ([_table("10", "9", "none")], ["10", "9", "none"]),
        ([_table(0, 1, declared=("neg", "pos")), _table("pos")], ["neg", "pos"]),
    ],
)
def test_names_come_from_the_data(tables: list[TextTable], names: list[str]) -> None:
    """Declared names win; else numbers are sorted by value, in any format, and other names by alphabet."""
    assert names == label_names(tables)


def test_declared_names_must_agree() -> None:
    """Two data sets that order their labels differently are refused."""
    with pytest.raises(DataError, match="order their labels differently"):
        label_names([_table(0, declared=("neg", "pos")), _table(0, declared=("pos", "neg"))])


@pytest.mark.parametrize(
    ("table", "names", "indices"),
    [
        (_table("yes", "no"), ["no", "yes"], [1, 0]),
        (_table("1", 0), ["no", "yes"], [1, 0]),
        (_table("1", "yes"), ["no", "yes"], [1, 1]),
        (_table("1", 2), ["1", "2"], [0, 1]),
        (_table(1, 0, declared=("neg", "pos")), ["pos", "neg"], [0, 1]),
        (_table(1, 0, declared=("neg", "pos")), ["neg", "neutral", "pos"], [2, 0]),
        (_table(1, 0, declared=("neg", "pos")), ["negative", "positive"], [1, 0]),
        (_table(0, 4, declared=("1", "2", "3", "4", "5")), ["1", "2", "3", "4", "5"], [0, 4]),
    ],
)
def test_labels_are_matched(table: TextTable, names: list[str], indices: list[int]) -> None:
    """Names win over indices, and names that the data declares over both."""
    assert indices == match_labels(table, names)


@pytest.mark.parametrize(
    ("table", "names", "message"),
    [
        (_table("no", "maybe"), ["no", "yes"], "a.csv line 2, column 'label': the label 'maybe' is not one of no, yes"),
        (_table("2"), ["no", "yes"], "the label '2' is not one of no, yes"),
        (_table(-1), ["no", "yes"], "the label -1 is not one of"),
        (_table(True), ["no", "yes"], "the label True is not one of"),
        (_table(1.0), ["no", "yes"], "the label 1.0 is not one of"),
        (_table("0"), ["1", "2"], "the label '0' is not one of 1, 2"),
        (_table(-1, declared=("neg", "pos")), ["neg", "pos"], "the label -1 is not one of"),
        (_table(1, declared=("neg", "pos")), ["a", "b", "c"], "declares the labels neg, pos, which are not a, b, c"),
        (_table("no"), ["no", "yes", "no"], "the labels no, yes, no are not unique"),
    ],
)
def test_other_labels_are_refused(table: TextTable, names: list[str], message: str) -> None:
    """A label that is neither a name nor an index is refused with its row and the names."""
    with pytest.raises(DataError, match=message):
        match_labels(table, names)


def test_indices_are_indices_even_if_names_are_numbers() -> None:
    """A checkpoint's own rows hold indices; a 1 is the second label whatever the labels are called."""
    assert [1, 0] == match_indices(_table(1, "0"), 2)
    with pytest.raises(DataError, match="line 1, column 'label': the label 2 is not one of 0, 1"):
        match_indices(_table(2), 2)
