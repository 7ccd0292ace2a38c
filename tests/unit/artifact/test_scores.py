"""Scores: probabilities, decisions and calibration agree with their definitions, and with scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.scores import (
    ConfidenceBin,
    Head,
    accuracy,
    confusion,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    mean_logits,
    reliability,
    rightness,
    sigmoid,
    softmax,
)

LOGITS = st.lists(st.floats(-50, 50), min_size=3, max_size=3)
TEMPERATURES = st.floats(0.1, 10)


def make_head(temperature: float = 1.0) -> Head:
    """Return a head with three labels."""
    return Head(("negative", "neutral", "positive"), temperature)


@given(logits=LOGITS, temperature=TEMPERATURES)
def test_a_head_scores_one_text_as_softmax_scores_many(logits: list[float], temperature: float) -> None:
    """What the server computes without numpy equals the array function to within rounding."""
    (expected,) = softmax(np.array([logits]), temperature).tolist()
    assert pytest.approx(expected, rel=1e-12, abs=1e-300) == make_head(temperature).scores(logits)


@given(logits=LOGITS, temperature=TEMPERATURES)
def test_scores_are_a_distribution_that_keeps_the_order(logits: list[float], temperature: float) -> None:
    """Probabilities are positive, sum to one, and the decision is the largest logit's label."""
    head = make_head(temperature)
    scores = head.scores(logits)
    assert pytest.approx(1) == math.fsum(scores)
    assert all(score >= 0 for score in scores)
    assert max(scores) == scores[logits.index(max(logits))]
    assert [scores.index(max(scores))] == [head.decision(scores)] == head.chosen(scores)


HEADS = {
    "single_label": make_head(2.0),
    "multi_label": Head(("a", "b", "c"), problem="multi_label", thresholds=(0.3, 0.5, 0.9), activation="sigmoid"),
    "value": Head(("stars",), problem="regression", activation="identity"),
    "probability": Head(("relevant",), problem="regression", activation="sigmoid"),
}


@pytest.mark.parametrize("name", HEADS)
@given(logits=LOGITS)
def test_one_text_is_scored_as_many_are(name: str, logits: list[float]) -> None:
    """The server's scores of one text equal those of a table, which export measures, for every head."""
    head = HEADS[name]
    own = logits[: len(head.labels)]
    assert [pytest.approx(own_score, rel=1e-12, abs=1e-300) for own_score in head.scores(own)] == (
        head.table(np.array([own]))[0].tolist()
    )


@given(logits=st.lists(st.floats(-1000, 1000), min_size=3, max_size=3))
def test_labels_are_chosen_by_their_thresholds(logits: list[float]) -> None:
    """Each label alone: the threshold itself is enough, whatever the other labels do; extremes stay finite."""
    head = HEADS["multi_label"]
    scores = head.scores(logits)
    assert all(0 <= score <= 1 for score in scores)
    assert [i for i, score in enumerate(scores) if score >= (0.3, 0.5, 0.9)[i]] == head.decision(scores)
    assert [0, 1, 2] == head.chosen([0.3, 0.5, 0.9])
    assert [] == head.chosen([0.29, 0.49, 0.89])


def test_the_sigmoid_is_the_logistic_function() -> None:
    """Against the plain formula, and symmetric where that would overflow."""
    assert (
        pytest.approx([1 / (1 + math.exp(2)), 0.5, 1 / (1 + math.exp(-2))]) == sigmoid(np.array([-2.0, 0, 2])).tolist()
    )
    assert [0.0, 1.0] == sigmoid(np.array([-1e4, 1e4])).tolist()


def test_a_regression_decides_nothing() -> None:
    """Its score is a value, of which no label is chosen."""
    head = HEADS["value"]
    assert [-3.5] == head.scores([-3.5])
    assert head.decision([-3.5]) is None
    assert [] == head.chosen([-3.5])


