"""Scoring: texts become what the server would say of them, whatever else is in the list."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from artifact.manifest import load_artifact
from artifact.runtime import Batch, OnnxEngine
from bulk.scoring import TextScorer
from tests.support.artifacts import bare_tokenizer, copy_tiny, edit_manifest, multi_label, of_pairs
from tests.support.engines import FixedEngine
from tests.support.first_stages import tiny_with_first_stage
from tests.support.tables import make_scorer, words
from tests.support.tiny import TINY, logits


class CountingEngine:
    """The tiny graph; counts rows and fails on rows with a token, or answers them with NaN.

    Args:
        poison: id of the token.
        nan: whether such rows are answered instead of failed.
    """

    def __init__(self, poison: int = -1, *, nan: bool = False) -> None:
        self._engine = OnnxEngine.load(load_artifact(TINY), intra_op_threads=1)
        self._poison, self._nan = poison, nan
        self.rows = 0

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the logits."""
        self.rows += len(batch.input_ids)
        poisoned = (batch.input_ids == self._poison).any(axis=1)
        if poisoned.any() and not self._nan:
            raise RuntimeError("index out of bounds\nand more")
        found = self._engine.run(batch)
        return np.where(poisoned[:, None], np.float32("nan"), found)


def test_scores_are_those_that_the_model_computes() -> None:
    """Label and probability of a text follow from its words."""
    (score,) = make_scorer().score(["good a b"])
    negative, positive = logits(["good", "a", "b"])
    assert "positive" == score.label
    assert round(1 / (1 + math.exp(negative - positive)), 6) == score.score == score.probabilities[1]
    assert (5, False, 0, None) == (score.tokens, score.truncated, score.unknown, score.error)


def test_a_text_scores_the_same_alone_and_among_others() -> None:
    """Order, neighbours and equal texts change no bit."""
    texts = words(200) + words(50)
    scorer = make_scorer()
    assert [scorer.score([text])[0] for text in texts] == scorer.score(texts)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, "the text is null"),
        ("", "the text is empty"),
        (" \n", "the text is empty"),
        ("\u200b\ufeff", "the text is empty"),
        (12, "the text is 12 (int)"),
        (["a"], "the text is ['a'] (list)"),
        ("a" * 1001, "the text has 1,001 characters, at most 1,000 are read"),
    ],
)
def test_what_is_no_text_gets_an_error_and_its_neighbours_scores(text: object, error: str) -> None:
    """One row never stops the others."""
    first, second, third = make_scorer().score(["good", text, "bad"])
    assert ("positive", error, None, "negative") == (first.label, second.error, second.score, third.label)


def test_equal_texts_are_computed_once() -> None:
    """A column of repeated texts costs what its different texts cost."""
    engine = CountingEngine()
    scorer = TextScorer(load_artifact(TINY), engine)
    engine.rows = 0
    scorer.score(["good", "bad"] * 100)
    assert 2 == engine.rows


def test_the_first_stage_answers_the_texts_of_which_it_is_sure(tmp_path: Path) -> None:
    """It takes "good" for negative here, so its answers show; the others are those of the graph."""
    directory = tiny_with_first_stage(tmp_path, least=0.999)
    texts = ["good", "x good", None, "bad"]
    first, second, third, fourth = TextScorer.load(directory, first_stage=True).score(texts)
    assert ("negative", "positive") == (first.label, fourth.label)
    _, expected, wrong, _ = TextScorer.load(directory).score(texts)
    assert (expected, wrong) == (second, third)


@pytest.mark.parametrize("nan", [False, True])
def test_the_row_on_which_the_model_fails_is_the_only_one_with_an_error(nan: bool) -> None:
    """Rows that shared its run are run again without it."""
    poison = 6  # the letter a
    scorer = TextScorer(load_artifact(TINY), CountingEngine(poison, nan=nan))
    first, second, third = scorer.score(["good b", "good a", "good c"])
    assert second.error is not None
    assert second.error.startswith("the model fails on the text: ")
    assert "\n" not in second.error
    assert (None, None) == (first.error, third.error)


def test_a_text_of_which_the_tokenizer_makes_no_token_gets_an_error(tmp_path: Path) -> None:
    """Without special tokens it would be an empty row, and its neighbours would get wrong scores or none."""
    scorer = TextScorer.load(bare_tokenizer(copy_tiny(tmp_path)))
    first, second, third = scorer.score(["good", "\u0301", "bad"])
    assert ("positive", None, "negative") == (first.label, second.label, third.label)
    assert "the text is empty for this model: its tokenizer makes no token of it" == second.error


def test_unknown_and_cut_texts_say_so() -> None:
    """A reader of the output can see of which scores to be careful."""
    unknown, long = make_scorer().score(["👍", "good " * 40])
    assert (1, True) == (unknown.unknown, long.truncated)


def test_a_multi_label_model_chooses_labels(tmp_path: Path) -> None:
    """Each from its threshold; all probabilities are there, and no label is the score."""
    first, second = TextScorer.load(multi_label(copy_tiny(tmp_path))).score(["good", "bad good"])
    assert (["positive"], ["negative", "positive"]) == (first.labels, second.labels)
    assert [0.5, round(1 / (1 + math.exp(-8 / 3)), 6)] == first.probabilities
    assert (None, None) == (first.label, first.value)


def test_a_regression_has_a_value(tmp_path: Path) -> None:
    """Rounded as the server rounds it."""

    def change(document: dict[str, Any]) -> None:
        document |= {"problem": "regression", "labels": ["stars"], "activation": None}
        document["probes"] = [{"text": "good", "probabilities": [1.0], "reference": [1.0]}]

    artifact = load_artifact(edit_manifest(copy_tiny(tmp_path), change))
    (score,) = TextScorer(artifact, FixedEngine([[3.12345678]])).score(["good"])
    assert (3.123457, None, [], None) == (score.value, score.label, score.probabilities, score.labels)


def test_a_model_of_pairs_scores_pairs(tmp_path: Path) -> None:
    """Both texts count; one that is missing or empty is an error that names it."""
    scorer = TextScorer.load(of_pairs(copy_tiny(tmp_path)))
    pairs = [("good", "bad"), ("good", "good"), ("good", None), (" ", "good"), ("good", "good"), "good"]
    found = scorer.score(pairs)
    assert [6 - 1] * 2 == [score.tokens for score in found[:2]]
    assert (0.5, found[1]) == (found[0].score, found[4])
    assert ["the text_pair is null", "the text is empty"] == [score.error for score in found[2:4]]
    assert "the text_pair is null" == found[5].error
