"""How good probabilities are: accuracy, macro F1, log loss, expected calibration error.

Pure functions of arrays; knows neither models nor files.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
_SMALLEST: Final = 1e-12  # keeps the log of a probability that was rounded to 0 finite

Array = NDArray[np.floating] | NDArray[np.integer]


def softmax(logits: Array) -> NDArray[np.float64]:
    """Return probabilities (texts, labels) float64 of logits (texts, labels)."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def figures(logits: Array, labels: Array) -> dict[str, float]:
    """Return n, accuracy, macro F1, log loss and expected calibration error.

    Args:
        logits: (texts, labels) float32.
        labels: (texts,) indices.
    """
    probabilities = softmax(logits)
    predicted = probabilities.argmax(axis=1)
    likelihood = probabilities[np.arange(len(labels)), labels]
    return {
        "n": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": macro_f1(confusion(predicted, labels, logits.shape[1])),
        "log_loss": float(-np.log(np.maximum(likelihood, _SMALLEST)).mean()),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
    }


def confusion(predicted: Array, labels: Array, count: int) -> NDArray[np.int64]:
    """Return how many texts of label (row) were predicted as label (column): (count, count) int64."""
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def macro_f1(table: NDArray[np.int64]) -> float:
    """Return the mean over labels of F1 from a confusion table; a label that never occurs counts as 0."""
    hits = np.diag(table)
    total = table.sum(axis=0) + table.sum(axis=1)
    return float(np.mean(np.divide(2 * hits, total, out=np.zeros(len(table)), where=total > 0)))


def reliability(probabilities: Array, labels: Array, bins: int = BINS) -> list[tuple[float, float, int]]:
    """Return mean confidence, accuracy and number of texts of each filled equal-width bin of confidence."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (float(confidence[chosen].mean()), float(right[chosen].mean()), int(chosen.sum()))
        for place in np.unique(places)
        for chosen in [places == place]
    ]


def expected_calibration_error(probabilities: Array, labels: Array, bins: int = BINS) -> float:
    """Return the mean gap of confidence and accuracy over equal-width bins (Guo et al. 2017)."""
    filled = reliability(probabilities, labels, bins)
    return sum(abs(confidence - accuracy) * texts for confidence, accuracy, texts in filled) / len(labels)
