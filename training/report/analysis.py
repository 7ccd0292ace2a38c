"""Where a classifier is right and wrong: by label, by confidence, by length, and its worst errors.

Owns the numbers of the report. Knows neither plots nor files.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artifact.figures import average_precision, f1
from artifact.scores import Problem, confusion, reliability, softmax
from training.checkpoint.metrics import head_of
from training.data.targets import Example, truth_of

_EDGES: Final = (16, 32, 64, 128, 256, 512)
"""Largest number of tokens of each bucket of length."""

_WORST: Final = 25


def analyse(
    logits: NDArray[np.float32],
    examples: Sequence[Example],
    tokens: Sequence[int],
    labels: Sequence[str],
    problem: Problem = "single_label",
) -> dict[str, Any]:
    """Return the numbers of a report, ready for JSON: figures by label or value, by length, and the worst errors.

    Args:
        logits: (texts, labels).
        examples: the texts and their labels.
        tokens: length of each text before truncation, with special tokens.
        labels: names in order.
        problem: what the model answers.
    """
    if problem == "multi_label":
        return _multi_label(logits, examples, labels)
    if problem == "regression":
        return _regression(logits, examples, labels)
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


def _multi_label(logits: NDArray[np.float32], examples: Sequence[Example], labels: Sequence[str]) -> dict[str, Any]:
    head = head_of("multi_label", len(labels))
    scores, truth = head.table(logits), truth_of(examples, "multi_label", len(labels))
    chosen = scores >= np.array(head.thresholds)
    by_label = [
        {
            "label": name,
            "n": int(truth[:, index].sum()),
            "chosen": int(chosen[:, index].sum()),
            "right": int((chosen & truth)[:, index].sum()),
            "f1": f1(chosen[:, index], truth[:, index]),
            "average_precision": average_precision(scores[:, index], truth[:, index])
            if truth[:, index].any()
            else None,
        }
        for index, name in enumerate(labels)
    ]
    surprise = np.where(truth, 1 - scores, scores).max(axis=1)
    worst = [index for index in np.argsort(-surprise)[:_WORST] if (chosen[index] != truth[index]).any()]
    errors = [
        {
            "text": _shown(examples[index]),
            "source": examples[index].source,
            "label": ", ".join(name for name, holds in zip(labels, truth[index], strict=True) if holds),
            "predicted": ", ".join(name for name, holds in zip(labels, chosen[index], strict=True) if holds),
            "probability": float(surprise[index]),
        }
        for index in worst
    ]
    return {"labels": list(labels), "by_label": by_label, "worst_errors": errors}


def _regression(logits: NDArray[np.float32], examples: Sequence[Example], labels: Sequence[str]) -> dict[str, Any]:
    values, truth = logits[:, 0].astype(np.float64), truth_of(examples, "regression", 1)
    distance = np.abs(values - truth)
    errors = [
        {
            "text": _shown(examples[index]),
            "source": examples[index].source,
            "label": f"{truth[index]:g}",
            "predicted": f"{values[index]:.3f}",
            "difference": float(distance[index]),
        }
        for index in np.argsort(-distance)[:_WORST]
    ]
    pairs = [[float(own), float(true)] for own, true in zip(values, truth, strict=True)]
    return {"labels": list(labels), "values": pairs, "worst_errors": errors}


def _shown(example: Example) -> str:
    return example.text if example.text_pair is None else f"{example.text} | {example.text_pair}"


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
            "text": _shown(examples[index]),
            "source": examples[index].source,
            "label": labels[examples[index].label],
            "predicted": labels[predicted[index]],
            "probability": float(probabilities[index, predicted[index]]),
        }
        for index in wrong[:_WORST]
    ]
