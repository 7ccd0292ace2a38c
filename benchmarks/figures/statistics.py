"""Statistics: estimates from a few noisy rounds, with bootstrap intervals."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_RESAMPLES: Final = 10_000
_SEED: Final = 0
_QUARTER: Final = 0.25
CONFIDENCE: Final = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its bootstrap interval."""

    estimate: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside the interval."""
        return not self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def quantile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank quantile; NaN if there are no values.

    It is the smallest value that at least ``share`` of the values do not exceed. It is always one of the values:
    interpolation would invent a tail.
    """
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def ratio_interval(
    numerators: Sequence[float], denominators: Sequence[float], confidence: float = CONFIDENCE
) -> Interval:
    """Return the median of paired ratios, in logarithms, with its bootstrap interval.

    Args:
        numerators: a figure of each round.
        denominators: the figure that it is compared with, of the same rounds.
        confidence: share of such intervals that should contain the true value.
    """
    interval = median_interval([math.log(a / b) for a, b in zip(numerators, denominators, strict=True)], confidence)
    return Interval(math.exp(interval.estimate), math.exp(interval.low), math.exp(interval.high))


def middle_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Interval:
    """Return the ratio of two sides' times in the middle half of the rounds, with its bootstrap interval.

    The quarters with the smallest and the largest ratio are left out: there, only one of the two sides was disturbed.
    It is as precise as the ratio over all rounds, and no single round decides it.

    Args:
        numerators: seconds of one side in each round.
        denominators: seconds of the other side in the same rounds, right before or after.
    """
    ones, others = np.asarray(numerators), np.asarray(denominators)
    return _of_middle(ones / others, lambda middle: ones[middle].sum(axis=1) / others[middle].sum(axis=1))


def middle_gap(minuends: Sequence[float], subtrahends: Sequence[float]) -> Interval:
    """Return the mean difference over the middle half of the rounds, with its bootstrap interval."""
    gaps = np.asarray(minuends) - np.asarray(subtrahends)
    return _of_middle(gaps, lambda middle: gaps[middle].mean(axis=1))


def _of_middle(order: Values, compare: Callable[[NDArray[np.int64]], Values]) -> Interval:
    """Return the estimate and interval of a comparison over the middle half of the rounds.

    Args:
        order: (rounds,) float64, by which the rounds are sorted.
        compare: from indices of rounds, (samples, rounds) int64, to one figure per sample, (samples,) float64.
    """
    count = len(order)
    left_out = int(count * _QUARTER)

    def middle(rounds: NDArray[np.int64]) -> NDArray[np.int64]:
        ranked = np.take_along_axis(rounds, np.argsort(order[rounds], axis=1), axis=1)
        return ranked[:, left_out : count - left_out]

    picks = np.random.default_rng(_SEED).integers(0, count, (_RESAMPLES, count))
    low, high = np.quantile(compare(middle(picks)), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(compare(middle(np.arange(count)[None]))[0]), float(low), float(high))


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the median with its bootstrap interval (percentile method; Efron & Tibshirani 1993).

    Of few rounds with outliers the median is the better estimate, and its interval is closer to its promise: of ten
    normal values, an interval of 99 % misses the mean in 4.5 % of cases and the median in 2 %, of twelve values the
    median in 1.5 % (simulated).
    """
    draw = np.random.default_rng(_SEED)
    medians = np.median(draw.choice(np.asarray(values), (_RESAMPLES, len(values))), axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(medians, [tail, 1 - tail], method="inverted_cdf")
    return Interval(statistics.median(values), float(low), float(high))
