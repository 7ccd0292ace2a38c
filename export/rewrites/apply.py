"""Apply: runs rewrites one by one and keeps those that leave the answers as they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx

from export.graph.graph import Graph

Rewrite = Callable[[Graph], bool]
"""Changes a graph and returns True, or returns False where it does not find its pattern."""
Check = Callable[[onnx.ModelProto], float]
"""Model -> largest difference of a probability from the answers that a rewrite must keep."""


@dataclass(frozen=True, slots=True)
class RewriteResult:
    """Whether one rewrite was kept, and why.

    Attributes:
        name: of the rewrite's function.
        applied: False where the graph stayed as it was.
        note: the largest change of an answer, or the reason for which it was not applied.
    """

    name: str
    applied: bool
    note: str


def apply(
    model: onnx.ModelProto, rewrites: Sequence[Rewrite], check: Check, *, tolerance: float
) -> tuple[onnx.ModelProto, list[RewriteResult]]:
    """Apply rewrites in order; keep each only if it finds its pattern and the answers stay within the tolerance.

    A rewrite that finds nothing, breaks the graph or changes an answer leaves the graph as it was.

    Args:
        model: the graph to start from; not changed.
        rewrites: in the order in which they are tried.
        check: raises where the runtime cannot load the graph.
        tolerance: largest accepted difference of a probability.
    """
    results = []
    for rewrite in rewrites:
        name = rewrite.__name__
        graph = Graph(model)
        try:
            if not rewrite(graph):
                results.append(RewriteResult(name, applied=False, note="its pattern is not in this graph"))
                continue
            candidate = graph.finish()
            difference = check(candidate)
        except Exception as error:  # onnx and onnxruntime raise many classes; the graph before the rewrite stays
            results.append(RewriteResult(name, applied=False, note=f"not understood: {str(error).splitlines()[0]}"))
            continue
        if not difference <= tolerance:  # so that NaN fails
            results.append(RewriteResult(name, applied=False, note=f"changed an answer by {difference:.1e}"))
            continue
        model = candidate
        results.append(RewriteResult(name, applied=True, note=f"largest change {difference:.0e}"))
    return model, results
