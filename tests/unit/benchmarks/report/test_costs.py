"""The cost of a million texts."""

import pytest

from benchmarks.report.costs import cost_of_a_million


def test_a_million_texts_cost_the_hours_that_they_take() -> None:
    """At 100 texts per vCPU second they take 10,000 s, which are 2.78 hours."""
    assert pytest.approx(0.1) == cost_of_a_million(100, price_per_hour=0.036)
