"""Known answers: a CPU that computes them wrong never becomes ready."""

import math

import pytest
from tokenizers import Tokenizer

from artifact.manifest import ArtifactError, Manifest, read_manifest
from artifact.runtime import Engine
from artifact.tokenization import Tokenization
from server.inference.known_answers import check_known_answers
from tests.support.engines import FixedEngine
from tests.support.tiny import TINY

RIGHT = (0.0, 8 / 3)
"""The logits of "good", the probe of the tiny artifact."""


def check(engine: Engine, manifest: Manifest | None = None) -> None:
    """Ask the engine the known answers of the tiny artifact."""
    tokenizer = Tokenizer.from_file(str(TINY / "tokenizer.json"))
    tokenization = Tokenization(tokenizer, max_length=16, head_tokens=3)
    check_known_answers(manifest or read_manifest(TINY), tokenization, engine)


def test_the_right_answer_is_accepted() -> None:
    """An engine that computes the recorded probabilities passes."""
    check(FixedEngine([RIGHT]))


@pytest.mark.parametrize("truncation", ["head", "head_tail", "window"])
def test_every_truncation_is_checked(truncation: str) -> None:
    """A probe is short, so how the model reads long texts does not change its answer."""
    manifest = Manifest.model_validate(read_manifest(TINY).model_dump() | {"truncation": truncation})
    check(FixedEngine([RIGHT]), manifest)


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
