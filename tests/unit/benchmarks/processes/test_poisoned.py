"""A poisoned artifact fails on one word and answers everything else as before."""

from pathlib import Path

import pytest

pytest.importorskip("onnx")

from artifact.manifest import load_artifact
from artifact.pairs import load_tokenization
from artifact.runtime import Batch, OnnxEngine
from artifact.vocabulary import check_token_ids
from benchmarks import BenchmarkError
from benchmarks.processes.poisoned import poison
from tests.support.tiny import TINY, WORDS

pytestmark = pytest.mark.development


def run(artifact: Path, text: str) -> list[list[float]]:
    """Return the logits of a text."""
    read = load_artifact(artifact)
    (tokenized,) = load_tokenization(read).encode([text], "head")
    found: list[list[float]] = (
        OnnxEngine.load(read, intra_op_threads=1).run(Batch.of(list(tokenized.windows), 0)).tolist()
    )
    return found


def test_the_graph_fails_on_the_word_alone(tmp_path: Path) -> None:
    """As a runtime does with an id beyond the table of embeddings; other texts get the same logits."""
    word = poison(TINY, tmp_path / "poisoned", ["a b c"])
    assert word not in {"a", "b", "c", "good"}
    for text in ("good", "good c", "z"):
        assert run(TINY, text) == run(tmp_path / "poisoned", text)
    with pytest.raises(Exception, match="out of data bounds"):
        run(tmp_path / "poisoned", f"good {word}")


def test_a_server_starts_with_it(tmp_path: Path) -> None:
    """The check at start runs the largest token id, which is left alone."""
    poison(TINY, tmp_path / "poisoned", [])
    read = load_artifact(tmp_path / "poisoned")
    check_token_ids(load_tokenization(read), OnnxEngine.load(read, intra_op_threads=1), 0)


def test_texts_of_every_word_leave_no_poison(tmp_path: Path) -> None:
    """The texts must still be answered."""
    with pytest.raises(BenchmarkError, match="no word that the texts leave"):
        poison(TINY, tmp_path / "poisoned", WORDS)
