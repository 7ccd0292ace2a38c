"""Probability: calibrated softmax, the temperature that calibrates it, and how far off it is."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
"""Equal-width bins of the expected calibration error (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""
_WIDEST: Final = 20.0
_STEPS: Final = 60
"""Golden sections: each keeps 0.618 of the interval."""

Floats = NDArray[np.float32] | NDArray[np.float64]


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities, (batch, labels) float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Return the temperature that minimizes the negative log-likelihood (Guo et al. 2017, section 4.2)."""

    def loss(log_temperature: float) -> float:
        chosen = softmax(logits, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    low, high = -float(np.log(_WIDEST)), float(np.log(_WIDEST))
    golden = (5**0.5 - 1) / 2  # the loss has one minimum in the logarithm of the temperature
    for _ in range(_STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def expected_calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean gap of confidence and accuracy over ``BINS`` bins, weighted by texts; 0 to 1."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(confidence[bins == index].mean() - right[bins == index].mean()) * (bins == index).mean()
        for index in np.unique(bins)
    ]
    return float(sum(gaps))


def accuracy(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Return the share of texts whose most probable label is right."""
    return float((logits.argmax(axis=1) == labels).mean())
