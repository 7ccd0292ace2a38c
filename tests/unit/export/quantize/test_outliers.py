"""Outlying channels are divided and nothing changes in float."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")

from artifact.runtime import Batch, OnnxEngine
from export.graph.graph import Graph
from export.quantize.activations import Observer
from export.quantize.outliers import tame_outliers
from export.rewrites import FLOAT
from tests.unit.export.conftest import ARCHITECTURES, TinyGraph
from tests.unit.export.graphs import loaded, rewritten

pytestmark = pytest.mark.development


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_taming_outliers_changes_nothing_in_float(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, architecture: str
) -> None:
    """Divided channels and multiplied weights cancel, and the stated range is never exceeded."""
    tiny = tiny_graphs[architecture]
    model, _ = rewritten(tiny, *FLOAT)
    draw = np.random.default_rng(2)
    rows = [tuple(draw.integers(5, tiny.vocabulary, 20).tolist()) for _ in range(8)]
    graph = Graph(model)
    channels = Observer(rows).channels(model)
    tamed = tame_outliers(graph, channels, ratio=1.01)
    assert tamed
    names = sorted(tamed)
    graph.add_outputs(names)
    engine = loaded(graph.finish(), tmp_path / "tamed.onnx")
    batch = tiny.batch(draw)
    assert pytest.approx(OnnxEngine(tiny.path).run(batch), abs=1e-4) == engine.run(batch)
    seen = Batch(np.array(rows), np.ones((8, 20), np.int64))
    for name, values in zip(names, engine.tensors(names, seen), strict=True):
        assert tamed[name].limits[0] - 1e-4 <= values.min()
        assert values.max() <= tamed[name].limits[1] + 1e-4
