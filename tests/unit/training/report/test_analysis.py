"""Correct and wrong answers are counted by label and length, and the worst errors are listed."""

import numpy as np

from training.data.training_data import Example
from training.report.analysis import analyse, by_length


def test_lengths_fall_into_buckets() -> None:
    """A text as long as an edge belongs to the bucket below it; empty buckets are left out."""
    buckets = by_length(np.array([True, False, True, True]), np.array([16, 17, 32, 1000]))
    assert [
        {"tokens": "1-16", "accuracy": 1.0, "n": 1},
        {"tokens": "17-32", "accuracy": 0.5, "n": 2},
        {"tokens": "over 512", "accuracy": 1.0, "n": 1},
    ] == buckets


def test_worst_errors_come_first() -> None:
    """Errors are sorted by the probability of the true label, lowest first; correct answers are not listed."""
    logits = np.array([[0, 1], [0, 5], [5, 0]], np.float32)
    examples = [Example("a little wrong", 0, "s"), Example("very wrong", 0, "s"), Example("right", 0, "s")]
    analysis = analyse(logits, examples, [5, 5, 5], ["no", "yes"])
    assert ["very wrong", "a little wrong"] == [error["text"] for error in analysis["worst_errors"]]
    assert "no" == analysis["worst_errors"][0]["label"]
    assert "yes" == analysis["worst_errors"][0]["predicted"]
    assert [[1, 2], [0, 0]] == analysis["confusion"]
