"""Products and lookup tables in int8."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")
import onnx

from artifact.runtime import Batch
from export.graph.graph import Graph
from export.quantize.products import quantize_embeddings
from tests.unit.export.graphs import loaded

pytestmark = pytest.mark.development


def test_int8_embeddings_are_within_half_a_step(tmp_path: Path) -> None:
    """Small tables stay as they are; large ones are looked up as int8 and scaled."""
    table = np.random.default_rng(0).normal(0, 1, (300, 8)).astype(np.float32)
    helper = onnx.helper
    node = helper.make_node("Gather", ["table", "input_ids"], ["rows"])
    ids = helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["batch", "tokens"])
    rows = helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, None)
    plain = helper.make_graph([node], "lookup", [ids], [rows], [onnx.numpy_helper.from_array(table, "table")])
    graph = Graph(helper.make_model(plain, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))
    assert 1 == quantize_embeddings(graph)
    engine = loaded(graph.finish(), tmp_path / "lookup.onnx")
    found = engine.run(Batch.of([range(300)], 0))[0]
    assert (np.abs(found - table).max(axis=1) <= np.abs(table).max(axis=1) / 127 * 0.51).all()
