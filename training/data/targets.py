"""Targets of a training run: what the rows of its sources say, for each problem.

A single-label row has the index of its label. A multi-label row has the indices of its labels, a regression a value;
their ``label`` is only the stratum by which rows are held out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artifact.manifest import TextOrPair
from artifact.scores import Problem
from training.data.sources import Source
from training.reading import (
    DataError,
    TextTable,
    describe_labels,
    describe_many,
    describe_values,
    label_names,
    match_labels,
    match_many,
    read_values,
)
from training.reading.rows import Row
from training.reading.targets import single_labels

_VALUE: Final = "value"
"""Name of the logit of a regression, unless ``--labels`` names it."""
_STRATA: Final = 5
"""Values are held out in equal shares of so many ranges of them."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text or pair with its true answer.

    Attributes:
        text: the text.
        label: index of the label; of other problems the stratum.
        source: name of the source.
        confidence: probability of the label.
        target: indices of the labels of a multi-label row, or the value of a regression; None for a single label.
        text_pair: the second text of a pair; None for a single text.
    """

    text: str
    label: int
    source: str
    confidence: float = 1.0
    target: tuple[int, ...] | float | None = None
    text_pair: str | None = None

    @property
    def content(self) -> TextOrPair:
        """What the model reads."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)

    @property
    def answer(self) -> int | tuple[int, ...] | float:
        """The true answer."""
        return self.label if self.target is None else self.target


def names_of(tables: Sequence[TextTable], problem: Problem) -> list[str]:
    """Return the names of the labels that the data declares or that occur; of a regression "value".

    Raises:
        DataError: see ``label_names``.
    """
    if problem == "regression":
        return [_VALUE]
    return label_names([single_labels(table) for table in tables] if problem == "multi_label" else tables)


def examples_of(table: TextTable, labels: Sequence[str], source: Source, problem: Problem) -> tuple[list[Example], str]:
    """Return the rows of a source, and how their labels were read, in a line.

    Raises:
        DataError: if a label is not one of ``labels``, or a value no number.
    """
    if problem == "single_label":
        found = match_labels(table, labels)
        strata, answers, note = found, [None] * len(found), describe_labels(table, labels, found)
        return _examples(table.rows, source, strata, answers), note
    if problem == "multi_label":
        chosen = match_many(table, labels)
        return _examples(table.rows, source, _rarest(chosen), chosen), describe_many(table, labels, chosen)
    values = read_values(table)
    return _examples(table.rows, source, _ranges(values), values), describe_values(table, values)


def truth_of(examples: Sequence[Example], problem: Problem, labels: int) -> NDArray[Any]:
    """Return the true answers in the form of ``artifact.figures``.

    Args:
        examples: with answers of the problem.
        problem: of the head.
        labels: their number.
    """
    if problem != "multi_label":
        return np.array([example.answer for example in examples], np.float64 if problem == "regression" else np.int64)
    result = np.zeros((len(examples), labels), np.bool_)
    for row, example in zip(result, examples, strict=True):
        row[list(example.target if isinstance(example.target, tuple) else ())] = True
    return result


def check_targets(train: Sequence[Example], labels: Sequence[str], problem: Problem) -> None:
    """Check that there is something to learn.

    Raises:
        DataError: if a label never occurs in the training rows, or all values are equal.
    """
    if problem == "multi_label":
        counts = Counter(index for example in train if isinstance(example.target, tuple) for index in example.target)
        missing = [name for index, name in enumerate(labels) if not counts[index]]
        if missing:
            raise DataError(f"no training row has the label {', '.join(missing)}")
    elif len({example.target for example in train}) < 2:  # noqa: PLR2004 - a regression needs two
        raise DataError("every training row has the same value; a regression needs different ones")


def _examples(rows: Sequence[Row], source: Source, strata: Sequence[int], answers: Sequence[Any]) -> list[Example]:
    return [
        Example(row.text, stratum, source.name, row.confidence, answer, row.text_pair)
        for row, stratum, answer in zip(rows, strata, answers, strict=True)
    ]


def _rarest(chosen: Sequence[tuple[int, ...]]) -> list[int]:
    """Return each row's rarest label, so that rare labels are held out too; -1 for a row without any."""
    counts = Counter(index for labels in chosen for index in labels)
    return [min(labels, key=lambda index: (counts[index], index), default=-1) for labels in chosen]


def _ranges(values: Sequence[float]) -> list[int]:
    edges = np.quantile(values, np.linspace(0, 1, _STRATA + 1)[1:-1])
    return [int(place) for place in np.searchsorted(edges, values)]
