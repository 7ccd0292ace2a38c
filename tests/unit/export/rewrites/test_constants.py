"""What is the same for every text is computed once, and constants are stored once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")
import onnx

from artifact.runtime import OnnxEngine
from export.build import Builder
from export.graph.graph import Graph
from export.quantize.activations import Observer
from export.rewrites.constants import fold_products, take_branches
from export.variants import Variant
from tests.unit.export.conftest import TinyGraph
from tests.unit.export.graphs import loaded, rewritten

pytestmark = [
    pytest.mark.development,
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),  # transformers' DeBERTa
]


def _build(tiny: TinyGraph, folder: Path) -> Path:
    """Return the static graph of a tiny model, with every rewrite that keeps its answers."""
    rows = [tuple(row) for row in tiny.batch(np.random.default_rng(1)).input_ids.tolist()]
    before = OnnxEngine(tiny.path)
    batch = tiny.batch(np.random.default_rng(2))

    def check(model: onnx.ModelProto) -> float:
        onnx.save(model, folder / "checked.onnx")
        return float(np.abs(OnnxEngine(folder / "checked.onnx").run(batch) - before.run(batch)).max())

    builder = Builder(tiny.path, folder, Observer(rows), lambda *_: check, max_length=tiny.max_length)
    return builder.build(Variant("static", "")).path


def test_deberta_asks_nothing_and_projects_no_positions(
    foreign_graph: Callable[[str], TinyGraph], tmp_path: Path
) -> None:
    """No branch is left, two products per layer fewer run, and the answers are the same."""
    tiny = foreign_graph("deberta-v2")
    before = onnx.load(tiny.path)
    model, applied = rewritten(tiny, take_branches, fold_products)
    assert [True, True] == applied
    assert [] == Graph(model).of_type("If")
    assert 4 == len(Graph(before).of_type("MatMul")) - len(Graph(model).of_type("MatMul"))
    engine = loaded(model, tmp_path / "folded.onnx")
    for seed in range(5):
        batch = tiny.batch(np.random.default_rng(seed))
        assert pytest.approx(OnnxEngine(tiny.path).run(batch), abs=1e-5) == engine.run(batch)


def test_a_branch_that_depends_on_the_text_stays() -> None:
    """Whether a text holds a token is no property of its shape."""
    helper, types = onnx.helper, onnx.TensorProto
    ids = helper.make_tensor_value_info("input_ids", types.INT64, ["n"])
    result = helper.make_tensor_value_info("result", types.INT64, ["n"])
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(kind, ["input_ids"], [name])], name, [], [helper.make_tensor_value_info(name, 7, ["n"])]
        )
        for name, kind in (("then", "Neg"), ("else", "Identity"))
    }
    nodes = [
        helper.make_node("ReduceMax", ["input_ids"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["any"], to=types.BOOL),
        helper.make_node("If", ["any"], ["result"], **branches),
    ]
    graph = Graph(helper.make_model(helper.make_graph(nodes, "asks", [ids], [result])))
    assert take_branches(graph) is False
    assert 1 == len(graph.of_type("If"))


def test_a_graph_with_a_branch_keeps_no_constant_that_nothing_reads(
    foreign_graph: Callable[[str], TinyGraph],
) -> None:
    """The branches' own constants stay."""
    graph = Graph(onnx.load(foreign_graph("deberta-v2").path))
    graph.add_constant("unused", np.zeros(5000, np.float32))
    model = graph.finish()
    assert "unused" not in {value.name for value in model.graph.initializer}
    assert Graph(model).of_type("If")
    onnx.checker.check_model(model)


def test_layers_that_share_their_weights_share_them_in_int8(
    foreign_graph: Callable[[str], TinyGraph], tmp_path: Path
) -> None:
    """ALBERT's two layers have one set of int8 weights."""
    tiny = foreign_graph("albert")
    model = onnx.load(_build(tiny, tmp_path))
    int8 = [
        value for value in model.graph.initializer if value.data_type == onnx.TensorProto.INT8 and len(value.dims) == 2
    ]
    products = {node.input[1] for node in _nodes(model.graph) if node.op_type == "MatMulIntegerToFloat"}
    # Into the layers, queries and keys with the mask's channel and in the last layer without, values, attention's
    # output, and two of the feed-forward part.
    assert 9 == len(products)
    assert len({value.raw_data for value in int8}) == len(int8)


def test_a_quantized_graph_holds_no_float_weights_of_its_products(
    foreign_graph: Callable[[str], TinyGraph], tmp_path: Path
) -> None:
    """Also where the exported graph had branches: DeBERTa's weights are stored as int8 only."""
    tiny = foreign_graph("deberta-v2")
    weights = {
        tuple(value.dims)
        for value in onnx.load(_build(tiny, tmp_path)).graph.initializer
        if value.data_type == onnx.TensorProto.FLOAT and len(value.dims) == 2 and min(value.dims) > 1
    }
    assert (32, 64) not in weights
    assert (64, 32) not in weights


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    found = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            found += _nodes(attribute.g)
    return found
