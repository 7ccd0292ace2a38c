"""``scorer``: scores for a daft pipeline or a pandas column of your own.

    from bulk import scorer

    score = scorer("models/default")
    frame = daft.read_parquet("reviews.parquet").with_column("sentiment", score(daft.col("text")))
    frame.join(score(frame["text"]))  # pandas: a data frame with label, score, tokens, …

daft runs it on as many threads as the machine has cores, on its Ray runner on every node.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload

import daft
import pyarrow as pa

from bulk.files.columns import ScoreColumns
from bulk.scoring import MAX_CHARS, shared_scorer

if TYPE_CHECKING:
    import pandas as pd

DEFAULT: Final = "models/default"
_BATCH_ROWS: Final = 1024
"""Texts that are sorted by length together."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores of a column by an artifact; ``scorer`` makes it.

    Attributes:
        artifact: directory, on every machine that scores.
        columns: what a score consists of.
        max_chars: longer texts get an error.
    """

    artifact: str
    columns: ScoreColumns
    max_chars: int

    @overload
    def __call__(self, column: daft.Expression) -> daft.Expression: ...
    @overload
    def __call__(self, column: pd.Series[Any]) -> pd.DataFrame: ...
    def __call__(self, column: daft.Expression | pd.Series[Any]) -> daft.Expression | pd.DataFrame:
        """Return a struct expression of a daft expression, or a data frame with the index of a pandas column.

        Raises:
            ArtifactError: if the artifact cannot be used; of an expression, when it is run.
        """
        if isinstance(column, daft.Expression):
            return self._expression(column)
        import pandas as pd  # noqa: PLC0415 - whoever has a pandas column has pandas

        missing = column.isna()
        texts = [None if gone else text for text, gone in zip(column, missing, strict=True)]
        scores = shared_scorer(Path(self.artifact), self.max_chars).score(texts)
        values = zip(self.columns.schema.names, self.columns.arrays(scores), strict=True)
        return pd.DataFrame({name: array.to_pandas() for name, array in values}).set_index(column.index)

    def _expression(self, column: daft.Expression) -> daft.Expression:
        fields = {field.name: daft.DataType.from_arrow_type(field.type) for field in self.columns.schema}

        @daft.cls(use_process=False)
        class Texts(_Texts):
            @daft.method.batch(return_dtype=daft.DataType.struct(fields), batch_size=_BATCH_ROWS)
            def score(self, column: daft.Series) -> pa.StructArray:
                return self.structs(column)

        expression: daft.Expression = Texts(self).score(column)  # type: ignore[arg-type]  # the decorator takes both
        return expression


class _Texts:
    """Scores on one worker.

    Args:
        scorer: how to score.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._columns = scorer.columns
        self._texts = shared_scorer(Path(scorer.artifact), scorer.max_chars)

    def structs(self, column: daft.Series) -> pa.StructArray:
        """Return a struct for each text."""
        scores = self._texts.score(column.to_pylist())
        return pa.StructArray.from_arrays(self._columns.arrays(scores), fields=list(self._columns.schema))


def scorer(
    artifact: str | Path = DEFAULT, *, probabilities: bool = False, max_chars: int = MAX_CHARS, prefix: str = ""
) -> Scorer:
    """Return what scores a daft expression or a pandas column.

    Args:
        artifact: directory; on a Ray cluster it must be there on every node.
        probabilities: whether every label's probability is among the values.
        max_chars: longer texts get an error.
        prefix: stands before the names of the values.
    """
    return Scorer(str(artifact), ScoreColumns(prefix, probabilities), max_chars)
