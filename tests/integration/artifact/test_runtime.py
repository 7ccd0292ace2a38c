"""The engine with the real runtime: what it answers is what can be computed by hand."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.manifest import Artifact, ArtifactError, load_artifact
from artifact.runtime import Batch, OnnxEngine
from tests.support.artifacts import copy_tiny, edit_manifest, replace_file
from tests.support.tiny import TINY, WORDS, scores

ROWS = st.lists(st.lists(st.integers(4, len(WORDS) - 1), min_size=1, max_size=16), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def engine() -> OnnxEngine:
    """Return an engine over the tiny graph."""
    return OnnxEngine.load(load_artifact(TINY), intra_op_threads=1)


def expected_logits(row: list[int]) -> list[float]:
    """Return the mean of a row's scores, computed by hand."""
    sums = np.sum([scores(WORDS[token]) for token in row], axis=0)
    return [float(np.float32(total) / np.float32(len(row))) for total in sums]


@given(rows=ROWS)
def test_logits_equal_the_value_computed_by_hand(engine: OnnxEngine, rows: list[list[int]]) -> None:
    """Each row's logits are right to the last bit, whatever it shares its batch with and however it is padded."""
    logits = engine.run(Batch.of(rows, 0))
    assert (np.float32, (len(rows), 2)) == (logits.dtype, logits.shape)
    assert [expected_logits(row) for row in rows] == logits.tolist()


def test_what_fills_a_row_does_not_count(engine: OnnxEngine) -> None:
    """Padding is masked: any id in its place gives the same logits."""
    row = [[4, 5, 6], [7] * 9]
    assert (engine.run(Batch.of(row, 0)) == engine.run(Batch.of(row, 9))).all()


def test_several_threads_may_run_at_once(engine: OnnxEngine) -> None:
    """Runs of many threads do not touch each other."""
    rows = [[4 + i % 20, 5 + i % 7] for i in range(200)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda row: engine.run(Batch.of([row], 0)).tolist(), rows))
    assert [[expected_logits(row)] for row in rows] == answers


def load(directory: Path, edit: Callable[[dict[str, Any]], object]) -> OnnxEngine:
    """Load the tiny graph with a changed manifest."""
    artifact: Artifact = load_artifact(edit_manifest(copy_tiny(directory), edit))
    return OnnxEngine.load(artifact, intra_op_threads=2)


@pytest.mark.parametrize("level", ["disabled", "basic", "extended", "all"])
def test_the_session_options_that_export_measured_are_used(tmp_path: Path, level: str) -> None:
    """Any of the optimization levels loads, with optimizers switched off and configuration entries."""
    options = {
        "graph_optimization_level": level,
        "disabled_optimizers": ["ConstantFolding"],
        "config": {"session.set_denormal_as_zero": "1"},
    }
    engine = load(tmp_path, lambda manifest: manifest.update(session=options))
    assert [expected_logits([4, 5])] == engine.run(Batch.of([[4, 5]], 0)).tolist()


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda m: m["inputs"].pop(), id="an input too many in the graph"),
        pytest.param(lambda m: m["inputs"][0].update(name="ids"), id="another name of an input"),
    ],
)
def test_a_graph_that_is_not_the_manifests_is_refused(tmp_path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """The message names the graph and what differs."""
    with pytest.raises(ArtifactError, match=r"model\.onnx takes the inputs .*, its manifest says"):
        load(tmp_path, edit)


@pytest.mark.development
def test_weights_beside_the_graph_are_not_loaded(tmp_path: Path) -> None:
    """No checksum covers a file that only the graph names, so a graph with such a file does not load."""
    onnx = pytest.importorskip("onnx")
    graph = tmp_path / "graph.onnx"
    model = onnx.load(TINY / "model.onnx")
    onnx.save(model, graph, save_as_external_data=True, location="weights.bin", size_threshold=64)
    assert (tmp_path / "weights.bin").stat().st_size > 0
    artifact = load_artifact(replace_file(copy_tiny(tmp_path), "model.onnx", graph.read_bytes()))
    with pytest.raises(ArtifactError, match="its weights must be in it"):
        OnnxEngine.load(artifact, intra_op_threads=1)
