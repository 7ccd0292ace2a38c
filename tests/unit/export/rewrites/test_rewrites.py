"""Rewrites leave answers as they are, or the graph as it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("torch")
import onnx

from artifact.runtime import Batch, OnnxEngine
from export.graph.fuse import REWRITES, Fusions, fuse
from export.graph.graph import Graph
from export.quantize.activations import Observer
from export.quantize.outliers import tame_outliers
from export.quantize.products import quantize_embeddings
from export.rewrites import Rewrite, apply
from export.rewrites.attention import merge_projections, open_attention
from export.rewrites.embeddings import fix_token_types, slice_positions, trim_positions
from export.rewrites.first_token import read_first_token
from export.rewrites.mask import mask_keys
from export.rewrites.padding import skip_padding
from tests.unit.export.conftest import ARCHITECTURES, TinyGraph

pytestmark = pytest.mark.development

_TOLERANCE = 1e-5


def _rewritten(tiny: TinyGraph, *rewrites: Rewrite, fusions: Fusions | None = None) -> tuple[object, list[bool]]:
    model = fuse(tiny.path, fusions or Fusions())
    applied = []
    for rewrite in rewrites:
        graph = Graph(model)
        applied.append(rewrite(graph))
        model = graph.finish()
    return model, applied


def _session(model: object, path: Path) -> OnnxEngine:
    onnx.save(model, path)
    return OnnxEngine(path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "rewrites",
    [
        (fix_token_types,),
        (slice_positions,),
        (open_attention,),
        (open_attention, merge_projections),
        (open_attention, read_first_token),
        (open_attention, mask_keys),
        (*REWRITES, merge_projections),
        (open_attention, mask_keys, skip_padding),
        (*REWRITES, skip_padding),
        (*REWRITES, merge_projections, skip_padding),
    ],
    ids=lambda rewrites: rewrites[-1].__name__ + str(len(rewrites)),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_every_rewrite_leaves_logits_equal(
    tiny_graphs: dict[str, TinyGraph],
    tmp_path: Path,
    architecture: str,
    rewrites: tuple[Rewrite, ...],
    seed: int,
) -> None:
    """On random batches, padded and not, logits differ by rounding alone."""
    tiny = tiny_graphs[architecture]
    path = tmp_path / "rewritten.onnx"
    if not path.exists():
        _session(_rewritten(tiny, *rewrites)[0], path)
    batch = tiny.batch(np.random.default_rng(seed))
    expected = OnnxEngine(tiny.path).run(batch)
    assert np.abs(expected).max() > 0.01  # else equality would mean nothing
    assert pytest.approx(expected, abs=_TOLERANCE, rel=_TOLERANCE) == OnnxEngine(path).run(batch)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_rewrites_that_count_find_their_pattern(tiny_graphs: dict[str, TinyGraph], architecture: str) -> None:
    """Attention is opened and loses its mask, and the last layer is cut down, in all three families."""
    _, applied = _rewritten(tiny_graphs[architecture], open_attention, read_first_token, mask_keys, merge_projections)
    assert [True, True, True, True] == applied


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_attention_answers_alike_alone_and_padded(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, architecture: str
) -> None:
    """Bit by bit and at every length, those among them that leave a block of one row for another kernel."""
    tiny = tiny_graphs[architecture]
    model, _ = _rewritten(tiny, open_attention, mask_keys)
    graph = Graph(model)  # type: ignore[arg-type]
    (attended,) = graph.of_type("MultiHeadAttention")[0].output
    graph.add_outputs([attended])
    session = _session(graph.finish(), tmp_path / "observed.onnx")
    ids = np.random.default_rng(8).integers(5, tiny.vocabulary, (1, tiny.max_length))
    for length in range(2, tiny.max_length):
        mask = (np.arange(tiny.max_length) < length).astype(np.int64)[None]
        (alone,) = session.tensors([attended], Batch(ids[:, :length], mask[:, :length]))
        (padded,) = session.tensors([attended], Batch(ids, mask))
        assert np.array_equal(alone[:, :length], padded[:, :length]), f"{length} tokens"


def test_padding_weighs_nothing_however_far_its_score_is_above(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path
) -> None:
    """Scores as large as no trained model has them; what stands behind a text is anything."""
    tiny = tiny_graphs["bert"]
    model, _ = _rewritten(tiny, open_attention, mask_keys)
    graph = Graph(model)  # type: ignore[arg-type]
    attention = graph.of_type("MultiHeadAttention")[0]
    for name in attention.input[:2]:
        node = graph.producers()[name]
        while node.op_type != "MatMul":
            node = next(found for name in node.input if (found := graph.producers().get(name)) is not None)
        weights = graph.constant(node.input[1])
        assert weights is not None
        node.input[1] = graph.add_constant(f"{node.output[0]}/larger", weights * 120)
    graph.add_outputs(attention.output[:1])
    session = _session(graph.finish(), tmp_path / "observed.onnx")
    ids = np.random.default_rng(8).integers(5, tiny.vocabulary, (1, 24))
    mask = (np.arange(24) < 12).astype(np.int64)[None]
    wanted = list(attention.output[:1])
    (alone,) = session.tensors(wanted, Batch(ids[:, :12], mask[:, :12]))
    (padded,) = session.tensors(wanted, Batch(ids, mask))
    assert np.array_equal(alone, padded[:, :12])


def test_the_last_layer_computes_one_token(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """Every product but keys and values of the last layer reads token 0 alone."""
    model, _ = _rewritten(tiny_graphs["bert"], *REWRITES)
    graph = Graph(model)  # type: ignore[arg-type]
    last = [node.input[0] for node in graph.of_type("MatMul")][-6:]
    graph.add_outputs(sorted(set(last)))
    session = _session(graph.finish(), tmp_path / "observed.onnx")
    batch = tiny_graphs["bert"].batch(np.random.default_rng(3))
    tokens = {name: values.shape[1] for name, values in zip(last, session.tensors(last, batch), strict=True)}
    assert sorted(tokens.values())[:-1] == [1] * (len(tokens) - 1)


def test_token_types_are_no_input_any_more(tiny_graphs: dict[str, TinyGraph]) -> None:
    """The server feeds ids and mask, nothing else."""
    model, applied = _rewritten(tiny_graphs["bert"], fix_token_types)
    assert [True] == applied
    assert ["input_ids", "attention_mask"] == Graph(model).inputs  # type: ignore[arg-type]


def test_positions_no_text_reaches_are_dropped(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """A shorter table answers the same for texts that fit it."""
    tiny = tiny_graphs["bert"]
    model, _ = _rewritten(tiny, slice_positions, lambda graph: trim_positions(graph, 20))
    longer = tiny.batch(np.random.default_rng(5))
    batch = Batch(longer.input_ids[:, :20], longer.attention_mask[:, :20])
    trimmed = _session(model, tmp_path / "trimmed.onnx")
    assert pytest.approx(OnnxEngine(tiny.path).run(batch), abs=_TOLERANCE) == trimmed.run(batch)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_taming_outliers_changes_nothing_in_float(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, architecture: str
) -> None:
    """Divided channels and multiplied weights cancel, and the stated range is never exceeded."""
    tiny = tiny_graphs[architecture]
    model, _ = _rewritten(tiny, *REWRITES)
    draw = np.random.default_rng(2)
    rows = [tuple(draw.integers(5, tiny.vocabulary, 20).tolist()) for _ in range(8)]
    graph = Graph(model)  # type: ignore[arg-type]
    channels = Observer(rows).channels(model)  # type: ignore[arg-type]
    tamed = tame_outliers(graph, channels, ratio=1.01)
    assert tamed
    names = sorted(tamed)
    graph.add_outputs(names)
    session = _session(graph.finish(), tmp_path / "tamed.onnx")
    batch = tiny.batch(draw)
    assert pytest.approx(OnnxEngine(tiny.path).run(batch), abs=1e-4) == session.run(batch)
    seen = Batch(np.array(rows), np.ones((8, 20), np.int64))
    for name, values in zip(names, session.tensors(names, seen), strict=True):
        assert tamed[name].limits[0] - 1e-4 <= values.min()
        assert values.max() <= tamed[name].limits[1] + 1e-4


def test_int8_embeddings_are_within_half_a_step(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """Small tables stay as they are; large ones are looked up as int8 and scaled."""
    table = np.random.default_rng(0).normal(0, 1, (300, 8)).astype(np.float32)
    helper = onnx.helper
    node = helper.make_node("Gather", ["table", "input_ids"], ["rows"])
    ids = helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["batch", "tokens"])
    rows = helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, None)
    plain = helper.make_graph([node], "lookup", [ids], [rows], [onnx.numpy_helper.from_array(table, "table")])
    graph = Graph(helper.make_model(plain, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))
    assert 1 == quantize_embeddings(graph)
    session = _session(graph.finish(), tmp_path / "lookup.onnx")
    found = session.run(Batch.of([range(300)], 0))[0]
    assert (np.abs(found - table).max(axis=1) <= np.abs(table).max(axis=1) / 127 * 0.51).all()


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
    """Whatever goes wrong, the graph before it stands."""
    tiny = tiny_graphs["bert"]
    model = fuse(tiny.path, Fusions())
    batch = tiny.batch(np.random.default_rng(1))
    expected = OnnxEngine(tiny.path).run(batch)

    def check(candidate: object) -> float:
        return float(np.abs(_session(candidate, tmp_path / "checked.onnx").run(batch) - expected).max())

    result, (outcome,) = apply(model, [rewrite], check, tolerance=1e-4)
    assert not outcome.applied
    assert outcome.note
    assert result.SerializeToString() == model.SerializeToString()


@pytest.mark.parametrize("rewrite", [*REWRITES, merge_projections, skip_padding])
def test_a_graph_that_is_not_understood_passes_unchanged(rewrite: Rewrite) -> None:
    """On a graph without transformer patterns every rewrite says that it found nothing."""
    helper = onnx.helper
    node = helper.make_node("Relu", ["x"], ["y"])
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "xy")
    model = helper.make_model(helper.make_graph([node], "foreign", [x], [y]))
    graph = Graph(model)
    assert rewrite(graph) is False
    assert ["Relu"] == [node.op_type for node in graph.nodes]
