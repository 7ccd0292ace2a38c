"""Statistics: what a few noisy rounds say, and how sure one can be of it."""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

_RESAMPLES: Final = 2000
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % bootstrap interval."""

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


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], seed: int = 0) -> Interval:
    """Return the geometric mean of paired ratios with its bootstrap interval.

    Args:
        numerators: a figure of each round.
        denominators: what it is compared with, measured in the same round.
        seed: of the resampling.
    """
    logs = [math.log(a / b) for a, b in zip(numerators, denominators, strict=True)]
    interval = mean_interval(logs, seed)
    return Interval(math.exp(interval.estimate), math.exp(interval.low), math.exp(interval.high))


def mean_interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Return the mean with its bootstrap interval (percentile method; Efron & Tibshirani 1993)."""
    return _bootstrap(values, statistics.fmean, seed)


def _bootstrap(values: Sequence[float], statistic: Callable[[Sequence[float]], float], seed: int) -> Interval:
    draw = random.Random(seed)  # noqa: S311 - not cryptography
    resampled = sorted(statistic(draw.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    tail = (1 - _CONFIDENCE) / 2
    return Interval(statistic(values), quantile(resampled, tail), quantile(resampled, 1 - tail))
