"""A figure keeps its bound, breaks it, or was not measured."""

import math
from typing import Literal

import pytest

from benchmarks.promises.finding import Finding, summarize


@pytest.mark.parametrize(
    ("value", "relation", "bound", "holds"),
    [
        (1.1, "at least", 1.1, True),
        (1.09, "at least", 1.1, False),
        (0.7, "at most", 0.7, True),
        (0.71, "at most", 0.7, False),
        (0, "exactly", 0, True),
        (1, "exactly", 0, False),
        (math.nan, "at most", 1, False),
        (math.nan, "at least", 1, False),
    ],
)
def test_a_finding_holds_if_its_figure_keeps_the_bound(
    value: float, relation: Literal["at least", "at most", "exactly"], bound: float, holds: bool
) -> None:
    """The bound itself is allowed."""
    assert holds is Finding("something", value, "x", relation, bound).holds
    assert Finding("something", value, "x", relation, bound, limited=True).holds is None


def test_a_figure_limited_by_the_load_generator_counts_as_not_measured() -> None:
    """Its bound is neither kept nor broken, and the table says so."""
    findings = [Finding("goodput", 1.0, "x", "at least", 0.9, limited=True), Finding("errors", 0, "", "exactly", 0)]
    section = summarize("promises", "Promises", findings)
    assert ["not measured", "yes"] == [row[-1] for row in section.table.rows]
    assert [None, True] == [row["holds"] for row in section.figures]
