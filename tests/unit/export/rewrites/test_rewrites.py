"""Every rewrite leaves answers as they are."""

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
from export.graph.graph import Graph
from export.rewrites import FLOAT, QUANTIZED
from export.rewrites.apply import Rewrite
from export.rewrites.attention import open_attention
from export.rewrites.embeddings import fix_token_types, slice_positions, trim_positions
from export.rewrites.first_token import read_first_token
from export.rewrites.mask import mask_keys
from export.rewrites.padding import skip_padding
from tests.unit.export.conftest import ARCHITECTURES, TinyGraph
from tests.unit.export.graphs import loaded, rewritten

pytestmark = pytest.mark.development

_TOLERANCE = 1e-5
_ROWS_OF_A_BLOCK = 2 * 16 + 1
"""Of attention with 16 channels in a head, and one for the mask."""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "rewrites",
    [
        (fix_token_types,),
        (slice_positions,),
        (open_attention,),
        (open_attention, read_first_token),
        (open_attention, mask_keys),
        FLOAT,
        (open_attention, mask_keys, skip_padding),
        (*FLOAT, *QUANTIZED),
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
        loaded(rewritten(tiny, *rewrites)[0], path)
    batch = tiny.batch(np.random.default_rng(seed))
    expected = OnnxEngine(tiny.path).run(batch)
    assert np.abs(expected).max() > 0.01  # else equality would mean nothing
    assert pytest.approx(expected, abs=_TOLERANCE, rel=_TOLERANCE) == OnnxEngine(path).run(batch)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_rewrites_of_attention_find_their_pattern(tiny_graphs: dict[str, TinyGraph], architecture: str) -> None:
    """Attention is opened and loses its mask, and the last layer is cut down, in all three families."""
    _, applied = rewritten(tiny_graphs[architecture], open_attention, read_first_token, mask_keys)
    assert [True, True, True] == applied


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_attention_answers_alike_alone_and_padded(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path, architecture: str
) -> None:
    """Equal to the last bit at every length, also at lengths that leave a block of one row for another kernel."""
    tiny = tiny_graphs[architecture]
    model, _ = rewritten(tiny, open_attention, mask_keys)
    graph = Graph(model)
    (attended,) = graph.of_type("MultiHeadAttention")[0].output
    graph.add_outputs([attended])
    engine = loaded(graph.finish(), tmp_path / "observed.onnx")
    ids = np.random.default_rng(8).integers(5, tiny.vocabulary, (1, tiny.max_length))
    for length in range(2, tiny.max_length):
        mask = (np.arange(tiny.max_length) < length).astype(np.int64)[None]
        (alone,) = engine.tensors([attended], Batch(ids[:, :length], mask[:, :length]))
        (padded,) = engine.tensors([attended], Batch(ids, mask))
        assert np.array_equal(alone[:, :length], padded[:, :length]), f"{length} tokens"


def test_padding_weighs_nothing_however_far_its_score_is_above(
    tiny_graphs: dict[str, TinyGraph], tmp_path: Path
) -> None:
    """With scores larger than in any trained model, and arbitrary ids as padding."""
    tiny = tiny_graphs["bert"]
    model, _ = rewritten(tiny, open_attention, mask_keys)
    graph = Graph(model)
    attention = graph.of_type("MultiHeadAttention")[0]
    for name in attention.input[:2]:
        node = graph.producers()[name]
        while node.op_type != "MatMul":
            node = next(found for name in node.input if (found := graph.producers().get(name)) is not None)
        weights = graph.constant(node.input[1])
        assert weights is not None
        node.input[1] = graph.add_constant(f"{node.output[0]}/larger", weights * 120)
    graph.add_outputs(attention.output[:1])
    engine = loaded(graph.finish(), tmp_path / "observed.onnx")
    ids = np.random.default_rng(8).integers(5, tiny.vocabulary, (1, 24))
    mask = (np.arange(24) < 12).astype(np.int64)[None]
    wanted = list(attention.output[:1])
    (alone,) = engine.tensors(wanted, Batch(ids[:, :12], mask[:, :12]))
    (padded,) = engine.tensors(wanted, Batch(ids, mask))
    assert np.array_equal(alone, padded[:, :12])


def test_the_last_layer_computes_one_token(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """Every product but keys and values of the last layer reads token 0 alone."""
    model, _ = rewritten(tiny_graphs["bert"], *FLOAT)
    graph = Graph(model)
    last = [node.input[0] for node in graph.of_type("MatMul")][-6:]
    graph.add_outputs(sorted(set(last)))
    engine = loaded(graph.finish(), tmp_path / "observed.onnx")
    batch = tiny_graphs["bert"].batch(np.random.default_rng(3))
    tokens = {name: values.shape[1] for name, values in zip(last, engine.tensors(last, batch), strict=True)}
    assert sorted(tokens.values())[:-1] == [1] * (len(tokens) - 1)


def test_token_types_are_no_input_any_more(tiny_graphs: dict[str, TinyGraph]) -> None:
    """The server feeds ids and mask, nothing else."""
    model, applied = rewritten(tiny_graphs["bert"], fix_token_types)
    assert [True] == applied
    assert ["input_ids", "attention_mask"] == Graph(model).inputs


def test_positions_no_text_reaches_are_dropped(tiny_graphs: dict[str, TinyGraph], tmp_path: Path) -> None:
    """A shorter table answers the same for texts that fit it."""
    tiny = tiny_graphs["bert"]
    model, _ = rewritten(tiny, slice_positions, lambda graph: trim_positions(graph, 20))
    longer = tiny.batch(np.random.default_rng(5))
    batch = Batch(longer.input_ids[:, :20], longer.attention_mask[:, :20])
    trimmed = loaded(model, tmp_path / "trimmed.onnx")
    assert pytest.approx(OnnxEngine(tiny.path).run(batch), abs=_TOLERANCE) == trimmed.run(batch)


@pytest.mark.parametrize("architecture", ["albert", "bert", "distilbert", "electra", "modernbert", "mpnet", "roberta"])
def test_a_text_may_have_as_many_tokens_as_there_are_positions(
    foreign_graph: Callable[..., TinyGraph], tmp_path: Path, architecture: str
) -> None:
    """Also where the longest text would leave a block of one row, and gets a token of padding beyond the positions."""
    positions = _ROWS_OF_A_BLOCK + 1
    behind_padding = 2 * (architecture in {"mpnet", "roberta"})
    tiny = foreign_graph(architecture, max_position_embeddings=positions + behind_padding)
    assert positions == tiny.max_length
    model, _ = rewritten(tiny, *FLOAT, lambda graph: trim_positions(graph, positions), *QUANTIZED)
    engine = loaded(model, tmp_path / "rewritten.onnx")
    ids = np.random.default_rng(8).integers(5, tiny.vocabulary, (1, positions))
    expected = OnnxEngine(tiny.path)
    for length in range(2, positions + 1):
        row, longest = tuple(ids[0, :length].tolist()), tuple(ids[0].tolist())
        alone, together = Batch.of([row], tiny.pad_token_id), Batch.of([row, longest], tiny.pad_token_id)
        (answer,) = expected.run(alone)
        assert pytest.approx(answer, abs=_TOLERANCE, rel=_TOLERANCE) == engine.run(alone)[0]
        assert pytest.approx(answer, abs=_TOLERANCE, rel=_TOLERANCE) == engine.run(together)[0]


@pytest.mark.parametrize("rewrite", [*FLOAT, *QUANTIZED])
def test_a_graph_that_is_not_understood_passes_unchanged(rewrite: Rewrite) -> None:
    """On a graph without transformer patterns every rewrite says that it found nothing."""
    helper = onnx.helper
    node = helper.make_node("Relu", ["x"], ["y"])
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "xy")
    model = helper.make_model(helper.make_graph([node], "foreign", [x], [y]))
    graph = Graph(model)
    assert rewrite(graph) is False
    assert ["Relu"] == [node.op_type for node in graph.nodes]
