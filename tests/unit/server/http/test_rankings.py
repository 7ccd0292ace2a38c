"""Rankings: labels with scores, the best first, and the function that makes scores of logits."""

import math

import pytest

from artifact.scores import Head
from server.http.rankings import Function, rank
from server.inference.classifier import Prediction

SINGLE = Head(("no", "maybe", "yes"), temperature=2.0)
MULTI = Head(("no", "maybe", "yes"), problem="multi_label", thresholds=(0.5,) * 3, activation="sigmoid")
VALUE = Head(("stars",), problem="regression", activation="identity")
LOGITS = [-1.0, 0.5, 2.0]


def predict(head: Head, logits: list[float]) -> Prediction:
    """Return what a model with these logits answers."""
    return Prediction(head.scores(logits), logits, 5, truncated=False)


def scores(head: Head, function: Function | None) -> dict[str | float, str | float]:
    """Return the score of each label."""
    return {each["label"]: each["score"] for each in rank(predict(head, LOGITS), head, function=function)}


def test_the_best_label_comes_first() -> None:
    """Of equal scores the first label does; top_k limits the length."""
    prediction = Prediction([0.25, 0.5, 0.25], [0.0, 1.0, 0.0], 5, truncated=False)
    expected = [("maybe", 0.5), ("no", 0.25), ("yes", 0.25)]
    assert expected == [(each["label"], each["score"]) for each in rank(prediction, SINGLE)]
    assert expected[:2] == [(each["label"], each["score"]) for each in rank(prediction, SINGLE, top_k=2)]
    assert 3 == len(rank(prediction, SINGLE, top_k=9))


def test_scores_are_rounded_like_those_of_the_native_format() -> None:
    """Six digits."""
    assert [{"label": "stars", "score": 3.123457}] == rank(predict(VALUE, [3.12345678]), VALUE)


@pytest.mark.parametrize(("head", "own"), [(SINGLE, "softmax"), (MULTI, "sigmoid")])
def test_the_heads_own_function_keeps_its_calibration(head: Head, own: Function) -> None:
    """A caller who asks for the function that the head has anyway gets the same scores."""
    assert scores(head, None) == scores(head, own)


def test_another_function_is_applied_to_the_logits() -> None:
    """Sigmoid of a softmax head and the reverse, and the logits themselves."""
    sigmoids = [round(1 / (1 + math.exp(-logit)), 6) for logit in LOGITS]
    powers = [math.exp(logit) for logit in LOGITS]
    softmaxes = [round(power / sum(powers), 6) for power in powers]
    for head, function, expected in ((SINGLE, "sigmoid", sigmoids), (MULTI, "softmax", softmaxes)):
        assert dict(zip(head.labels, expected, strict=True)) == scores(head, function)
    for head in (SINGLE, MULTI):
        assert dict(zip(head.labels, LOGITS, strict=True)) == scores(head, "none")
