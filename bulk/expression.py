"""``scorer``: scores for a daft pipeline or a pandas column of your own.

    from bulk import scorer

    score = scorer("models/default")
    frame = daft.read_parquet("reviews.parquet").with_column("sentiment", score(daft.col("text")))
    frame.join(score(frame["text"]))  # pandas: a data frame with label, score, tokens, …

A model of pairs takes two columns: ``score(frame["text"], frame["text_pair"])``.

daft runs it on as many threads as the machine has cores, on its Ray runner on every node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload

import daft
import pyarrow as pa

from artifact.manifest import ArtifactError, read_manifest
from artifact.scores import Problem
from bulk.files.columns import ScoreColumns
from bulk.scoring import MAX_CHARS, TextScorer, shared_scorer

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
        first_stage: whether the artifact's first stage answers easy texts.
    """

    artifact: str
    columns: ScoreColumns
    max_chars: int
    first_stage: bool = False

    def load(self) -> TextScorer:
        """Return this process's scorer.

        Raises:
            ArtifactError: if the artifact cannot be used.
        """
        return shared_scorer(Path(self.artifact), self.max_chars, first_stage=self.first_stage)

    @overload
    def __call__(self, column: daft.Expression, pair: daft.Expression | None = None) -> daft.Expression: ...
    @overload
    def __call__(self, column: pd.Series[Any], pair: pd.Series[Any] | None = None) -> pd.DataFrame: ...
    def __call__(
        self, column: daft.Expression | pd.Series[Any], pair: daft.Expression | pd.Series[Any] | None = None
    ) -> daft.Expression | pd.DataFrame:
        """Return a struct expression of daft expressions, or a data frame with the index of a pandas column.

        Args:
            column: of the texts.
            pair: of the second texts, for a model of pairs.

        Raises:
            ArtifactError: if the artifact cannot be used; of an expression, when it is run.
        """
        if isinstance(column, daft.Expression):
            return self._expression(column, *([] if pair is None else [pair]))
        import pandas as pd  # noqa: PLC0415 - whoever has a pandas column has pandas

        given = [column] if pair is None else [column, pair]
        texts = [[None if pd.isna(text) is True else text for text in each] for each in given]
        scores = self.load().score(_joined(texts))
        values = zip(self.columns.schema.names, self.columns.arrays(scores), strict=True)
        return pd.DataFrame({name: array.to_pandas() for name, array in values}).set_index(column.index)

    def _expression(self, *columns: Any) -> daft.Expression:  # noqa: ANN401 - expressions, and daft has no types of its own
        fields = {field.name: daft.DataType.from_arrow_type(field.type) for field in self.columns.schema}
        struct = daft.DataType.struct(fields)

        @daft.cls(use_process=False)
        class Texts(_Texts):
            @daft.method.batch(return_dtype=struct, batch_size=_BATCH_ROWS)
            def score(self, column: daft.Series) -> pa.StructArray:
                return self.structs(column)

            @daft.method.batch(return_dtype=struct, batch_size=_BATCH_ROWS)
            def score_pairs(self, column: daft.Series, pair: daft.Series) -> pa.StructArray:
                return self.structs(column, pair)

        texts = Texts(self)
        expression: daft.Expression = (texts.score if len(columns) == 1 else texts.score_pairs)(*columns)
        return expression


class _Texts:
    """Scores on one worker.

    Args:
        scorer: how to score.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._columns = scorer.columns
        self._texts = scorer.load()

    def structs(self, *columns: daft.Series) -> pa.StructArray:
        """Return a struct for each text or pair."""
        scores = self._texts.score(_joined([column.to_pylist() for column in columns]))
        return pa.StructArray.from_arrays(self._columns.arrays(scores), fields=list(self._columns.schema))


def _joined(columns: Sequence[Sequence[object]]) -> Sequence[object]:
    """Return the texts of one column, or the pairs of two."""
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def scorer(
    artifact: str | Path = DEFAULT,
    *,
    probabilities: bool = False,
    max_chars: int = MAX_CHARS,
    prefix: str = "",
    first_stage: bool = False,
) -> Scorer:
    """Return what scores a daft expression or a pandas column.

    Args:
        artifact: directory; on a Ray cluster it must be there on every node.
        probabilities: whether every label's probability is among the values.
        max_chars: longer texts get an error.
        prefix: stands before the names of the values.
        first_stage: whether the artifact's first stage answers easy texts.
    """
    return Scorer(str(artifact), ScoreColumns(prefix, probabilities, _problem(Path(artifact))), max_chars, first_stage)


def _problem(artifact: Path) -> Problem:
    """Return the problem of an artifact; the usual one where it is not on this machine, but on those that score."""
    try:
        return read_manifest(artifact).problem
    except ArtifactError:
        return "single_label"
