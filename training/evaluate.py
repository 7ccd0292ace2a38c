"""How good a checkpoint is on labelled text, in torch.

    python -m training.evaluate checkpoints/default --data sst2/validation.parquet,split=validation

Owns the figures that ``metrics.json`` holds: accuracy, macro F1 and expected calibration error. Knows nothing of
training. The last line it prints is JSON.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers

from server.artifact import Truncation
from server.tokenization import Tokenization
from training.data import Example
from training.tokens import PaddedBatch, tokenized

BINS: Final = 15
_BATCH_TOKENS: Final = 8192


def predict(
    model: transformers.PreTrainedModel,
    tokenization: Tokenization,
    truncation: Truncation,
    examples: Sequence[Example],
    *,
    precision: str = "bf16",
    on_batch: Callable[[int], object] = lambda done: None,
) -> np.ndarray:
    """Return the logits of the examples: (texts, labels) float32, in their order.

    Args:
        model: moved nowhere; its device computes.
        tokenization: cuts the texts.
        truncation: how long texts are cut; ``window`` reads the head alone here.
        examples: texts and labels.
        precision: ``bf16`` autocast or ``fp32``.
        on_batch: called with the number of texts behind each batch.
    """
    model.eval()
    device = next(model.parameters()).device
    rows = tokenized(examples, tokenization, truncation)
    collate = PaddedBatch(model.config.pad_token_id or 0)
    lengths = [len(ids) for ids in rows["input_ids"]]
    order = sorted(range(len(rows)), key=lengths.__getitem__, reverse=True)
    logits = np.empty((len(rows), model.config.num_labels), np.float32)
    start = 0
    while start < len(order):
        chosen = order[start : start + max(1, _BATCH_TOKENS // lengths[order[start]])]
        batch = collate([rows[index] for index in chosen])
        del batch["labels"]
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            output = model(**{name: tensor.to(device) for name, tensor in batch.items()})
        logits[chosen] = output.logits.float().cpu().numpy()
        start += len(chosen)
        on_batch(len(chosen))
    return logits


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (texts, labels) float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def figures(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
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
        "macro_f1": macro_f1(predicted, labels, logits.shape[1]),
        "log_loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean()),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
    }


def macro_f1(predicted: np.ndarray, labels: np.ndarray, count: int) -> float:
    """Return the mean over labels of F1; a label neither predicted nor present counts as 0."""
    scores = []
    for label in range(count):
        hits = int(((predicted == label) & (labels == label)).sum())
        total = int((predicted == label).sum() + (labels == label).sum())
        scores.append(2 * hits / total if total else 0.0)
    return float(np.mean(scores))


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Return the mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[places == place].mean() - confidence[places == place].mean()) * (places == place).mean()
        for place in np.unique(places)
    ]
    return float(sum(gaps))


def evaluations(logits: np.ndarray, examples: Sequence[Example], split: str, **context: str) -> list[dict[str, Any]]:
    """Return one entry for ``metrics.json`` per source of the examples."""
    result = []
    for source in dict.fromkeys(example.source for example in examples):
        chosen = [index for index, example in enumerate(examples) if example.source == source]
        labels = np.array([examples[index].label for index in chosen])
        result.append({"dataset": source, "split": split, **figures(logits[chosen], labels), **context})
    return result


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document for people and programs."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
