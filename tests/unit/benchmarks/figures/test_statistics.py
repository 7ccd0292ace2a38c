"""Estimates from a few noisy rounds, and their intervals."""

import math
import random

import pytest

from benchmarks.figures.statistics import median_interval, middle_gap, middle_ratio, quantile, ratio_interval


@pytest.mark.parametrize(("share", "expected"), [(0.5, 3), (0.99, 5), (0.0, 1), (0.2, 1), (0.21, 2), (1.0, 5)])
def test_a_quantile_is_one_of_the_values(share: float, expected: float) -> None:
    """The nearest rank, without interpolation."""
    assert quantile([5, 1, 4, 2, 3], share) == expected


def test_the_quantile_of_nothing_is_nan() -> None:
    """NaN keeps no bound, so a load without answers breaks its promise."""
    assert math.isnan(quantile([], 0.5))


def test_a_ratio_and_its_inverse_are_as_far_from_one() -> None:
    """Twice as fast and half as fast cancel out."""
    interval = ratio_interval([2.0, 1.0], [1.0, 2.0])
    assert pytest.approx(1.0) == interval.estimate
    assert not interval.excludes(1.0)


def test_a_spoiled_round_does_not_move_a_ratio() -> None:
    """Two of seven rounds were disturbed by other processes."""
    interval = ratio_interval([1.2, 1.2, 0.3, 1.2, 1.2, 9.0, 1.2], [1.0] * 7)
    assert pytest.approx(1.2) == interval.estimate


def test_a_slowdown_of_fifteen_percent_is_found_in_noise() -> None:
    """Rounds with a deviation of 5 % distinguish 0.85 from 1."""
    fast, slow = _rounds(1.0, seed=1), _rounds(0.85, seed=2)
    assert ratio_interval(slow, fast, confidence=0.99).excludes(1.0)


def test_equals_are_rarely_found_different() -> None:
    """Intervals of 99.4 % over a hundred equal pairs find at most three differences."""
    found = sum(
        ratio_interval(_rounds(1.0, seed), _rounds(1.0, seed + 1000), confidence=0.994).excludes(1.0)
        for seed in range(100)
    )
    assert found <= 3


def test_a_middle_ratio_ignores_rounds_in_which_one_side_was_disturbed() -> None:
    """Of eight rounds, two disturbed one side each, and a third slowed both to a third."""
    interval = middle_ratio([2, 2, 9, 2, 6, 2, 2, 2], [1, 1, 1, 5, 3, 1, 1, 1])
    assert pytest.approx(2.0) == interval.estimate
    assert interval.low <= interval.estimate <= interval.high


def test_a_middle_gap_ignores_rounds_in_which_one_side_was_disturbed() -> None:
    """The gap is in seconds and may be negative."""
    interval = middle_gap([2, 2, 9, 2, 2, 2, 2, 2], [3, 3, 3, 8, 3, 3, 3, 3])
    assert pytest.approx(-1.0) == interval.estimate
    assert interval.low <= interval.estimate <= interval.high


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_few_rounds_have_a_middle(rounds: int) -> None:
    """A quick run has no quarters to leave out."""
    assert pytest.approx(1.5) == middle_ratio([3.0] * rounds, [2.0] * rounds).estimate


def test_more_confidence_makes_an_interval_wider() -> None:
    """99 % is wider than 80 % on both sides."""
    values = _rounds(1.0, seed=3)
    sure, fair = median_interval(values, confidence=0.99), median_interval(values, confidence=0.8)
    assert sure.low < fair.low < fair.high < sure.high


def _rounds(level: float, seed: int) -> list[float]:
    draw = random.Random(seed)  # noqa: S311 - test data, not cryptography
    return [level * draw.gauss(1, 0.05) for _ in range(12)]
