"""The figures in ``metrics.json``: accuracy, macro F1, log loss and calibration error per source."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact import scores
from training.data.training_data import Example


def figures(logits: scores.Logits, labels: scores.Labels) -> dict[str, float]:
    """Return n, accuracy, macro F1, log loss and expected calibration error.

    Args:
        logits: (texts, labels) float32.
        labels: (texts,) indices.
    """
    probabilities = scores.softmax(logits)
    table = scores.confusion(probabilities.argmax(axis=1), labels, logits.shape[1])
    return {
        "n": len(labels),
        "accuracy": scores.accuracy(probabilities, labels),
        "macro_f1": macro_f1(table),
        "log_loss": scores.log_loss(probabilities, labels),
        "expected_calibration_error": scores.expected_calibration_error(probabilities, labels),
    }


def macro_f1(table: NDArray[np.int64]) -> float:
    """Return the mean F1 of the labels of a confusion table that occur or are predicted, as scikit-learn does."""
    total = table.sum(axis=0) + table.sum(axis=1)
    there = total > 0
    return float(np.mean(2 * np.diag(table)[there] / total[there]))


def evaluations(
    logits: scores.Logits, examples: Sequence[Example], split: str | None = None, **context: str
) -> list[dict[str, Any]]:
    """Return one entry for ``metrics.json`` per source of the examples.

    Args:
        logits: (texts, labels), in the order of the examples.
        examples: texts with their labels.
        split: the part of their source that the examples are.
        **context: further fields of each entry.
    """
    result = []
    for source in dict.fromkeys(example.source for example in examples):
        chosen = [index for index, example in enumerate(examples) if example.source == source]
        labels = np.array([examples[index].label for index in chosen])
        result.append({"dataset": source, "split": split, **figures(logits[chosen], labels), **context})
    return result


def describe(entry: dict[str, Any]) -> str:
    """Return an evaluation as a line for people."""
    return (
        f"{entry['dataset']} ({entry['split']}, {entry['n']} texts): accuracy {100 * entry['accuracy']:.2f} %, "
        f"macro F1 {100 * entry['macro_f1']:.2f} %, "
        f"calibration error {100 * entry['expected_calibration_error']:.2f} %"
    )


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document that people and programs read."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
