"""Ratios of one architecture's graphs."""

import math

import pytest

from benchmarks.architectures.figures import CASES, ArchitectureFigures, GraphFigures, TriedRewrite


def graph(*ms: float) -> GraphFigures:
    """Return a graph that takes some milliseconds at each case."""
    return GraphFigures(dict(zip(CASES, ms, strict=True)), 1, 0.0, 0.0)


def test_a_ratio_says_how_many_times_as_fast_int8_is() -> None:
    """The least of the cases is what a bound is about."""
    figures = ArchitectureFigures("bert", True, graphs={"static": graph(2, 10, 16), "usual": graph(3, 11, 32)})
    assert [1.5, 1.1, 2.0] == [figures.ratio("usual", case) for case in CASES]
    assert 1.1 == figures.least_ratio("usual")
    assert 500 == figures.texts_per_s


@pytest.mark.parametrize("missing", ["static", "usual"])
def test_a_graph_that_could_not_be_built_has_no_ratio(missing: str) -> None:
    """NaN keeps no bound."""
    graphs = {name: graph(1, 1, 1) for name in ("static", "usual") if name != missing}
    figures = ArchitectureFigures("gpt2", False, graphs=graphs)
    assert math.isnan(figures.ratio("usual", CASES[0]))
    assert math.isnan(figures.least_ratio("usual"))


def test_rewrites_are_named_in_their_order() -> None:
    """Those that were tried in vain are left out."""
    tried = [TriedRewrite("a", True, ""), TriedRewrite("b", False, ""), TriedRewrite("c", True, "")]
    assert ["a", "c"] == ArchitectureFigures("bert", True, rewrites=tried).applied
