"""Thresholds: as many answers as the loss allows, none where too few texts were held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.scores import Head
from export.first_stage.thresholds import HeldOut, fit, losses


def held_out(loss: np.ndarray, tokens: int = 10) -> HeldOut:
    """Return texts of one length whose confidence falls from 1 to 0.5."""
    n = len(loss)
    return HeldOut(np.full(n, tokens), np.linspace(1, 0.5, n), loss.astype(np.float64))


def test_texts_are_answered_up_to_the_allowed_loss() -> None:
    """2,000 texts may lose 20: 15 lost and an error of the root of 16 fit, 16 and the root of 17 do not."""
    loss = np.zeros(2000)
    loss[1000:] = 1
    (threshold, *_) = fit(held_out(loss), 0.01, 512)
    assert (16, 2000, 1015) == (threshold.max_tokens, threshold.texts, threshold.answered)
    assert held_out(loss).confidence[1014] == threshold.least_confidence


def test_too_few_texts_are_never_answered() -> None:
    """With a loss of 0.1 points a bucket needs a thousand texts, even if nothing at all was lost."""
    assert 0 == fit(held_out(np.zeros(999)), 0.001, 512)[0].answered
    assert 1000 == fit(held_out(np.zeros(1000)), 0.001, 512)[0].answered


def test_each_length_has_its_own_threshold() -> None:
    """A bucket holds the rows of its longest length and those above the bucket before; the last one is the model's."""
    easy, hard = held_out(np.zeros(500), tokens=16), held_out(np.ones(500), tokens=17)
    both = HeldOut(*(np.concatenate(parts) for parts in zip(_parts(easy), _parts(hard), strict=True)))
    thresholds = fit(both, 0.01, 100)
    assert [16, 32, 64, 100] == [threshold.max_tokens for threshold in thresholds]
    assert [500, 3, 0, 0] == [threshold.answered for threshold in thresholds]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.floats(0.001, 0.2))
def test_what_is_answered_loses_at_most_what_is_allowed(loss: list[float], largest: float) -> None:
    """The expected loss of all answered texts stays within the bound."""
    texts = held_out(np.array(loss))
    threshold = fit(texts, largest, 512)[0]
    answered = texts.confidence >= threshold.least_confidence
    assert int(answered.sum()) == threshold.answered
    assert texts.loss[answered].sum() <= largest * len(loss)


def test_the_loss_of_another_label_is_the_difference_of_the_graphs_probabilities() -> None:
    """The same answer loses nothing; another one loses as much as the graph gives its own answer more."""
    first = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    graph = np.array([[0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7]])
    assert pytest.approx([0, 0.6, 0.6]) == losses(first, graph, Head(("a", "b", "c")))


def test_the_loss_of_several_labels_counts_each_that_differs() -> None:
    """A label that only one stage chooses loses what the graph is sure of, at most a whole text together."""
    head = Head(("a", "b"), problem="multi_label", thresholds=(0.5, 0.3), activation="sigmoid")
    first = np.array([[0.9, 0.9], [0.1, 0.4], [0.9, 0.9]])
    graph = np.array([[0.6, 0.4], [0.2, 0.2], [0.05, 0.05]])
    assert pytest.approx([0, 0.6, 1.0]) == losses(first, graph, head)


def _parts(texts: HeldOut) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return texts.tokens, texts.confidence, texts.loss
