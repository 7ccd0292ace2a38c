"""Which rewrites find their pattern in which architecture, and that none changes an answer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")

from artifact.runtime import Batch, OnnxEngine
from export.graph.graph import Graph
from export.rewrites import FLOAT, QUANTIZED
from export.rewrites.first_token import read_first_token
from export.rewrites.fuse_attention import fuse_attention
from export.rewrites.mask import mask_keys
from export.rewrites.rotate import fix_rotations
from tests.unit.export.conftest import TinyGraph
from tests.unit.export.graphs import loaded, rewritten

pytestmark = [
    pytest.mark.development,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's tracer
    pytest.mark.filterwarnings("ignore::UserWarning"),  # as above
]

_MAIN = ("open_attention", "read_first_token", "mask_keys", "skip_padding")
_BIASED = ("fuse_attention", "read_first_token", "mask_keys", "skip_padding")
_ROTATED = ("split_products", "fuse_rotations", "fuse_attention", "mask_keys", "skip_padding")
_APPLIED = {
    "bert": ("fix_token_types", "slice_positions", *_MAIN),
    "electra": ("fix_token_types", "slice_positions", *_MAIN),
    "albert": ("fix_token_types", "slice_positions", "fuse_attention", *_MAIN),
    "distilbert": ("slice_positions", *_MAIN),
    "roberta": _MAIN,
    "xlm-roberta": _MAIN,
    "camembert": _MAIN,
    "mpnet": _BIASED,
    "deberta-v2": ("take_branches", "fold_products", "skip_padding"),
    "modernbert": (*_ROTATED, "read_first_token"),
    "modernbert-mean": _ROTATED,
    "gpt2": ("open_flat_products", "skip_padding"),
    "qwen2": ("fuse_rotations", "skip_padding"),
}
_MEAN = {"classifier_pooling": "mean"}


@pytest.mark.parametrize("architecture", _APPLIED)
def test_the_rewrites_of_an_architecture_keep_its_answers(
    foreign_graph: Callable[..., TinyGraph], tmp_path: Path, architecture: str
) -> None:
    """Logits differ by rounding alone on random batches, padded and not."""
    tiny = foreign_graph(architecture.removesuffix("-mean"), **_MEAN if architecture.endswith("-mean") else {})
    model, applied = rewritten(tiny, *FLOAT, *QUANTIZED)
    names = [rewrite.__name__ for rewrite in (*FLOAT, *QUANTIZED)]
    assert set(_APPLIED[architecture]) == {name for name, done in zip(names, applied, strict=True) if done}
    before, after = OnnxEngine(tiny.path), loaded(model, tmp_path / "rewritten.onnx")
    for seed in range(6):
        batch = tiny.batch(np.random.default_rng(seed))
        expected = before.run(batch)
        assert expected.std() > 0.001
        assert pytest.approx(expected, abs=2e-5, rel=2e-5) == after.run(batch)


def test_a_bias_by_position_is_bit_identical_in_batches(
    foreign_graph: Callable[..., TinyGraph], tmp_path: Path
) -> None:
    """MPNet's attention, with its mask in the keys, answers every length alike alone and padded."""
    tiny = foreign_graph("mpnet")
    model, _ = rewritten(tiny, fuse_attention, mask_keys)
    graph = Graph(model)
    wanted = list(graph.of_type("MultiHeadAttention")[0].output)
    graph.add_outputs(wanted)
    engine = loaded(graph.finish(), tmp_path / "observed.onnx")
    ids = np.random.default_rng(8).integers(5, tiny.vocabulary, (1, tiny.max_length))
    for length in range(2, tiny.max_length):
        mask = (np.arange(tiny.max_length) < length).astype(np.int64)[None]
        (alone,) = engine.tensors(wanted, Batch(ids[:, :length], mask[:, :length]))
        (padded,) = engine.tensors(wanted, Batch(np.where(mask, ids, tiny.pad_token_id), mask))
        assert np.abs(alone[:, :length] - padded[:, :length]).max() <= 1e-6, f"{length} tokens"


def test_a_bias_by_position_is_cut_to_the_first_token(foreign_graph: Callable[..., TinyGraph]) -> None:
    """The last layer asks one query, so it needs one row of the bias."""
    model, _ = rewritten(foreign_graph("mpnet"), fuse_attention, read_first_token)
    graph = Graph(model)
    last = graph.of_type("MultiHeadAttention")[-1]
    (row,) = (node for node in graph.nodes if last.input[5] in node.output)
    assert ("Gather", 2) == (row.op_type, graph.attributes(row)["axis"])


def test_tables_of_rotations_are_constants_for_as_many_positions_as_a_text_has(
    foreign_graph: Callable[..., TinyGraph], tmp_path: Path
) -> None:
    """They give the same answers up to the longest text with its token of padding, and refuse longer input."""
    tiny = foreign_graph("modernbert")
    longest = 40
    before, _ = rewritten(tiny, *FLOAT)
    after, applied = rewritten(tiny, *FLOAT, lambda graph: fix_rotations(graph, longest))
    assert applied[-1]
    tables = {name for node in Graph(after).of_type("RotaryEmbedding") for name in node.input[2:]}
    assert {(longest + 1, 8)} == {getattr(Graph(after).constant(name), "shape", None) for name in tables}
    assert {"Cos", "Sin"}.isdisjoint(node.op_type for node in after.graph.node)
    computing, reading = loaded(before, tmp_path / "before.onnx"), loaded(after, tmp_path / "after.onnx")
    ids = tuple(np.random.default_rng(8).integers(5, tiny.vocabulary, longest + 2).tolist())
    for rows in ([ids[:longest], ids[:3]], [ids[: longest + 1]]):
        batch = Batch.of(rows, tiny.pad_token_id)
        assert pytest.approx(computing.run(batch), abs=1e-5) == reading.run(batch)
    with pytest.raises(Exception, match="RotaryEmbedding"):
        reading.run(Batch.of([ids], tiny.pad_token_id))
