"""Where a classifier is right and wrong: by label, by confidence, by length, and its worst errors.

Owns the numbers of the report. Knows neither plots nor files.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artifact.scores import confusion, reliability, softmax
from training.data.training_data import Example

_EDGES: Final = (16, 32, 64, 128, 256, 512)
"""Largest number of tokens of each bucket of length."""

_WORST: Final = 25


def analyse(
    logits: NDArray[np.float32], examples: Sequence[Example], tokens: Sequence[int], labels: Sequence[str]
) -> dict[str, Any]:
    """Return confusion, reliability, accuracy by length and the worst errors, ready for JSON.

    Args:
        logits: (texts, labels).
        examples: the texts and their labels.
        tokens: length of each text before truncation, with special tokens.
        labels: names in order.
    """
    truth = np.array([example.label for example in examples])
    probabilities = softmax(logits)
    predicted = probabilities.argmax(axis=1)
    return {
        "labels": list(labels),
        "confusion": confusion(predicted, truth, len(labels)).tolist(),
        "reliability": [asdict(part) for part in reliability(probabilities, truth)],
        "accuracy_by_length": by_length(predicted == truth, np.asarray(tokens)),
        "worst_errors": _worst_errors(probabilities, predicted, examples, labels),
    }


def by_length(right: NDArray[np.bool_], tokens: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return accuracy and number of texts of each bucket of length that has texts.

    Args:
        right: (texts,) whether the prediction is the label.
        tokens: (texts,) length before truncation.
    """
    places = np.searchsorted(_EDGES, tokens)  # a text as long as an edge belongs to the bucket below it
    buckets = []
    for place in np.unique(places):
        chosen = places == place
        first = _EDGES[place - 1] + 1 if place else 1
        name = f"{first}-{_EDGES[place]}" if place < len(_EDGES) else f"over {_EDGES[-1]}"
        buckets.append({"tokens": name, "accuracy": float(right[chosen].mean()), "n": int(chosen.sum())})
    return buckets


def _worst_errors(
    probabilities: NDArray[np.float64],
    predicted: NDArray[np.int64],
    examples: Sequence[Example],
    labels: Sequence[str],
) -> list[dict[str, Any]]:
    wrong = [index for index, example in enumerate(examples) if predicted[index] != example.label]
    wrong.sort(key=lambda index: probabilities[index, examples[index].label])
    return [
        {
            "text": examples[index].text,
            "source": examples[index].source,
            "label": labels[examples[index].label],
            "predicted": labels[predicted[index]],
            "probability": float(probabilities[index, predicted[index]]),
        }
        for index in wrong[:_WORST]
    ]
