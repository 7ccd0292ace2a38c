"""Known answers: a CPU that computes them wrong never becomes ready."""

import math
from typing import Any

import pytest
from tokenizers import Tokenizer

from artifact.manifest import ArtifactError, Manifest, Truncation, read_manifest
from artifact.runtime import Engine
from artifact.tokenization import Tokenization
from server.inference.known_answers import check_known_answers
from tests.support.engines import FixedEngine, GatedEngine
from tests.support.tiny import TINY

RIGHT = (0.0, 8 / 3)
"""The logits of "good", the probe of the tiny artifact."""


def make_tokenization() -> Tokenization:
    """Return the tokenization of the tiny artifact."""
    return Tokenization(Tokenizer.from_file(str(TINY / "tokenizer.json")), max_length=16, head_tokens=3)


def check(engine: Engine, manifest: Manifest | None = None) -> None:
    """Ask the engine the known answers of the tiny artifact."""
    check_known_answers(manifest or read_manifest(TINY), make_tokenization(), engine)


def test_the_right_answer_is_accepted() -> None:
    """An engine that computes the recorded probabilities passes."""
    check(FixedEngine([RIGHT]))


def make_manifest(text: str = "good", **changes: Any) -> Manifest:
    """Return the tiny manifest with one probe of even probabilities and with some fields changed."""
    even = (0.5, 0.5)
    probes = [{"text": text, "probabilities": even, "reference": even}]
    return Manifest.model_validate(read_manifest(TINY).model_dump() | {"probes": probes} | changes)


@pytest.mark.parametrize(("truncation", "read"), [("head", "head"), ("head_tail", "head_tail"), ("window", "head")])
def test_a_long_probe_is_one_row_under_every_truncation(truncation: Truncation, read: Truncation) -> None:
    """It is read as the model reads long texts, except that of windows only the first is asked."""
    long = "good " * 10 + "bad " * 10
    engine = GatedEngine(FixedEngine([(0.0, 0.0)]))
    engine.open()
    check(engine, make_manifest(long, truncation=truncation))
    (batch,) = engine.batches
    (text,) = make_tokenization().encode([long], read)
    assert [list(window) for window in text.windows] == batch.input_ids.tolist()


def test_a_difference_of_the_tolerance_is_accepted() -> None:
    """The tolerance itself is allowed, as everywhere."""
    recorded = (0.75, 0.25)
    probes = [{"text": "good", "probabilities": recorded, "reference": recorded}]
    check(FixedEngine([(0.0, 0.0)]), make_manifest(probes=probes, probe_tolerance=0.25))


@pytest.mark.parametrize("logits", [(0.0, 1.0), (0.0, 1.0, 2.0)], ids=["wrong", "of the wrong shape"])
def test_a_message_quotes_40_characters_of_the_probe(logits: tuple[float, ...]) -> None:
    """A long probe does not fill the log."""
    with pytest.raises(ArtifactError) as caught:
        check(FixedEngine([logits]), make_manifest("good " * 20))
    assert repr(("good " * 20)[:40]) in str(caught.value)


@pytest.mark.parametrize(
    ("logits", "words"),
    [
        pytest.param((0.0, 2.6), "wrong by 0.004", id="saturated a little"),
        pytest.param((0.0, 0.0), "wrong by 0.435", id="saturated to nothing"),
        pytest.param((8 / 3, 0.0), "wrong by 0.870", id="the wrong way round"),
        pytest.param((0.0, math.nan), "wrong by nan", id="not a number"),
        pytest.param((math.inf, math.inf), "wrong by nan", id="infinite"),
    ],
)
def test_a_wrong_answer_is_refused(logits: tuple[float, float], words: str) -> None:
    """The message names the text, the error, the tolerance and the remedy."""
    with pytest.raises(ArtifactError, match=words) as caught:
        check(FixedEngine([logits]))
    assert "'good'" in str(caught.value)
    assert "0.0001" in str(caught.value)
    assert "export" in str(caught.value)


@pytest.mark.parametrize("logits", [[[1.0]], [[0.0, 1.0, 2.0]], [[0.0, 1.0]] * 2, [0.0, 1.0]])
def test_an_answer_of_the_wrong_shape_is_refused(logits: list[list[float]]) -> None:
    """A graph whose number of labels or rows differs from the manifest is refused with a message of one line."""
    with pytest.raises(ArtifactError, match="shape") as caught:
        check(FixedEngine(logits))
    assert "\n" not in str(caught.value)
