"""Cascade: a split's figures with the first stage on, beside those without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from artifact.figures import MAIN, Truth, figures
from artifact.scores import Head
from export.evaluate.breakdown import subsets_of
from export.evaluate.served import ServedPrediction
from export.write.table import Columns, markdown


@dataclass(frozen=True, slots=True)
class CascadeSubset:
    """Some of the texts of a split.

    Attributes:
        name: what they have in common.
        n: texts.
        answered: share of them that the first stage answered.
        accuracy: share of right labels with the first stage; the main figure of other problems.
        without: the same by the graph alone.
    """

    name: str
    n: int
    answered: float
    accuracy: float
    without: float


_SUBSETS: Final[Columns[CascadeSubset]] = (
    ("with the first stage", lambda subset: subset.name),
    ("n", lambda subset: f"{subset.n:,}"),
    ("answered by it", lambda subset: f"{subset.answered:.1%}"),
    ("accuracy", lambda subset: f"{subset.accuracy:.2%}"),
    ("without it", lambda subset: f"{subset.without:.2%}"),
)


@dataclass(frozen=True, slots=True)
class Cascade:
    """Figures of one split with the first stage on.

    Attributes:
        subsets: all texts, then those of each range of lengths and of each kind.
        calibration_error: of single-label models; None for others.
    """

    subsets: tuple[CascadeSubset, ...]
    calibration_error: float | None

    @classmethod
    def of(
        cls,
        head: Head,
        truth: Truth,
        answers: Sequence[ServedPrediction],
        without: Sequence[ServedPrediction],
        kinds: Sequence[str],
    ) -> Self:
        """Compare the answers with the first stage on with those of the graph alone.

        Args:
            head: of the model.
            truth: true answers, see ``artifact.figures``.
            answers: of a server with the first stage on.
            without: of a server with it off, to the same texts.
            kinds: the group of each text.
        """
        scores, alone = (np.array([answer.scores for answer in given], np.float64) for given in (answers, without))
        stages = np.array([answer.by_first_stage for answer in answers])
        tokens = np.array([answer.tokens for answer in without], np.int64)

        def subset(name: str, chosen: NDArray[np.bool_]) -> CascadeSubset:
            with_it, without_it = (
                figures(head, table[chosen], truth[chosen])[MAIN[head.problem]] for table in (scores, alone)
            )
            return CascadeSubset(name, int(chosen.sum()), float(stages[chosen].mean()), with_it, without_it)

        everything = np.ones(len(truth), np.bool_)
        parts = {"all texts": everything, **subsets_of(tokens, kinds)}
        return cls(
            tuple(subset(name, chosen) for name, chosen in parts.items()),
            figures(head, scores, truth).get("expected_calibration_error"),
        )

    def describe(self) -> str:
        """Return the figures of all texts in a few words."""
        every = self.subsets[0]
        gain = 100 * (every.accuracy - every.without)
        error = "" if self.calibration_error is None else f", calibration error {self.calibration_error:.2%}"
        return f"the first stage answers {every.answered:.1%}: {every.accuracy:.2%} ({gain:+.2f} points){error}"

    def markdown(self) -> list[str]:
        """Return the lines for the card."""
        sentence = self.describe()
        return [f"{sentence[0].upper()}{sentence[1:]}.", "", *markdown(_SUBSETS, self.subsets)]
