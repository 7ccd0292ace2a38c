"""Calibrated probabilities and how far off they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.measure.probability import accuracy, expected_calibration_error, fit_temperature, softmax

pytestmark = pytest.mark.development


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=8), st.floats(0.1, 10))
def test_softmax_is_a_distribution_that_keeps_the_order(rows: list[list[float]], temperature: float) -> None:
    """Probabilities are positive, sum to one, and rank labels as the logits do."""
    logits = np.array(rows)
    probabilities = softmax(logits, temperature)
    assert pytest.approx(1) == probabilities.sum(axis=1)
    assert (probabilities >= 0).all()
    best = probabilities[np.arange(len(rows)), logits.argmax(axis=1)]
    assert (best == probabilities.max(axis=1)).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fit_temperature_finds_what_scaled_the_logits(temperature: float) -> None:
    """Labels drawn from softmax(logits / T) lead back to T."""
    draw = np.random.default_rng(1)
    logits = draw.normal(0, 3, (20_000, 2))
    labels = (draw.random(20_000) < softmax(logits, temperature)[:, 1]).astype(np.int64)
    assert pytest.approx(temperature, rel=0.1) == fit_temperature(logits, labels)


def test_calibration_error_is_the_gap_of_confidence_and_accuracy() -> None:
    """Always 0.9 sure and right in half of the cases is 0.4 off."""
    probabilities = np.tile([0.1, 0.9], (10, 1))
    labels = np.array([0, 1] * 5)
    assert pytest.approx(0.4) == expected_calibration_error(probabilities, labels)


def test_accuracy_counts_right_labels() -> None:
    """Three of four are right."""
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [5.0, 1.0], [0.0, 3.0]])
    assert 0.75 == accuracy(logits, np.array([0, 1, 0, 0]))
