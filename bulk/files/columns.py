"""The columns that scoring adds to a table: what they are called, their types, and their values.

First those of the head. Single-label: ``label`` text, ``score`` float64 (the label's probability), ``probabilities``
float64 list in the order of the model's labels (optional). Multi-label: ``labels`` text list (the chosen ones) and
``probabilities``. Regression: ``value`` float64. Then ``tokens`` int32, ``truncated`` bool, ``unknown`` int32 (tokens
that the tokenizer does not know), ``error`` text. A row has an error or the others.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from artifact.scores import Problem
from bulk.scoring import Score

_TYPES: Final[dict[str, pa.DataType]] = {
    "label": pa.string(),
    "score": pa.float64(),
    "labels": pa.list_(pa.string()),
    "value": pa.float64(),
    "probabilities": pa.list_(pa.float64()),
    "tokens": pa.int32(),
    "truncated": pa.bool_(),
    "unknown": pa.int32(),
    "error": pa.string(),
}
_OF_HEADS: Final[dict[Problem, tuple[str, ...]]] = {
    "single_label": ("label", "score"),
    "multi_label": ("labels", "probabilities"),
    "regression": ("value",),
}
_OF_ALL: Final = ("tokens", "truncated", "unknown", "error")


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """Which columns are added.

    Args:
        prefix: stands before each name.
        probabilities: whether every label's probability is added; of a multi-label model they always are.
        problem: of the model's head.
    """

    prefix: str = ""
    probabilities: bool = False
    problem: Problem = "single_label"

    @property
    def schema(self) -> pa.Schema:
        """Names with the prefix, and types."""
        return pa.schema([(self.prefix + name, type_) for name, type_ in self._types().items()])

    def arrays(self, scores: Sequence[Score]) -> list[pa.Array]:
        """Return one array per column, in the order of the schema."""
        return [pa.array([_value(score, name) for score in scores], type_) for name, type_ in self._types().items()]

    def add_to(self, table: pa.Table, scores: Sequence[Score]) -> pa.Table:
        """Return a table with these columns behind its own."""
        arrays = [*table.columns, *self.arrays(scores)]
        return pa.Table.from_arrays(arrays, schema=pa.schema([*table.schema, *self.schema], table.schema.metadata))

    def count_labels(self, table: pa.Table) -> Counter[str]:
        """Return how many rows of a scored table have each label; empty for a regression."""
        if self.problem == "regression":
            return Counter()
        if self.problem == "multi_label":
            lists = table[self.prefix + "labels"].drop_null().to_pylist()
            return Counter(label for chosen in lists for label in chosen)
        return Counter(table[self.prefix + "label"].drop_null().to_pylist())

    def _types(self) -> dict[str, pa.DataType]:
        names = [*_OF_HEADS[self.problem]]
        if self.probabilities and self.problem == "single_label":
            names.append("probabilities")
        return {name: _TYPES[name] for name in (*names, *_OF_ALL)}


def _value(score: Score, name: str) -> Any:  # noqa: ANN401 - a value of its column's type
    return None if score.error is not None and name != "error" else getattr(score, name)
