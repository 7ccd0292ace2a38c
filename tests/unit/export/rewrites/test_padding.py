"""Padding is computed in attention alone, and answers are the same to the last bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("torch")
import onnx

from artifact.runtime import Batch, OnnxEngine
from export.build import Builder
from export.graph.fuse import Fusions
from export.graph.graph import Graph
from export.quantize.activations import Observer
from export.rewrites import FLOAT
from export.rewrites.apply import Rewrite
from export.rewrites.fuse_attention import fuse_attention
from export.rewrites.mask import mask_keys
from export.rewrites.padding import skip_padding
from export.variants import CANDIDATES, Variant
from tests.unit.export.conftest import ARCHITECTURES, TinyGraph
from tests.unit.export.graphs import loaded

pytestmark = pytest.mark.development

_COMPUTED = Variant("computed", "", quantized_rewrites=())


def _quantized(tiny: TinyGraph, folder: Path, variant: Variant = _COMPUTED) -> onnx.ModelProto:
    draw = np.random.default_rng(0)
    rows = [tuple(draw.integers(5, tiny.vocabulary, 24).tolist()) for _ in range(8)]
    builder = Builder(tiny.path, folder, Observer(rows), lambda *_: lambda _: 0.0, max_length=tiny.max_length)
    return onnx.load(builder.build(variant).path)


def _without_padding(model: onnx.ModelProto) -> Graph:
    graph = Graph(model)
    assert skip_padding(graph)
    return graph


def _engine(model: onnx.ModelProto, path: Path) -> OnnxEngine:
    return loaded(model, path, _COMPUTED.session)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def both(
    request: pytest.FixtureRequest, tiny_graphs: dict[str, TinyGraph], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TinyGraph, OnnxEngine, OnnxEngine]:
    """An int8 graph that computes padding, and one made from it that does not."""
    tiny, folder = tiny_graphs[request.param], tmp_path_factory.mktemp("padding")
    model = _quantized(tiny, folder)
    skipping = _engine(_without_padding(model).finish(), folder / "skipping.onnx")
    return tiny, _engine(model, folder / "computing.onnx"), skipping


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_answers_are_equal_bit_by_bit(both: tuple[TinyGraph, OnnxEngine, OnnxEngine], data: st.DataObject) -> None:
    """Answers to texts of any lengths together, to each alone, and to texts of one length."""
    tiny, computing, skipping = both
    lengths = data.draw(st.lists(st.integers(1, tiny.max_length), min_size=1, max_size=6))
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    rows = [tuple(draw.integers(5, tiny.vocabulary, length).tolist()) for length in lengths]
    expected = computing.run(Batch.of(rows, tiny.pad_token_id))
    assert np.array_equal(skipping.run(Batch.of(rows, tiny.pad_token_id)), expected)
    for row, logits in zip(rows, expected, strict=True):
        assert np.array_equal(skipping.run(Batch.of([row], tiny.pad_token_id))[0], logits)
        assert np.array_equal(skipping.run(Batch.of([row, row], tiny.pad_token_id)), [logits, logits])


def test_a_product_reads_no_padding_unless_attention_does(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """Of a text of 20 tokens beside one of 5, feed-forward products see 25 rows, queries, keys and values 40."""
    tiny = tiny_graphs["bert"]
    graph = _without_padding(_quantized(tiny, tmp_path))
    (choice,) = graph.of_type("If")
    ragged = next(item.g for item in choice.attribute if item.name == "else_branch")
    products = [node for node in ragged.node if node.op_type == "MatMulIntegerToFloat"]
    model = graph.finish()
    body = next(item.g for node in model.graph.node for item in node.attribute if item.name == "else_branch")
    alone = onnx.helper.make_model(
        onnx.helper.make_graph(body.node, "ragged", model.graph.input, body.output, model.graph.initializer),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    observed = [node.output[0] for node in products]
    for name in observed:
        alone.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    engine = _engine(alone, tmp_path / "ragged.onnx")
    rows = [tuple(range(5, 25)), tuple(range(5, 10))]
    shapes = [values.shape for values in engine.tensors(observed, Batch.of(rows, tiny.pad_token_id))]
    first_layer = [shape[:-1] for shape in shapes[:6]]
    assert [(2, 20), (2, 20), (2, 20), (25,), (25,), (25,)] == sorted(first_layer)


@pytest.mark.parametrize("variant", CANDIDATES, ids=lambda variant: variant.name)
def test_candidates_skip_padding(tiny_graphs: dict[str, TinyGraph], tmp_path: Path, variant: Variant) -> None:
    """Every candidate answers as it would if it computed padding."""
    tiny = tiny_graphs["bert"]
    model = _quantized(tiny, tmp_path, variant)
    assert "If" == [node.op_type for node in model.graph.node][-1]
    computed = _quantized(tiny, tmp_path, replace(variant, quantized_rewrites=()))
    assert "If" not in {node.op_type for node in computed.graph.node}
    engines = [_engine(graph, tmp_path / f"{place}.onnx") for place, graph in enumerate((model, computed))]
    for rows in ([(5, 6, 7, 8, 9), (9,) * 40, (7, 8)], [(5, 6, 7, 8, 9)]):
        skipping, computing = (engine.run(Batch.of(rows, tiny.pad_token_id)) for engine in engines)
        assert np.array_equal(skipping, computing)


def _without(left_out: Rewrite) -> tuple[Rewrite, ...]:
    return tuple(rewrite for rewrite in FLOAT if rewrite is not left_out)


@pytest.mark.parametrize(
    "variant",
    [
        Variant("mask apart", "", float_rewrites=_without(mask_keys)),
        Variant("attention not fused", "", fusions=Fusions(gelu=True), float_rewrites=_without(fuse_attention)),
        Variant("layer norms fused", "", fusions=Fusions(attention=True, gelu=True, skip_layer_norm=True)),
    ],
    ids=lambda variant: variant.name,
)
def test_a_graph_that_is_not_understood_computes_padding(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, variant: Variant
) -> None:
    """A graph whose mask is not in its keys, or with unknown operators, stays as it is."""
    model = _quantized(tiny_graphs["bert"], tmp_path, variant)
    assert "If" not in {node.op_type for node in model.graph.node}


def test_an_operator_that_mixes_tokens_stops_it(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """With a softmax over the tokens of a text between two layers, the graph stays as it was."""
    graph = Graph(_quantized(tiny_graphs["bert"], tmp_path))
    gelu = graph.of_type("Gelu")[0]
    mixed = graph.add("Softmax", [gelu.output[0]], "mixed", axis=1)
    for node in graph.consumers()[gelu.output[0]]:
        if node.op_type != "Softmax":
            node.input[0] = mixed
    before = graph.finish().SerializeToString()
    graph = Graph(onnx.load_from_string(before))
    assert not skip_padding(graph)
    assert graph.finish().SerializeToString() == before


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_weight_of_padding_is_a_normal_float(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, architecture: str
) -> None:
    """It is too small to change a sum of weights up to 1, and no subnormal float, which is slow."""
    graph = _without_padding(_quantized(tiny_graphs[architecture], tmp_path))
    channels = graph.constant("skip_padding/channels")
    assert channels is not None
    (branches,) = graph.of_type("If")
    nodes = [node for branch in branches.attribute for node in branch.g.node if node.op_type == "MultiHeadAttention"]
    scales = [attribute.f for node in nodes for attribute in node.attribute if attribute.name == "scale"]
    assert scales
    for scale in scales:
        weight = np.exp(-np.float32(channels.max() * scale))
        assert np.finfo(np.float32).tiny * 1e9 < weight < np.finfo(np.float32).eps * 1e-9
