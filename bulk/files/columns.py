"""The columns that scoring adds to a table: what they are called, their types, and their values.

``label`` text, ``score`` float64 (the label's probability), ``probabilities`` float64 list in the order of the
model's labels (optional), ``tokens`` int32, ``truncated`` bool, ``unknown`` int32 (tokens that the tokenizer does not
know), ``error`` text. A row has an error or the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from bulk.scoring import Score

_TYPES: Final[dict[str, pa.DataType]] = {
    "label": pa.string(),
    "score": pa.float64(),
    "probabilities": pa.list_(pa.float64()),
    "tokens": pa.int32(),
    "truncated": pa.bool_(),
    "unknown": pa.int32(),
    "error": pa.string(),
}


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """Which columns are added.

    Args:
        prefix: stands before each name.
        probabilities: whether every label's probability is added.
    """

    prefix: str = ""
    probabilities: bool = False

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

    def _types(self) -> dict[str, pa.DataType]:
        return {name: type_ for name, type_ in _TYPES.items() if name != "probabilities" or self.probabilities}


def _value(score: Score, name: str) -> Any:  # noqa: ANN401 - a value of its column's type
    if score.error is not None and name in {"label", "score", "probabilities", "truncated", "tokens", "unknown"}:
        return None
    return getattr(score, name)
