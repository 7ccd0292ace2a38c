"""Scores: logits -> calibrated probabilities and a decision, and how far off both are.

One definition for training, export, server and benchmarks. ``Head`` scores one text for the server; the functions
below it work on arrays of many texts. Calibration follows Guo et al. 2017, "On Calibration of Modern Neural Networks".
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
"""Equal-width bins of confidence for the expected calibration error."""
_WIDEST: Final = 20.0
"""The temperature is looked for between 1/20 and 20."""
_STEPS: Final = 60
"""Golden sections: each keeps 0.618 of the interval."""
_SMALLEST: Final = 1e-12
"""Keeps the logarithm of a probability that was rounded to 0 finite."""

Logits = NDArray[np.float32] | NDArray[np.float64]
Labels = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Head:
    """How a single-label model's logits become an answer.

    Attributes:
        labels: names in the order of the logits.
        temperature: logits are divided by it before the softmax.
    """

    labels: tuple[str, ...]
    temperature: float

    def scores(self, logits: Sequence[float]) -> list[float]:
        """Return one text's calibrated probabilities in label order.

        The same as ``softmax``, for one text: numpy's calls cost ten times as much as this for a few labels.
        """
        largest = max(logits)
        powers = [math.exp((logit - largest) / self.temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]

    def decision(self, scores: Sequence[float]) -> int:
        """Return the index of the most probable label; of equal ones the first."""
        return scores.index(max(scores))


def mean_logits(windows: Sequence[Sequence[float]], weights: Sequence[int]) -> Sequence[float]:
    """Return one text's logits: the mean of its windows' logits by weight, and of one window its own, unchanged.

    Args:
        windows: logits of each window; at least one.
        weights: content tokens in each window.
    """
    if len(windows) == 1:
        return windows[0]
    total = sum(weights)
    return [sum(map(operator.mul, of_label, weights)) / total for of_label in zip(*windows, strict=True)]


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """The texts whose confidence falls into one bin.

    Attributes:
        confidence: mean probability of the predicted label.
        accuracy: share of texts whose predicted label is right.
        n: texts.
    """

    confidence: float
    accuracy: float
    n: int


def softmax(logits: Logits, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities, (texts, labels) float64, of logits (texts, labels)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result


def log_loss(probabilities: NDArray[np.float64], labels: Labels) -> float:
    """Return the mean negative logarithm of the true label's probability.

    Args:
        probabilities: (texts, labels).
        labels: (texts,) indices of the true labels.
    """
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, _SMALLEST)).mean())


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """Return the temperature with the smallest log loss (Guo et al. 2017, section 4.2), between 1/20 and 20.

    Args:
        logits: (texts, labels).
        labels: (texts,) indices of the true labels.
    """

    def loss(log_temperature: float) -> float:
        return log_loss(softmax(logits, float(np.exp(log_temperature))), labels)

    low, high = -float(np.log(_WIDEST)), float(np.log(_WIDEST))
    golden = (5**0.5 - 1) / 2  # the loss has one minimum in the logarithm of the temperature
    for _ in range(_STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def accuracy(logits: Logits, labels: Labels) -> float:
    """Return the share of texts whose largest logit, or probability, is the true label's."""
    return float((logits.argmax(axis=1) == labels).mean())


def confusion(predicted: Labels, labels: Labels, count: int) -> NDArray[np.int64]:
    """Return how many texts of label (row) were predicted as label (column): (count, count) int64."""
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def reliability(probabilities: NDArray[np.float64], labels: Labels) -> list[ConfidenceBin]:
    """Return the filled bins, of ``BINS`` equal-width bins of confidence, in ascending order.

    Args:
        probabilities: (texts, labels).
        labels: (texts,) indices of the true labels.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    chosen = [bins == index for index in np.unique(bins)]
    return [ConfidenceBin(float(confidence[c].mean()), float(right[c].mean()), int(c.sum())) for c in chosen]


def expected_calibration_error(probabilities: NDArray[np.float64], labels: Labels) -> float:
    """Return the mean gap between confidence and accuracy over the bins, weighted by texts; 0 to 1."""
    filled = reliability(probabilities, labels)
    return float(sum(abs(part.confidence - part.accuracy) * (part.n / len(labels)) for part in filled))
