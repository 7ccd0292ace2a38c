"""Raters: how close a two-label model's probabilities are to the people who rated the texts."""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from artifact.scores import Head
from export.errors import ExportError
from training.reading import DataError, FileSource, read_numbers

_CLEAR_SHARE: Final = 0.9
"""Share of raters from which a text is clear."""
_NEUTRAL_SHARE: Final = 0.1
"""Largest distance of a neutral text's share from one half."""
_CLEAR_RATING: Final = 1.0
"""Mean rating beyond which, on either side, a text is clear."""
_NEUTRAL_RATING: Final = 0.3
"""Largest mean rating, on either side, of a neutral text."""
_RATING: Final = 4.0
"""Ratings are from -4 to 4."""
_CERTAIN: Final = 0.9
_BINS: Final = 10


class RatedColumns(NamedTuple):
    """Names of the columns that hold what people said; a file may lack either.

    Attributes:
        share: share of raters, from 0 to 1, who chose the second label.
        rating: mean rating, from -4 to 4; it tells clear and neutral texts apart better than the share.
    """

    share: str
    rating: str | None = None


class Rated(NamedTuple):
    """What people said of texts.

    Attributes:
        shares: (texts,) of the raters who chose the second label.
        ratings: (texts,) means, from -4 to 4; None where the file has none.
    """

    shares: NDArray[np.float64]
    ratings: NDArray[np.float64] | None = None

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Whether each text is clear: a mean rating beyond 1, or at least 90 % of the raters agree."""
        if self.ratings is not None:
            return np.abs(self.ratings) > _CLEAR_RATING
        return np.maximum(self.shares, 1 - self.shares) >= _CLEAR_SHARE

    @property
    def neutral(self) -> NDArray[np.bool_]:
        """Whether each text is neutral: a mean rating within 0.3, or a share within 0.1 of one half."""
        if self.ratings is not None:
            return np.abs(self.ratings) <= _NEUTRAL_RATING + 1e-6
        return np.abs(self.shares - 0.5) <= _NEUTRAL_SHARE + 1e-6

    @property
    def second(self) -> NDArray[np.bool_]:
        """Whether people chose the second label."""
        return self.shares > 0.5 if self.ratings is None else self.ratings > 0  # noqa: PLR2004 - either label


@dataclass(frozen=True, slots=True)
class Raters:
    """Figures of one split against its raters.

    Attributes:
        correlation: Pearson's r of the second label's probability and the mean rating, or the share where there is no
            rating; None if either is constant.
        clear: number of clear texts.
        clear_accuracy: share of them with the raters' label; None without any.
        neutral: number of neutral texts.
        neutral_confidence: mean probability of the label that was answered on them; None without any.
        neutral_certain: share of them that were answered with a probability over 0.9; None without any.
        calibration_error: distance of mean probability and mean share in ten bins of probability, weighed by texts.
    """

    correlation: float | None
    clear: int
    clear_accuracy: float | None
    neutral: int
    neutral_confidence: float | None
    neutral_certain: float | None
    calibration_error: float

    @classmethod
    def of(cls, probabilities: NDArray[np.float64], rated: Rated) -> Self:
        """Compare.

        Args:
            probabilities: (texts,) of the second label.
            rated: what people said.
        """
        shares = rated.shares
        clear, neutral = rated.clear, rated.neutral
        right = (probabilities > 0.5) == rated.second  # noqa: PLR2004 - either label
        confidence = np.maximum(probabilities, 1 - probabilities)[neutral]
        bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
        gaps = np.bincount(bins, probabilities - shares, _BINS)
        said = shares if rated.ratings is None else rated.ratings
        varies = len(said) > 1 and np.ptp(said) > 0 and np.ptp(probabilities) > 0
        return cls(
            float(np.corrcoef(probabilities, said)[0, 1]) if varies else None,
            int(clear.sum()),
            float(right[clear].mean()) if clear.any() else None,
            int(neutral.sum()),
            float(confidence.mean()) if neutral.any() else None,
            float((confidence > _CERTAIN).mean()) if neutral.any() else None,
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
            parts.append(
                f"mean confidence {self.neutral_confidence:.2f} on {self.neutral:,} neutral ones, "
                f"{self.neutral_certain:.1%} of them over {_CERTAIN:g}"
            )
        return f"Against the raters: {'; '.join((*parts, f'calibration error {self.calibration_error:.1%}'))}."


def read_rated(source: FileSource, columns: RatedColumns, head: Head) -> Rated | None:
    """Return what people said of a file's rows; None if the file has no column of shares.

    Raises:
        ExportError: if the model does not choose one of two labels, or a value is not within its bounds.
    """
    try:
        shares = read_numbers(source, columns.share, 0, 1)
        ratings = None if columns.rating is None else read_numbers(source, columns.rating, -_RATING, _RATING)
    except DataError as error:
        raise ExportError(str(error)) from error
    if shares is None:
        return None
    if head.problem != "single_label" or len(head.labels) != 2:  # noqa: PLR2004 - a share tells nothing of a third
        raise ExportError(f"--share needs a model that chooses one of two labels, not of {', '.join(head.labels)}")
    return Rated(np.array(shares, np.float64), None if ratings is None else np.array(ratings, np.float64))
