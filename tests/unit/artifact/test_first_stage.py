"""The first stage: the same logits as by hand, and an answer only where it may give one."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.first_stage import FirstStage, confidence, ngrams
from artifact.manifest import FIRST_STAGE, ArtifactError, describe_file, load_artifact
from artifact.scores import Head
from artifact.tokenization import TokenizedText
from tests.support.artifacts import edit_manifest
from tests.support.first_stages import make_first_stage, make_model, tiny_with_first_stage
from tests.support.tiny import TINY, WORDS

HEAD = Head(("no", "yes"))
ROWS = st.lists(st.integers(0, 2**31), min_size=1, max_size=30).map(tuple)


def text_of(*words: str, unknown: int = 0) -> TokenizedText:
    """Return a text of these tokens, without special ones."""
    row = tuple(WORDS.index(word) for word in words)
    return TokenizedText((row,), (len(row),), len(row), truncated=False, unknown=unknown)


def plain_buckets(row: Sequence[int], orders: int, bits: int) -> list[int]:
    """Return the buckets of n-grams by Python's own integers."""
    single = [token * 0x9E3779B1 % 2**32 for token in row]
    found = [value >> (32 - bits) for value in single]
    for order in range(2, orders + 1):
        for start in range(len(row) - order + 1):
            mixed = single[start]
            for value in single[start + 1 : start + order]:
                mixed = (mixed * 0x85EBCA77 % 2**32) ^ value
            found.append((mixed * 0xC2B2AE3D % 2**32) >> (32 - bits))
    return found


@given(row=ROWS, orders=st.integers(1, 4), bits=st.integers(1, 20))
def test_ngrams_are_those_of_plain_integers(row: tuple[int, ...], orders: int, bits: int) -> None:
    """Every n-gram has its bucket, whatever the length of the row."""
    assert sorted(plain_buckets(row, orders, bits)) == sorted(ngrams(row, orders, bits).tolist())


@given(row=ROWS, orders=st.integers(1, 3))
def test_logits_are_the_sum_of_weights_over_the_root_of_their_number(row: tuple[int, ...], orders: int) -> None:
    """The sum is an integer, so that it is the same in any order and on any CPU."""
    weights = np.random.default_rng(1).integers(-127, 128, (64, 2)).astype(np.int8)
    model = make_model(2, least=0.9).model_copy(update={"orders": orders, "bias": (0.5, -0.25)})
    buckets = plain_buckets(row, orders, 6)
    sums = [sum(int(weights[bucket, label]) for bucket in buckets) for label in range(2)]
    expected = [bias + 0.1 * value / math.sqrt(len(buckets)) for bias, value in zip((0.5, -0.25), sums, strict=True)]
    assert pytest.approx(expected) == FirstStage(weights, model, HEAD).logits(row)


def test_it_answers_from_its_threshold_on() -> None:
    """A confidence of exactly the threshold answers, one just below is left to the graph."""
    sure = make_first_stage({"good": (0, 30)}, HEAD, least=0.0)
    (logits,) = [sure.answer(text_of("good"))]
    assert logits is not None
    score = confidence(HEAD.scores(logits), HEAD)
    assert pytest.approx(1 / (1 + math.exp(-3))) == score
    assert logits == make_first_stage({"good": (0, 30)}, HEAD, least=score).answer(text_of("good"))
    above = math.nextafter(score, 1)
    assert make_first_stage({"good": (0, 30)}, HEAD, least=above).answer(text_of("good")) is None


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        pytest.param(text_of("good"), True, id="short"),
        pytest.param(text_of("good", "n"), False, id="short, with a cue"),
        pytest.param(text_of(*["good"] * 8, "n"), True, id="long, with a cue"),
        pytest.param(text_of(*["good"] * 17), False, id="longer than any threshold"),
        pytest.param(text_of("good", "[UNK]", unknown=1), False, id="an unknown token"),
        pytest.param(TokenizedText(((4,), (4,)), (1, 1), 2, truncated=False), False, id="two windows"),
    ],
)
def test_texts_that_it_may_not_judge_are_left_to_the_graph(text: TokenizedText, answers: bool) -> None:
    """A cue matters in a short text alone; unknown tokens, several windows and unfitted lengths always do."""
    stage = make_first_stage({"good": (0, 127)}, HEAD, least=0.6, cues=["n"])
    assert answers == (stage.answer(text) is not None)


def test_several_labels_are_as_sure_as_the_least_certain_of_them() -> None:
    """One label in doubt leaves the text to the graph."""
    several = Head(("a", "b"), problem="multi_label", thresholds=(0.5, 0.5), activation="sigmoid")
    assert pytest.approx(0.7) == confidence([0.02, 0.7], several)
    assert pytest.approx(0.9) == confidence([0.1, 0.95], several)
    assert pytest.approx(0.9) == confidence([0.1, 0.9], HEAD)


def test_an_artifact_without_a_first_stage_is_refused() -> None:
    """The message says how to add one."""
    with pytest.raises(ArtifactError, match=r"has no first stage; add one with python -m export\.first_stage"):
        FirstStage.load(load_artifact(TINY))


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param(np.zeros((64, 3), np.int8), id="another number of labels"),
        pytest.param(np.zeros((60, 2), np.int8), id="no power of two"),
        pytest.param(np.zeros((64, 2), np.float32), id="not int8"),
        pytest.param(np.zeros(64, np.int8), id="one axis"),
        pytest.param(np.zeros((0, 2), np.int8), id="nothing"),
    ],
)
def test_weights_of_another_shape_are_refused(tmp_path: Path, weights: np.ndarray) -> None:
    """The message names the file, what it holds and what it must hold."""
    directory = tiny_with_first_stage(tmp_path)
    np.save(directory / FIRST_STAGE, weights)
    _list_again(directory)
    with pytest.raises(ArtifactError, match=r"first_stage.npy holds .* it must be int8 of shape \(a power of two, 2\)"):
        FirstStage.load(load_artifact(directory))


def test_a_file_that_is_no_array_is_refused(tmp_path: Path) -> None:
    """Pickled objects are never loaded."""
    directory = tiny_with_first_stage(tmp_path)
    np.save(directory / FIRST_STAGE, np.array([{"a": 1}], object), allow_pickle=True)
    _list_again(directory)
    with pytest.raises(ArtifactError, match=r"first_stage.npy can not be read"):
        FirstStage.load(load_artifact(directory))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda document: document.update(schema_version=1), "schema version 2"),
        (lambda document: document["first_stage"].update(bias=[0.0]), "1 biases for 2 labels"),
        (lambda document: document["files"].pop(), "files does not list"),
    ],
)
def test_a_manifest_that_does_not_fit_its_first_stage_is_refused(tmp_path: Path, edit: object, message: str) -> None:
    """An artifact is refused before anything of it is used."""
    directory = edit_manifest(tiny_with_first_stage(tmp_path), edit)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match=message):
        load_artifact(directory)


def _list_again(directory: Path) -> None:
    def edit(document: dict[str, list[object]]) -> None:
        document["files"][-1] = describe_file(directory / FIRST_STAGE).model_dump()

    edit_manifest(directory, edit)