@given(logits=st.lists(st.floats(-1000, 1000, width=32), min_size=2, max_size=5), temperature=st.floats(0.05, 20))
def test_scores_are_right_and_never_overflow(logits: list[float], temperature: float) -> None:
    """Against the plain formula in higher precision: they sum to one, order is kept, extremes stay finite."""
    scores = make_head(temperature).scores(logits)
    wide = np.array(logits, dtype=np.longdouble) / np.longdouble(temperature)
    powers = np.exp(wide - wide.max())
    np.testing.assert_allclose(scores, (powers / powers.sum()).astype(float), atol=1e-9)
    np.testing.assert_allclose(sum(scores), 1.0, atol=1e-12)


def test_huge_logits_do_not_overflow() -> None:
    """A logit of a thousand gives probabilities, for one text and for many."""
    assert [0.5, 0.5] == Head(("a", "b"), 1.0).scores([1000.0, 1000.0])
    assert [[0.5, 0.5], [1.0, 0.0]] == softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]])).tolist()


def test_a_temperature_divides_the_logits() -> None:
    """Twice the temperature is half the logits; without one nothing changes."""
    assert Head(("a", "b"), 2.0).scores([3.0, 1.0]) == Head(("a", "b"), 1.0).scores([1.5, 0.5])
    assert pytest.approx([1 / 3, 2 / 3]) == softmax(np.array([[0.0, math.log(2)]]))[0]


def test_of_equal_scores_the_first_label_is_chosen() -> None:
    """A tie is decided the same way every time."""
    assert 1 == make_head().decision([0.2, 0.4, 0.4])


@pytest.mark.parametrize("temperature", [0.7, 1.0, 3.0])
def test_fit_temperature_finds_what_scaled_the_logits(temperature: float) -> None:
    """Labels drawn from softmax(logits / T) lead back to T."""
    draw = np.random.default_rng(1)
    logits = draw.normal(0, 3, (20_000, 2))
    labels = (draw.random(20_000) < softmax(logits, temperature)[:, 1]).astype(np.int64)
    assert pytest.approx(temperature, rel=0.1) == fit_temperature(logits, labels)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 3.0])
def test_a_temperature_is_fitted_to_shares(temperature: float) -> None:
    """Raters who are as unsure as the model lead back to T, although their majority is always the model's label."""
    probabilities = softmax(logits := np.random.default_rng(1).normal(0, 3, (500, 3)), temperature)
    labels = probabilities.argmax(axis=1)
    shares = probabilities.max(axis=1)
    middle = (1 - shares) / 2  # the other two labels share the rest
    even = np.stack([np.where(labels == index, shares, middle) for index in range(3)], axis=1)
    assert pytest.approx(temperature, rel=1e-3) == fit_temperature(np.log(even) * temperature, labels, shares)
    assert 0.5 == pytest.approx(fit_temperature(logits, labels))


def test_calibration_error_is_measured_against_shares() -> None:
    """An answer with the probability that people give it is right to that share; without shares it is always right."""
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7]])
    labels = np.array([0, 1])
    assert pytest.approx(0.0) == expected_calibration_error(probabilities, labels, np.array([0.6, 0.7]))
    assert pytest.approx(0.35) == expected_calibration_error(probabilities, labels)
    assert pytest.approx(0.3) == expected_calibration_error(probabilities[:1], labels[1:], np.array([0.7]))


def test_an_answer_is_right_to_the_share_of_its_label() -> None:
    """Of three labels the two that are not the true one share the rest; without shares an answer is right or wrong."""
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    labels = np.array([0, 0])
    assert [0.8, pytest.approx(0.1)] == rightness(probabilities, labels, np.array([0.8, 0.8])).tolist()
    assert [1.0, 0.0] == rightness(probabilities, labels).tolist()


@pytest.mark.parametrize(("labels", "bound"), [([1, 1], 0.5), ([0, 0], 5.0)])
def test_fit_temperature_stays_within_its_bounds(labels: list[int], bound: float) -> None:
    """Where all rows are right, or all wrong, the temperature would leave every bound; it stops at 0.5 and 5."""
    assert pytest.approx(bound, rel=1e-6) == fit_temperature(np.array([[0.0, 1.0]] * 2), np.array(labels))


