"""Quality: accuracy and changes of one graph, on held-out texts that it was not calibrated on."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.cpu import usable_cores
from artifact.runtime import Batch, Engine
from artifact.scores import accuracy, expected_calibration_error, fit_temperature, softmax
from export.samples import Ids

BATCH: Final = 8
"""Texts in a batch when batch variance is measured."""
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Quality:
    """A graph compared with the labels and with the fp32 graph.

    Attributes:
        n: texts.
        accuracy: share of right labels; None where the texts have no labels.
        calibration_error: expected calibration error after temperature scaling; None as above.
        temperature: fitted to the logits and labels; 1 without labels.
        largest_change: of a probability against fp32, both uncalibrated.
        mean_change: mean over texts of the largest change of a probability against fp32.
        flipped: share of texts whose label differs from that of fp32.
    """

    n: int
    accuracy: float | None
    calibration_error: float | None
    temperature: float
    largest_change: float
    mean_change: float
    flipped: float


def logits_alone(
    engine: Engine, rows: Sequence[Ids], pad_token_id: int, tick: Callable[[], None] = lambda: None
) -> NDArray[np.float32]:
    """Run every text alone, on all cores; return the logits, (texts, labels) float32."""
    results = []
    with ThreadPoolExecutor(len(usable_cores())) as pool:
        for logits in pool.map(lambda row: engine.run(Batch.of([row], pad_token_id)), rows):
            results.append(logits)
            tick()
    return np.concatenate(results)


def probability_changes(logits: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each text's largest change of a probability, (texts,), between two sets of logits, (texts, labels)."""
    result: NDArray[np.float64] = np.abs(softmax(logits) - softmax(others)).max(axis=1)
    return result


def quality(logits: NDArray[np.float32], reference: NDArray[np.float32], labels: NDArray[np.int64] | None) -> Quality:
    """Compare logits with the labels, where there are any, and with the logits of fp32.

    Args:
        logits: (texts, labels) float32.
        reference: of the fp32 graph, (texts, labels) float32.
        labels: (texts,) int64, the true ones; None where they are not known.
    """
    changes = probability_changes(logits, reference)
    temperature = 1.0 if labels is None else fit_temperature(logits, labels)
    return Quality(
        n=len(logits),
        accuracy=None if labels is None else accuracy(logits, labels),
        calibration_error=None if labels is None else expected_calibration_error(softmax(logits, temperature), labels),
        temperature=temperature,
        largest_change=float(changes.max()),
        mean_change=float(changes.mean()),
        flipped=float((logits.argmax(axis=1) != reference.argmax(axis=1)).mean()),
    )


def batch_variance(
    engine: Engine,
    rows: Sequence[Ids],
    pad_token_id: int,
    *,
    rounds: int,
    max_length: int,
    tick: Callable[[], None] = lambda: None,
) -> float:
    """Return the largest change of a probability between a text alone and in a batch.

    Every round deals all texts at random into batches of ``BATCH``, so that each text is in ``rounds`` batches. Every
    second round pads further than the longest text needs.
    """
    alone = logits_alone(engine, rows, pad_token_id)
    draw = np.random.default_rng(_SEED)
    batches = []
    for number in range(rounds):
        order = draw.permutation(len(rows))
        for start in range(0, len(rows), BATCH):
            members = order[start : start + BATCH]
            longest = max(len(rows[index]) for index in members)
            batches.append((members, min(max_length, longest + int(draw.integers(1, 9)) * (number % 2))))

    def change(batch: tuple[NDArray[np.int64], int]) -> float:
        members, width = batch
        together = engine.run(Batch.of([rows[index] for index in members], pad_token_id, least_tokens=width))
        return float(probability_changes(together, alone[members]).max())

    changes = []
    with ThreadPoolExecutor(len(usable_cores())) as pool:
        for found in pool.map(change, batches):
            changes.append(found)
            tick()
    return float(np.max(changes))
