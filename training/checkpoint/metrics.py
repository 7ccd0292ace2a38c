"""The figures in ``metrics.json``, per source.

Single-label: accuracy, macro F1, log loss and calibration error. Other problems have those of ``artifact.figures``,
with thresholds of 0.5, and their own loss as ``log_loss``: binary cross entropy, or the mean squared error of values.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifact import scores
from artifact.figures import NAMES, show_figure
from artifact.figures import figures as measure
from training.data.targets import Example, truth_of


def figures(logits: scores.Logits, labels: NDArray[Any], problem: scores.Problem = "single_label") -> dict[str, float]:
    """Return n and the figures of a problem.

    Args:
        logits: (texts, labels) float32.
        labels: the true answers, as in ``artifact.figures``.
        problem: of the head.
    """
    if problem != "single_label":
        return _other_figures(np.asarray(logits, np.float64), labels, problem)
    probabilities = scores.softmax(logits)
    table = scores.confusion(probabilities.argmax(axis=1), labels, logits.shape[1])
    return {
        "n": len(labels),
        "accuracy": scores.accuracy(probabilities, labels),
        "macro_f1": macro_f1(table),
        "log_loss": scores.log_loss(probabilities, labels),
        "expected_calibration_error": scores.expected_calibration_error(probabilities, labels),
    }


def head_of(problem: scores.Problem, count: int) -> scores.Head:
    """Return the head that a run is measured with: thresholds of 0.5, and the logit itself as a value."""
    names = tuple(map(str, range(count)))
    if problem == "multi_label":
        return scores.Head(names, problem=problem, thresholds=(0.5,) * count, activation="sigmoid")
    return scores.Head(names, problem=problem, activation="identity" if problem == "regression" else "softmax")


def _other_figures(logits: NDArray[np.float64], labels: NDArray[Any], problem: scores.Problem) -> dict[str, float]:
    head = head_of(problem, logits.shape[1])
    if problem == "regression":
        found = measure(head, logits, labels)
        return {"n": len(labels), **found, "log_loss": found["rmse"] ** 2}
    truth = labels.astype(np.bool_)
    loss = np.logaddexp(0.0, np.where(truth, -logits, logits)).mean()
    return {"n": len(labels), **measure(head, head.table(logits), truth), "log_loss": float(loss)}


def macro_f1(table: NDArray[np.int64]) -> float:
    """Return the mean F1 of the labels of a confusion table that occur or are predicted, as scikit-learn does."""
    total = table.sum(axis=0) + table.sum(axis=1)
    there = total > 0
    return float(np.mean(2 * np.diag(table)[there] / total[there]))


def evaluations(
    logits: scores.Logits,
    examples: Sequence[Example],
    split: str | None = None,
    *,
    problem: scores.Problem = "single_label",
    **context: str,
) -> list[dict[str, Any]]:
    """Return one entry for ``metrics.json`` per source of the examples.

    Args:
        logits: (texts, labels), in the order of the examples.
        examples: texts with their labels.
        split: the part of their source that the examples are.
        problem: of the head.
        **context: further fields of each entry.
    """
    result = []
    for source in dict.fromkeys(example.source for example in examples):
        chosen = [index for index, example in enumerate(examples) if example.source == source]
        labels = truth_of([examples[index] for index in chosen], problem, logits.shape[1])
        result.append({"dataset": source, "split": split, **figures(logits[chosen], labels, problem), **context})
    return result


def describe(entry: dict[str, Any]) -> str:
    """Return an evaluation as a line for people."""
    if "accuracy" not in entry:
        named = ", ".join(f"{NAMES[name]} {show_figure(name, entry[name])}" for name in NAMES if name in entry)
        return f"{entry['dataset']} ({entry['split']}, {entry['n']} texts): {named}"
    return (
        f"{entry['dataset']} ({entry['split']}, {entry['n']} texts): accuracy {100 * entry['accuracy']:.2f} %, "
        f"macro F1 {100 * entry['macro_f1']:.2f} %, "
        f"calibration error {100 * entry['expected_calibration_error']:.2f} %"
    )


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document that people and programs read."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
