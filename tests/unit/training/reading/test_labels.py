"""Names of labels are derived from data, or data is matched to names."""

import pytest

from training.reading import (
    Columns,
    DataError,
    Row,
    TextTable,
    describe_labels,
    label_names,
    match_indices,
    match_labels,
)


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
        ([_table("10", "9", "other")], ["10", "9", "other"]),
        ([_table("NA", "EU", "none", "null")], ["EU", "NA", "none", "null"]),
        ([_table(*map(str, range(12)))], [str(index) for index in range(12)]),
        ([_table("1.0", "0.0"), _table(1, 2.0)], ["0", "1", "2"]),
        ([_table("1.0", "0.5")], ["0.5", "1.0"]),
        ([_table("01", "02")], ["01", "02"]),
        ([_table("1", "-1")], ["-1", "1"]),
        ([_table(True, False), _table("True")], ["False", "True"]),
        ([_table(" down", "up "), _table(" down")], ["down", "up"]),
        ([_table(0, 1, declared=("neg", "pos")), _table("pos")], ["neg", "pos"]),
    ],
)
def test_names_come_from_the_data(tables: list[TextTable], names: list[str]) -> None:
    """Declared names win; else numbers are sorted by value, in any format, and other names by alphabet."""
    assert names == label_names(tables)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([_table("down", "up", " down")], r"a.csv line 3: the label ' down' is 'down' \(a.csv line 1\) but for"),
        ([_table("Down"), _table("down")], "the label 'down' is 'Down'"),
        ([_table("no  one", "no one")], "the label 'no one' is 'no  one'"),
        ([_table("caf\u00e9", "cafe\u0301")], "write both alike, or name every label with --labels"),
        ([_table("01", "1")], "the label '1' is '01'"),
        ([_table(True), _table("true")], "the label 'true' is 'True'"),
    ],
)
def test_labels_that_are_nearly_equal_are_refused(tables: list[TextTable], message: str) -> None:
    """Two spellings of one label would become two classes, so both are named with their rows."""
    with pytest.raises(DataError, match=message):
        label_names(tables)


@pytest.mark.parametrize("gap", ["nan", "NaN", "NA", "None", "null", "<NA>", "-100", -100])
def test_gaps_among_numbers_are_refused(gap: str | int) -> None:
    """Among numbers, what a writer puts for a missing one is no class; its row is named."""
    with pytest.raises(DataError, match=f"a.csv line 3: the label '{gap}' among numbers stands for a missing one"):
        label_names([_table("1", 2, gap)])


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
        (_table(*range(12)), [str(index) for index in range(12)], list(range(12))),
        (_table("10", "2", 1), ["1", "10", "2"], [1, 2, 0]),
        (_table("1.0", 0.0, 1.0), ["no", "yes"], [1, 0, 1]),
        (_table("1.0", 2), ["1", "2"], [0, 1]),
        (_table("1", "2"), ["1.0", "2.0"], [0, 1]),
        (_table(-1, "1"), ["-1", "1"], [0, 1]),
        (_table("true", False), ["False", "True"], [1, 0]),
        (_table("Yes", " no "), ["NO", "YES"], [1, 0]),
        (_table("yes", "Yes"), ["Yes", "yes"], [1, 0]),
        (_table(1, "5"), ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"], [0, 4]),
        (_table(1, "0"), ["LABEL_0", "LABEL_1"], [1, 0]),
        (_table("NA", "null"), ["NA", "null"], [0, 1]),
        (_table(1, 0, declared=("Neg", "POS")), ["pos", "neg"], [0, 1]),
        (_table(1, 0, declared=("neg", "pos")), ["positive", "negative"], [0, 1]),
        (_table(1, 0, declared=("joy", "anger")), ["LABEL_0", "LABEL_1"], [1, 0]),
        (_table(1, 0, declared=("0", "1")), ["joy", "anger"], [1, 0]),
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
        (_table(2.0), ["no", "yes"], "the label 2.0 is not one of"),
        (_table("a", "b"), ["no", "yes"], r"the label 'a' is not one of no, yes \(a.csv has a, b\); correct"),
        (_table("YES"), ["Yes", "yes"], "the label 'YES' is not one of"),
        (_table(-100), ["no", "yes"], "the label -100 is not one of"),
        (_table("0"), ["1 star", "2 stars"], "the label '0' is not one of"),
        (_table("0"), ["-1", "-2"], "the label '0' is not one of"),
        (_table("0"), ["1", "2"], "the label '0' is not one of 1, 2"),
        (_table(-1, declared=("neg", "pos")), ["neg", "pos"], "the label -1 is not one of"),
        (_table(1, declared=("neg", "pos")), ["a", "b", "c"], "declares the labels neg, pos, which are not a, b, c"),
        (
            _table(1, declared=("joy", "love")),
            ["love", "fear"],
            "declares the labels joy, love, which are not love, fear",
        ),
        (_table("no"), ["no", "yes", "no"], "the labels no, yes, no are not unique"),
        (_table("no"), ["no", " "], "the labels no,   are not unique or one is blank"),
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


def test_the_mapping_is_told() -> None:
    """One line says which label of the data was read as which of the model, and of how many rows."""
    table, names = _table("1", "yes", 0, "YES"), ["no", "yes"]
    indices = match_labels(table, names)
    assert "labels of a.csv: 0 no (written '0'): 1 rows; 1 yes (written '1', 'YES'): 3 rows" == describe_labels(
        table, names, indices
    )
