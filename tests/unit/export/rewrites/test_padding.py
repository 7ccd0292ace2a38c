"""Padding is computed in attention alone, and answers are the same to the last bit."""

from collections.abc import Callable
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
from export.rewrites.apply import Rewrite, apply
from export.rewrites.fuse_attention import fuse_attention
from export.rewrites.mask import mask_keys
from export.rewrites.padding import skip_padding
from export.variants import CANDIDATES, Variant
from tests.unit.export.conftest import ARCHITECTURES, TinyGraph
from tests.unit.export.graphs import loaded

pytestmark = [
    pytest.mark.development,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's tracer
    pytest.mark.filterwarnings("ignore::UserWarning"),  # as above
]

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
        Variant("mask apart", "", float_rewrites=_without(mask_keys), quantized_rewrites=()),
        Variant(
            "attention in parts",
            "",
            fusions=Fusions(gelu=True),
            float_rewrites=_without(fuse_attention),
            quantized_rewrites=(),
        ),
    ],
    ids=lambda variant: variant.name,
)
def test_attention_with_its_own_mask_sees_a_row_per_place(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, variant: Variant
) -> None:
    """Answers are equal bit by bit where the mask is an input of the attention, or added to its scores."""
    model = _quantized(tiny_graphs["bert"], tmp_path, variant)
    _assert_equal_bit_by_bit(tiny_graphs["bert"], model, _without_padding(model).finish(), tmp_path)


def test_an_operator_that_is_not_known_sees_a_row_per_place(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """Between two layers, it may do what it likes with the tokens of a text."""
    model = _after_gelu(_quantized(tiny_graphs["bert"], tmp_path), "Softplus")
    _assert_equal_bit_by_bit(tiny_graphs["bert"], model, _without_padding(model).finish(), tmp_path)


def test_an_operator_that_reads_padding_stops_it(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """With a softmax over all places of a text between two layers, answers change, and the graph stays as it was."""
    model = _after_gelu(_quantized(tiny_graphs["bert"], tmp_path), "Softmax", axis=1)
    batch = Batch.of([(5, 6, 7, 8, 9), (9,) * 40, (7, 8)], tiny_graphs["bert"].pad_token_id)
    expected = _engine(model, tmp_path / "before.onnx").run(batch)

    def change(candidate: onnx.ModelProto) -> float:
        return float(np.abs(_engine(candidate, tmp_path / "after.onnx").run(batch) - expected).max())

    kept, (result,) = apply(model, [skip_padding], change, tolerance=0)
    assert not result.applied
    assert "changed an answer" in result.note
    assert kept is model


def test_layer_norms_with_the_residual_inside_stop_it(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """A graph without the additions of residual connections stays as it is."""
    fusions = Fusions(attention=True, gelu=True, skip_layer_norm=True)
    model = _quantized(tiny_graphs["bert"], tmp_path, Variant("fused", "", fusions=fusions))
    assert "If" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("modernbert", {}),
        ("modernbert", {"classifier_pooling": "mean"}),
        ("deberta-v2", {}),
        ("qwen2", {}),
        ("gpt2", {}),
    ],
    ids=["modernbert", "modernbert-mean", "deberta-v2", "qwen2", "gpt2"],
)
def test_other_architectures_answer_alike_bit_by_bit(
    foreign_graph: Callable[..., TinyGraph], tmp_path: Path, architecture: str, settings: dict[str, str]
) -> None:
    """Rotated and relative positions, windows of neighbours, pooling of the first, all or the last token."""
    tiny = foreign_graph(architecture, **settings)
    model = _quantized(tiny, tmp_path)
    _assert_equal_bit_by_bit(tiny, model, _without_padding(model).finish(), tmp_path)


def test_padding_is_rotated_by_the_position_of_the_token_that_it_repeats(
    foreign_graph: Callable[..., TinyGraph], tmp_path: Path
) -> None:
    """By its own position its score could be far above those of the tokens, if scores are large."""
    tiny = foreign_graph("modernbert")
    graph = Graph(_quantized(tiny, tmp_path))
    for node in graph.of_type("RotaryEmbedding"):
        product = graph.producers()[node.input[0]]
        scales = graph.constant(product.input[3])
        assert scales is not None
        product.input[3] = graph.add_constant(f"{node.output[0]}/larger", scales * 1000)
    model = graph.finish()
    _assert_equal_bit_by_bit(tiny, model, _without_padding(model).finish(), tmp_path)


def _after_gelu(model: onnx.ModelProto, kind: str, **attributes: int) -> onnx.ModelProto:
    """Return a graph with one more operator between the products of its first feed-forward part."""
    graph = Graph(model)
    gelu = graph.of_type("Gelu")[0]
    added = graph.add(kind, [gelu.output[0]], "added", **attributes)
    for node in graph.consumers()[gelu.output[0]]:
        if node.op_type != kind:
            node.input[0] = added
    return graph.finish()


def _assert_equal_bit_by_bit(
    tiny: TinyGraph, computing: onnx.ModelProto, skipping: onnx.ModelProto, folder: Path
) -> None:
    """Compare answers to texts together, where the second graph leaves out padding, and to each alone."""
    before, after = _engine(computing, folder / "computing.onnx"), _engine(skipping, folder / "skipping.onnx")
    draw = np.random.default_rng(11)
    for lengths in ((1, 2), (5, tiny.max_length, 33), (17, 16, 1, 34), (40, 40)):
        rows = [tuple(draw.integers(5, tiny.vocabulary, length).tolist()) for length in lengths]
        expected = before.run(Batch.of(rows, tiny.pad_token_id))
        assert np.array_equal(expected, after.run(Batch.of(rows, tiny.pad_token_id)))
        for row, logits in zip(rows, expected, strict=True):
            assert np.array_equal(logits, after.run(Batch.of([row], tiny.pad_token_id))[0]), f"{len(row)} tokens"


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
