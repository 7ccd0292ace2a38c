"""Statistics: what a few noisy rounds say, and how sure one can be of it."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_RESAMPLES: Final = 10_000
_SEED: Final = 0
_QUARTER: Final = 0.25
CONFIDENCE: Final = 0.95


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
    """Return the smallest value that at least ``share`` of the values do not exceed; NaN if there are none.

    The nearest-rank quantile is one of the values: no tail is invented by interpolation.
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
        denominators: what it is compared with, measured in the same round.
        confidence: share of such intervals that are to hold the true value.
    """
    interval = median_interval([math.log(a / b) for a, b in zip(numerators, denominators, strict=True)], confidence)
    return Interval(math.exp(interval.estimate), math.exp(interval.low), math.exp(interval.high))


def undisturbed(seconds: Sequence[float]) -> float:
    """Return the lower quartile of what rounds took: others only ever add to it, and rarely to all of them."""
    return float(np.quantile(seconds, _QUARTER))


def undisturbed_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Interval:
    """Return the ratio of what two took when undisturbed, with its bootstrap interval over the rounds.

    Args:
        numerators: seconds of each round.
        denominators: seconds of the other one in the same rounds: as many, so that the quartile favours neither.
    """
    return _of_quartiles(np.divide, numerators, denominators)


def undisturbed_gap(minuends: Sequence[float], subtrahends: Sequence[float]) -> Interval:
    """Return the difference of what two took when undisturbed, as ``undisturbed_ratio`` the ratio."""
    return _of_quartiles(np.subtract, minuends, subtrahends)


def _of_quartiles(compare: np.ufunc, one: Sequence[float], other: Sequence[float]) -> Interval:
    ones, others = np.asarray(one), np.asarray(other)
    picks = np.random.default_rng(_SEED).integers(0, len(ones), (_RESAMPLES, len(ones)))
    found = compare(np.quantile(ones[picks], _QUARTER, axis=1), np.quantile(others[picks], _QUARTER, axis=1))
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(compare(undisturbed(one), undisturbed(other))), float(low), float(high))


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the median with its bootstrap interval (percentile method; Efron & Tibshirani 1993).

    Of few rounds, some of which a neighbour spoils, the median says more than the mean, and its interval keeps what it
    promises better: of ten normal values, intervals of 99 % around the mean miss it in 4.5 % of cases, those around the
    median in 2 %, of twelve in 1.5 % (simulated).
    """
    draw = np.random.default_rng(_SEED)
    medians = np.median(draw.choice(np.asarray(values), (_RESAMPLES, len(values))), axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(medians, [tail, 1 - tail], method="inverted_cdf")
    return Interval(statistics.median(values), float(low), float(high))
