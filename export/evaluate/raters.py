"""Raters: how close a two-label model's probabilities are to the shares of people who chose the second label."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from artifact.scores import Head
from export.errors import ExportError
from training.reading import DataError, FileSource, read_shares

_CLEAR: Final = 0.9
"""Share of raters from which a text is clear."""
_NEUTRAL: Final = 0.1
"""Largest distance of a neutral text's share from one half."""
_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Raters:
    """Figures of one split against its raters.

    Attributes:
        correlation: Pearson's r of the second label's probability and the raters' share; None if either is constant.
        clear: texts on which at least 90 % of the raters agree.
        clear_accuracy: share of them with the raters' label; None without any.
        neutral: texts with a share within 0.1 of one half.
        neutral_confidence: mean probability of the label that was answered on them; None without any.
        calibration_error: distance of mean probability and mean share in ten bins of probability, weighed by texts.
    """

    correlation: float | None
    clear: int
    clear_accuracy: float | None
    neutral: int
    neutral_confidence: float | None
    calibration_error: float

    @classmethod
    def of(cls, probabilities: NDArray[np.float64], shares: NDArray[np.float64]) -> Self:
        """Compare.

        Args:
            probabilities: (texts,) of the second label.
            shares: (texts,) of the raters who chose it.
        """
        clear = np.maximum(shares, 1 - shares) >= _CLEAR
        neutral = np.abs(shares - 0.5) <= _NEUTRAL + 1e-6
        right = (probabilities > 0.5) == (shares > 0.5)  # noqa: PLR2004 - either label
        confidence = np.maximum(probabilities, 1 - probabilities)
        bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
        gaps = np.bincount(bins, probabilities - shares, _BINS)
        varies = len(shares) > 1 and np.ptp(shares) > 0 and np.ptp(probabilities) > 0
        return cls(
            float(np.corrcoef(probabilities, shares)[0, 1]) if varies else None,
            int(clear.sum()),
            float(right[clear].mean()) if clear.any() else None,
            int(neutral.sum()),
            float(confidence[neutral].mean()) if neutral.any() else None,
            float(np.abs(gaps).sum() / len(shares)),
        )

    def describe(self) -> str:
        """Return the figures as one sentence."""
        parts = []
        if self.correlation is not None:
            parts.append(f"correlation {self.correlation:.2f}")
        if self.clear_accuracy is not None:
            parts.append(f"accuracy {self.clear_accuracy:.1%} on {self.clear:,} clear texts")
        if self.neutral_confidence is not None:
            parts.append(f"mean confidence {self.neutral_confidence:.2f} on {self.neutral:,} neutral ones")
        return f"Against the raters: {'; '.join((*parts, f'calibration error {self.calibration_error:.1%}'))}."


def shares_of(source: FileSource, column: str, head: Head) -> NDArray[np.float64] | None:
    """Return the raters' shares of a file's rows, (texts,); None if the file has no such column.

    Raises:
        ExportError: if the model does not choose one of two labels, or a value is not a share from 0 to 1.
    """
    try:
        found = read_shares(source, column)
    except DataError as error:
        raise ExportError(str(error)) from error
    if found is None:
        return None
    if head.problem != "single_label" or len(head.labels) != 2:  # noqa: PLR2004 - a share tells nothing of a third
        raise ExportError(f"--share needs a model that chooses one of two labels, not of {', '.join(head.labels)}")
    return np.array(found, np.float64)