def test_log_loss_is_the_mean_surprise_at_the_true_label() -> None:
    """By hand: one text at 1/2 and one at 1/4; a probability of 0 counts as 1e-12."""
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert pytest.approx((math.log(2) + math.log(4)) / 2) == log_loss(probabilities, np.array([1, 0]))
    assert pytest.approx(12 * math.log(10)) == log_loss(np.array([[0.0, 1.0]]), np.array([0]))


def test_accuracy_counts_right_labels() -> None:
    """Three of five are right; a wrong one counts on either side of its label."""
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [5.0, 1.0], [0.0, 3.0], [4.0, 3.0]])
    assert 0.6 == accuracy(logits, np.array([0, 1, 0, 0, 1]))


def test_confusion_has_truth_in_rows() -> None:
    """A text of label 0 predicted as 1 stands in row 0, column 1; labels that never occur have empty rows."""
    assert [[1, 1, 0], [0, 1, 0], [0, 0, 0]] == confusion(np.array([1, 1, 0]), np.array([0, 1, 0]), 3).tolist()


def test_calibration_error_is_the_gap_of_confidence_and_accuracy() -> None:
    """Always 0.9 sure and right in half of the cases is 0.4 off."""
    probabilities = np.tile([0.1, 0.9], (10, 1))
    labels = np.array([0, 1] * 5)
    assert pytest.approx(0.4) == expected_calibration_error(probabilities, labels)
    assert [ConfidenceBin(pytest.approx(0.9), 0.5, 10)] == reliability(probabilities, labels)


def test_calibration_error_weighs_bins_by_their_texts() -> None:
    """Three texts at 0.9 that are right and one at 0.6 that is wrong: too little and too much do not cancel."""
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]])
    labels = np.array([0, 0, 0, 1])
    assert pytest.approx((3 * 0.1 + 0.6) / 4) == expected_calibration_error(probabilities, labels)
    assert [1, 3] == [part.n for part in reliability(probabilities, labels)]


def test_certainty_falls_into_the_last_bin() -> None:
    """A probability of exactly 1 shares the last of 15 bins with 0.95; 0.92 is in the one before."""
    probabilities = np.array([[1.0, 0.0], [0.95, 0.05], [0.92, 0.08]])
    assert [1, 2] == [part.n for part in reliability(probabilities, np.zeros(3, np.int64))]
    assert pytest.approx((0.05 + 0.08) / 3) == expected_calibration_error(probabilities, np.zeros(3, np.int64))


def test_a_wrong_label_is_wrong_on_either_side() -> None:
    """A text whose label comes after the predicted one is no more right than one whose label comes before."""
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert [0.0] == [part.accuracy for part in reliability(probabilities, np.array([1, 0]))]


@pytest.mark.development
def test_figures_agree_with_scikit_learn() -> None:
    """Accuracy, confusion and log loss are what scikit-learn computes."""
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(size=(200, 3)).astype(np.float32), draw.integers(0, 3, 200)
    assert pytest.approx(metrics.accuracy_score(labels, logits.argmax(1))) == accuracy(logits, labels)
    predicted = logits.argmax(1)
    assert metrics.confusion_matrix(labels, predicted).tolist() == confusion(predicted, labels, 3).tolist()
    assert pytest.approx(metrics.log_loss(labels, softmax(logits))) == log_loss(softmax(logits), labels)


def test_logits_of_windows_are_averaged_by_weight() -> None:
    """A window counts by its tokens."""
    assert [1.0, 4.0] == mean_logits([[0.0, 8.0], [2.0, 0.0]], [3, 3])
    assert [1.5, 2.0] == mean_logits([[0.0, 8.0], [2.0, 0.0]], [1, 3])


def test_logits_of_a_single_window_stay_bit_for_bit() -> None:
    """Multiplied and divided by its weight, 0.1 times 3 would not come back as it was."""
    logits = [0.1, 1e-7]
    assert logits == mean_logits([logits], [3])
