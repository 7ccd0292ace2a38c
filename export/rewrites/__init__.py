"""Rewrites: changes of a graph that leave its answers as they are.

A rewrite takes a ``Graph``, changes it and returns True, or returns False where it does not find what it knows.
Each stands in a module of its own. ``apply`` runs them fail-safe: a rewrite that finds nothing, breaks, or
changes an answer leaves the graph as it was, and the report says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx

from export.graph.graph import Graph

Rewrite = Callable[[Graph], bool]
Check = Callable[[onnx.ModelProto], float]
"""Model -> largest difference of a probability to the fp32 reference."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rewrite."""

    name: str
    applied: bool
    note: str


def apply(
    model: onnx.ModelProto, rewrites: Sequence[Rewrite], check: Check, *, tolerance: float
) -> tuple[onnx.ModelProto, list[Outcome]]:
    """Apply rewrites in order; keep each only if it worked and changed no answer.

    Args:
        model: the graph to start from; left as it is.
        rewrites: what to try.
        check: how far a graph's answers are from the reference; raises where the runtime can not load it.
        tolerance: largest accepted difference.
    """
    outcomes = []
    for rewrite in rewrites:
        name = rewrite.__name__
        graph = Graph(model)
        try:
            if not rewrite(graph):
                outcomes.append(Outcome(name, applied=False, note="its pattern is not in this graph"))
                continue
            candidate = graph.finish()
            difference = check(candidate)
        except Exception as error:  # fail safe: whatever breaks, the graph before it stands
            outcomes.append(Outcome(name, applied=False, note=f"not understood: {str(error).splitlines()[0]}"))
            continue
        if not difference <= tolerance:
            outcomes.append(Outcome(name, applied=False, note=f"changed an answer by {difference:.1e}"))
            continue
        model = candidate
        outcomes.append(Outcome(name, applied=True, note=f"largest change {difference:.0e}"))
    return model, outcomes
