"""A rewrite that fails leaves the graph as it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")
import onnx

from artifact.runtime import OnnxEngine
from export.graph.graph import Graph
from export.rewrites.apply import apply
from tests.unit.export.conftest import TinyGraph
from tests.unit.export.graphs import fused, loaded

pytestmark = pytest.mark.development


def _breaks(graph: Graph) -> bool:
    graph.remove(graph.of_type("Gelu"))
    return True


def _raises(graph: Graph) -> bool:
    raise KeyError("no such node")


def _changes_answers(graph: Graph) -> bool:
    for node in graph.of_type("LayerNormalization"):
        graph.redirect(node.output[0], node.input[0])
    return True


def _finds_nothing(graph: Graph) -> bool:
    return False


@pytest.mark.parametrize("rewrite", [_breaks, _raises, _changes_answers, _finds_nothing])
def test_a_rewrite_that_fails_leaves_the_graph_and_says_so(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, rewrite: Callable[[Graph], bool]
) -> None:
    """The report gives the reason."""
    tiny = tiny_graphs["bert"]
    model = fused(tiny)
    batch = tiny.batch(np.random.default_rng(1))
    expected = OnnxEngine(tiny.path).run(batch)

    def check(candidate: onnx.ModelProto) -> float:
        return float(np.abs(loaded(candidate, tmp_path / "checked.onnx").run(batch) - expected).max())

    result, (report,) = apply(model, [rewrite], check, tolerance=1e-4)
    assert not report.applied
    assert report.note
    assert result.SerializeToString() == model.SerializeToString()
