"""Scores: logits -> scores and a decision, and how far off both are.

One definition for training, export, server and benchmarks. ``Head`` scores one text for the server; the functions
below it work on arrays of many texts. Calibration follows Guo et al. 2017, "On Calibration of Modern Neural Networks".
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
"""Equal-width bins of confidence for the expected calibration error."""
TEMPERATURES: Final = (0.5, 5.0)
"""Bounds of a fitted temperature. Rows that are all right would drive it to 0 and every answer to 1.000000, rows that
are all wrong to flat answers; real models have 1 to 3."""
_STEPS: Final = 60
"""Golden sections: each keeps 0.618 of the interval."""
_SMALLEST: Final = 1e-12
"""Keeps the logarithm of a probability that was rounded to 0 finite."""

Logits = NDArray[np.float32] | NDArray[np.float64]
Labels = NDArray[np.integer]
Certainty = NDArray[np.float64] | float


Problem = Literal["single_label", "multi_label", "regression"]
"""What a model answers: one of several labels, any number of labels, or a number."""

Activation = Literal["softmax", "sigmoid", "identity"]
"""How logits become scores."""


@dataclass(frozen=True, slots=True)
class Head:
    """How a model's logits become scores and a decision.

    Attributes:
        labels: names in the order of the logits; a regression has one.
        temperature: logits of a single-label model are divided by it before the softmax.
        problem: what the model answers.
        thresholds: for each label of a multi-label model the score from which it is chosen; empty for others.
        activation: softmax for single-label, sigmoid for multi-label; sigmoid or identity for a regression.
    """

    labels: tuple[str, ...]
    temperature: float = 1.0
    problem: Problem = "single_label"
    thresholds: tuple[float, ...] = ()
    activation: Activation = "softmax"

    def scores(self, logits: Sequence[float]) -> list[float]:
        """Return one text's scores in label order: calibrated probabilities, or the value of a regression.

        The same as ``table``, for one text: numpy's calls cost ten times as much as this for a few labels.
        """
        if self.activation == "softmax":
            largest = max(logits)
            powers = [math.exp((logit - largest) / self.temperature) for logit in logits]
            total = sum(powers)
            return [power / total for power in powers]
        if self.activation == "sigmoid":
            return [_sigmoid(logit) for logit in logits]
        return list(logits)

    def table(self, logits: Logits) -> NDArray[np.float64]:
        """Return the scores of many texts, (texts, labels) float64, from their logits (texts, labels)."""
        if self.activation == "softmax":
            return softmax(logits, self.temperature)
        return sigmoid(logits) if self.activation == "sigmoid" else np.asarray(logits, dtype=np.float64)

    def decision(self, scores: Sequence[float]) -> int | list[int] | None:
        """Return the index of the most probable label (of equal ones the first), or the indices of the chosen labels.

        None for a regression, which decides nothing.
        """
        if self.problem == "single_label":
            return scores.index(max(scores))
        if self.problem == "multi_label":
            return [index for index, score in enumerate(scores) if score >= self.thresholds[index]]
        return None

    def chosen(self, scores: Sequence[float]) -> list[int]:
        """Return the indices of the labels that the decision names: one, any number, or none."""
        decision = self.decision(scores)
        return [decision] if isinstance(decision, int) else decision or []


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


def sigmoid(logits: Logits) -> NDArray[np.float64]:
    """Return the logistic function of each logit, float64 in the shape of the logits."""
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(-np.abs(values))
    result: NDArray[np.float64] = np.where(values >= 0, 1.0, powers) / (1.0 + powers)
    return result


def _sigmoid(logit: float) -> float:
    power = math.exp(-abs(logit))  # of a negative number: it can not overflow
    return (1.0 if logit >= 0 else power) / (1.0 + power)


def log_loss(probabilities: NDArray[np.float64], labels: Labels, certainty: Certainty = 1.0) -> float:
    """Return the mean cross-entropy of probabilities against the true answers.

    Args:
        probabilities: (texts, labels).
        labels: (texts,) indices of the true labels.
        certainty: (texts,) probability of the true label, such as the share of raters who chose it; the other labels
            share the rest. 1 makes every label certain.
    """
    logarithms = np.log(np.maximum(probabilities, _SMALLEST))
    others = logarithms.sum(axis=1)
    true = logarithms[np.arange(len(labels)), labels]
    return float(-(certainty * true + _rest(certainty, probabilities) * (others - true)).mean())


def fit_temperature(logits: Logits, labels: Labels, certainty: Certainty = 1.0) -> float:
    """Return the temperature with the smallest log loss (Guo et al. 2017, section 4.2), within ``TEMPERATURES``.

    Args:
        logits: (texts, labels).
        labels: (texts,) indices of the true labels.
        certainty: as for ``log_loss``.
    """

    def loss(log_temperature: float) -> float:
        return log_loss(softmax(logits, float(np.exp(log_temperature))), labels, certainty)

    low, high = (float(np.log(bound)) for bound in TEMPERATURES)
    golden = (5**0.5 - 1) / 2  # the loss has one minimum in the logarithm of the temperature
    for _ in range(_STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def rightness(probabilities: NDArray[np.float64], labels: Labels, certainty: Certainty = 1.0) -> NDArray[np.float64]:
    """Return how right each answer is, (texts,): 1 or 0, or with shares the share that the answered label has.

    An answer to a text on which people are divided is then half right, whatever it is, and no coin toss.

    Args:
        probabilities: (texts, labels).
        labels: (texts,) indices of the true labels.
        certainty: (texts,) probability of the true label, as for ``log_loss``.
    """
    same = probabilities.argmax(axis=1) == labels
    return np.where(same, certainty, _rest(certainty, probabilities)).astype(np.float64)


def accuracy(logits: Logits, labels: Labels) -> float:
    """Return the share of texts whose largest logit, or probability, is the true label's."""
    return float((logits.argmax(axis=1) == labels).mean())


def confusion(predicted: Labels, labels: Labels, count: int) -> NDArray[np.int64]:
    """Return how many texts of label (row) were predicted as label (column): (count, count) int64."""
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def reliability(probabilities: NDArray[np.float64], labels: Labels, certainty: Certainty = 1.0) -> list[ConfidenceBin]:
    """Return the filled bins, of ``BINS`` equal-width bins of confidence, in ascending order.

    Args:
        probabilities: (texts, labels).
        labels: (texts,) indices of the true labels.
        certainty: (texts,) probability of the true label, as for ``log_loss``.
    """
    confidence = probabilities.max(axis=1)
    right = rightness(probabilities, labels, certainty)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    chosen = [bins == index for index in np.unique(bins)]
    return [ConfidenceBin(float(confidence[c].mean()), float(right[c].mean()), int(c.sum())) for c in chosen]


def expected_calibration_error(probabilities: NDArray[np.float64], labels: Labels, certainty: Certainty = 1.0) -> float:
    """Return the mean gap between confidence and accuracy over the bins, weighted by texts; 0 to 1.

    The arguments are those of ``reliability``.
    """
    filled = reliability(probabilities, labels, certainty)
    return float(sum(abs(part.confidence - part.accuracy) * (part.n / len(labels)) for part in filled))


def _rest(certainty: Certainty, probabilities: NDArray[np.float64]) -> Certainty:
    """Return the probability of each label that is not the true one."""
    rest: Certainty = (1.0 - certainty) / max(1, probabilities.shape[1] - 1)
    return rest
