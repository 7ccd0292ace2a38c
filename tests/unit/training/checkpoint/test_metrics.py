"""Figures agree with their definitions, and with scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from artifact.scores import softmax
from training.checkpoint.metrics import figures, macro_f1


def test_a_label_that_is_never_predicted_counts_as_zero() -> None:
    """A label that occurs and is never predicted has an F1 of 0; one that does neither is not measured."""
    assert pytest.approx((2 / 3) / 2) == macro_f1(np.array([[5, 0, 0], [5, 0, 0], [0, 0, 0]]))
    assert 1.0 == macro_f1(np.array([[5, 0], [0, 0]]))


@pytest.mark.development
def test_figures_agree_with_scikit_learn() -> None:
    """Accuracy, macro F1 and log loss equal those of scikit-learn."""
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(size=(200, 3)).astype(np.float32), draw.integers(0, 3, 200)
    found = figures(logits, labels)
    assert 200 == found["n"]
    assert pytest.approx(metrics.accuracy_score(labels, logits.argmax(1))) == found["accuracy"]
    assert pytest.approx(metrics.f1_score(labels, logits.argmax(1), average="macro")) == found["macro_f1"]
    assert pytest.approx(metrics.log_loss(labels, softmax(logits))) == found["log_loss"]


@given(
    arrays(np.float32, (7, 3), elements=st.floats(-50, 50, width=32)), arrays(np.int64, 7, elements=st.integers(0, 2))
)
def test_figures_are_shares(logits: np.ndarray, labels: np.ndarray) -> None:
    """For any logits, shares lie between 0 and 1."""
    found = figures(logits, labels)
    assert all(0 <= found[name] <= 1 for name in ("accuracy", "macro_f1", "expected_calibration_error"))
