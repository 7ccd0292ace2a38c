"""PromQL against the server's metrics: which series and labels an expression may use. Needs promql-parser."""

from collections.abc import Iterator
from typing import Any

import promql_parser
from prometheus_client.metrics import MetricWrapperBase

from server.observe.metrics import Metrics

FROM_THE_SCRAPE = {"job", "instance"}
"""Labels that Prometheus adds to every series."""


def read_series() -> dict[str, set[str]]:
    """Return every series that the server publishes, and ``up``, with the labels it has in Prometheus."""
    series = {"up": set(FROM_THE_SCRAPE)}
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            name, kind, labels = metric._name, metric._type, FROM_THE_SCRAPE | set(metric._labelnames)
            if kind == "counter":
                series[f"{name}_total"] = labels
            elif kind == "histogram":
                series |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
            else:
                series[name] = labels
    return series


def check_expression(text: str) -> None:
    """Check the syntax, that every series exists, and that it has the labels of its selectors and groupings.

    Raises:
        ValueError: if it is not PromQL.
        AssertionError: if a series or a label does not exist; the message names it.
    """
    series = read_series()
    for node in _walk(promql_parser.parse(text)):
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name in series, f"{node.name} is no series of the server: {text}"
            chosen = {matcher.name for matcher in node.matchers.matchers}
            assert chosen <= series[node.name], f"{node.name} has no {chosen - series[node.name]}: {text}"
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            grouped = set(node.modifier.labels)
            for selector in _walk(node.expr):
                if isinstance(selector, promql_parser.VectorSelector):
                    assert grouped <= series[selector.name], f"{selector.name} has not all of {grouped}: {text}"


def check_legend(expression: str, labels: set[str]) -> None:
    """Check that a legend names only labels that a series of the expression has."""
    series = read_series()
    selectors = [node for node in _walk(promql_parser.parse(expression)) if hasattr(node, "matchers")]
    known = set().union(*(series[selector.name] for selector in selectors))
    assert labels <= known, f"{labels - known} is on no series of {expression}"


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for name in ("lhs", "rhs", "expr", "args", "vector_selector", "param"):
        child = getattr(node, name, None)
        for each in child if isinstance(child, list) else [child]:
            if each is not None:
                yield from _walk(each)
