"""A figure keeps its bound or it does not; one that was never measured does not."""

import math
from typing import Literal

import pytest

from benchmarks.promises.finding import Finding
from benchmarks.promises.summary import summarize


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
    """Bounds belong to what they allow."""
    assert Finding("something", value, "x", relation, bound).holds is holds
    assert Finding("something", value, "x", relation, bound, limited=True).holds is None


def test_what_was_not_measured_is_not_called_held() -> None:
    """A figure of a load generator that could not keep up is neither kept nor broken, and the table says so."""
    findings = [Finding("goodput", 1.0, "x", "at least", 0.9, limited=True), Finding("errors", 0, "", "exactly", 0)]
    section = summarize("promises", "Promises", findings)
    assert ["not measured", "yes"] == [row[-1] for row in section.table.rows]
    assert [None, True] == [it["holds"] for it in section.figures]
