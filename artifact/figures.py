"""Figures: how good scores are, for each problem, and the thresholds with the best ones.

One definition for training, export and evaluation.

F1 (micro and macro) and average precision are those of scikit-learn, except that labels that never occur do not count.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artifact.scores import Certainty, Head, Problem, expected_calibration_error, rightness

Truth = NDArray[Any]
"""True answers: (texts,) indices of labels; (texts, labels) whether a label holds; or (texts,) values."""

MAIN: Final[Mapping[Problem, str]] = {"single_label": "accuracy", "multi_label": "micro_f1", "regression": "pearson"}
"""The figure by which models of a problem are compared; more is better."""
NAMES: Final[Mapping[str, str]] = {
    "accuracy": "accuracy",
    "expected_calibration_error": "expected calibration error",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "micro_average_precision": "micro average precision",
    "macro_average_precision": "macro average precision",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "rmse": "root of the mean squared error",
}
"""Figures in words, in the order in which they are shown."""
_FEWEST_ROWS: Final = 10
"""Rows of a label from which its threshold is fitted."""


def figures(head: Head, scores: NDArray[np.float64], truth: Truth, certainty: Certainty = 1.0) -> dict[str, float]:
    """Return the figures of a head's problem by name.

    Args:
        head: made the scores.
        scores: (texts, labels).
        truth: see ``Truth``.
        certainty: (texts,) of single labels, see ``artifact.scores.log_loss``.
    """
    if head.problem == "single_label":
        return {
            "accuracy": float(rightness(scores, truth, certainty).mean()),
            "expected_calibration_error": expected_calibration_error(scores, truth, certainty),
        }
    if head.problem == "multi_label":
        return _multi_label(scores, scores >= np.array(head.thresholds), truth)
    values = scores[:, 0]
    return {
        "pearson": correlation(values, truth),
        "spearman": rank_correlation(values, truth),
        "rmse": float(np.sqrt(np.mean((values - truth) ** 2))),
    }


def show_figure(name: str, value: float) -> str:
    """Return a figure as text: errors and correlations as numbers, shares in percent."""
    return f"{value:.4f}" if name in {"pearson", "spearman", "rmse"} else f"{value:.2%}"


def fit_thresholds(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return for each label the threshold with the best F1 on some rows, to two digits, between 0.05 and 0.95.

    Of equally good ones it is the one nearest to 0.5. A label with fewer than ten rows, or with all of them, keeps 0.5:
    its best threshold would be chance.

    Args:
        scores: (texts, labels) probabilities.
        truth: (texts, labels) whether a label holds.
    """
    steps = sorted((step / 100 for step in range(5, 96)), key=lambda step: abs(step - 0.5))
    return tuple(
        max(steps, key=lambda step: f1(own >= step, true)) if _FEWEST_ROWS <= true.sum() < len(true) else 0.5
        for own, true in zip(scores.T, truth.T, strict=True)
    )


def correlation(values: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return Pearson's correlation of two series; 0 where one of them is constant."""
    ours, theirs = values - values.mean(), others - others.mean()
    norm = float(np.sqrt((ours**2).sum() * (theirs**2).sum()))
    return float((ours * theirs).sum()) / norm if norm else 0.0


def rank_correlation(values: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return Spearman's correlation: that of the ranks, in which equal values share their mean rank."""
    return correlation(_ranks(values), _ranks(others))


def f1(chosen: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the harmonic mean of precision and recall of some decisions; 1 where there is nothing to choose."""
    right, all_chosen, all_true = (chosen & truth).sum(), chosen.sum(), truth.sum()
    return float(2 * right / (all_chosen + all_true)) if all_chosen + all_true else 1.0


def average_precision(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the mean of the precision at every recall, over falling scores; equal scores are taken together.

    Args:
        scores: (n,).
        truth: (n,) with at least one that is true.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(truth[order])[ends]
    precision = found / (ends + 1)
    return float((np.diff(found, prepend=0) * precision).sum() / truth.sum())


def _multi_label(scores: NDArray[np.float64], chosen: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, float]:
    occurring = np.flatnonzero(truth.any(axis=0))
    if not len(occurring):
        return {"micro_f1": f1(chosen, truth)}
    return {
        "micro_f1": f1(chosen, truth),
        "macro_f1": float(np.mean([f1(chosen[:, label], truth[:, label]) for label in occurring])),
        "micro_average_precision": average_precision(scores.ravel(), truth.ravel()),
        "macro_average_precision": float(
            np.mean([average_precision(scores[:, label], truth[:, label]) for label in occurring])
        ),
    }


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
