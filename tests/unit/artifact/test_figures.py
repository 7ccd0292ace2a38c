"""Figures of the heads: equal to those of scikit-learn and scipy, and thresholds that are worth their rows."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from artifact.figures import MAIN, NAMES, average_precision, correlation, f1, figures, fit_thresholds, rank_correlation
from artifact.scores import Head, sigmoid

LABELS = 3
MULTI = Head(("a", "b", "c"), problem="multi_label", thresholds=(0.5, 0.4, 0.6), activation="sigmoid")
SEEDS = st.integers(0, 2**32 - 1)


def draw(seed: int, texts: int = 60) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores with ties, and the truth that they say something about; each label occurs."""
    random = np.random.default_rng(seed)
    truth = random.random((texts, LABELS)) < 0.3
    truth[0] = True
    return sigmoid((random.normal(0, 2, truth.shape) + 2 * truth).round(1)), truth


@pytest.mark.development
@given(seed=SEEDS)
def test_multi_label_figures_are_those_of_scikit_learn(seed: int) -> None:
    """F1 and average precision over all decisions (micro), and as a mean over the labels (macro)."""
    from sklearn import metrics  # noqa: PLC0415 - not in the server's environment

    scores, truth = draw(seed)
    chosen = scores >= np.array(MULTI.thresholds)
    expected = {
        "micro_f1": metrics.f1_score(truth, chosen, average="micro", zero_division=0),
        "macro_f1": metrics.f1_score(truth, chosen, average="macro", zero_division=0),
        "micro_average_precision": metrics.average_precision_score(truth, scores, average="micro"),
        "macro_average_precision": metrics.average_precision_score(truth, scores, average="macro"),
    }
    assert {name: pytest.approx(value) for name, value in expected.items()} == figures(MULTI, scores, truth)


@pytest.mark.development
@given(seed=SEEDS)
def test_regression_figures_are_those_of_scipy(seed: int) -> None:
    """Correlations of values and of ranks with ties, and the error in the unit of the value."""
    from scipy import stats  # noqa: PLC0415 - not in the server's environment

    random = np.random.default_rng(seed)
    truth = random.integers(0, 6, 40).astype(np.float64)
    values = (truth + random.normal(0, 1, 40)).round(1)
    found = figures(Head(("stars",), problem="regression", activation="identity"), values[:, None], truth)
    assert pytest.approx(stats.pearsonr(values, truth).statistic) == found["pearson"]
    assert pytest.approx(stats.spearmanr(values, truth).statistic) == found["spearman"]
    assert pytest.approx(math.sqrt(((values - truth) ** 2).mean())) == found["rmse"]


def test_single_label_figures_are_accuracy_and_calibration() -> None:
    """By hand: two of three texts are right, each with confidence 0.75."""
    scores = np.array([[0.75, 0.25], [0.25, 0.75], [0.75, 0.25]])
    found = figures(Head(("a", "b")), scores, np.array([0, 1, 1]))
    assert {"accuracy": pytest.approx(2 / 3), "expected_calibration_error": pytest.approx(0.75 - 2 / 3)} == found


def test_labels_that_never_occur_do_not_count() -> None:
    """A label without a row has no recall that a mean could hold."""
    scores, truth = draw(1)
    truth[:, 2] = False
    found = figures(MULTI, scores, truth)
    assert (
        pytest.approx(np.mean([average_precision(scores[:, i], truth[:, i]) for i in (0, 1)]))
        == (found["macro_average_precision"])
    )
    assert {"micro_f1"} == set(figures(MULTI, scores, np.zeros_like(truth)))
    assert 1.0 == f1(np.zeros(3, bool), np.zeros(3, bool))


def test_a_constant_has_no_correlation() -> None:
    """It is 0, not a division by zero."""
    assert 0.0 == correlation(np.ones(3), np.arange(3.0)) == rank_correlation(np.arange(3.0), np.ones(3))


def test_thresholds_are_where_f1_is_best() -> None:
    """A label whose positives score 0.3 gets a threshold below that, one that 0.5 separates keeps 0.5."""
    truth = np.array([[True, True]] * 20 + [[False, False]] * 20)
    scores = np.where(truth, [[0.3, 0.9]], [[0.1, 0.2]])
    first, second = fit_thresholds(scores, truth)
    assert 0.1 < first <= 0.3
    assert 0.5 == second


@pytest.mark.parametrize("rows", [9, 40])
def test_a_threshold_of_few_rows_stays_at_a_half(rows: int) -> None:
    """Nine rows of a label say too little, and so do rows that all have it."""
    truth = np.array([[True]] * rows + [[False]] * (40 - rows))
    assert (0.5,) == fit_thresholds(np.full((40, 1), 0.2), truth)


def test_every_problem_has_a_main_figure_with_a_name() -> None:
    """Reports name it."""
    heads: list[Any] = list(MAIN)
    assert {"single_label", "multi_label", "regression"} == set(heads)
    assert set(MAIN.values()) <= set(NAMES)
