"""Statistics: what a few noisy rounds say, and how sure one can be of it."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_RESAMPLES: Final = 4000
_SEED: Final = 0
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
    """Return the geometric mean of paired ratios with its bootstrap interval.

    Args:
        numerators: a figure of each round.
        denominators: what it is compared with, measured in the same round.
        confidence: share of such intervals that hold the true value.
    """
    logs = [math.log(a / b) for a, b in zip(numerators, denominators, strict=True)]
    interval = mean_interval(logs, confidence)
    return Interval(math.exp(interval.estimate), math.exp(interval.low), math.exp(interval.high))


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the mean with its bootstrap interval (percentile method; Efron & Tibshirani 1993)."""
    draw = random.Random(_SEED)  # noqa: S311 - not cryptography
    means = sorted(statistics.fmean(draw.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    tail = (1 - confidence) / 2
    return Interval(statistics.fmean(values), quantile(means, tail), quantile(means, 1 - tail))
