"""Quality: figures and changes of one graph, on held-out texts that it was not calibrated on."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.cpu import usable_cores
from artifact.figures import MAIN, Truth, figures, rank_correlation
from artifact.runtime import Batch, Engine
from artifact.scores import Certainty, Head, fit_temperature
from export.samples import Ids

BATCH: Final = 8
"""Texts in a batch when batch variance is measured."""
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Quality:
    """A graph compared with the labels and with the fp32 graph.

    Attributes:
        n: texts.
        accuracy: mean of ``artifact.scores.rightness``; None where the texts have no labels, or for other heads than
            single-label.
        calibration_error: expected calibration error after temperature scaling; None as above.
        temperature: fitted to the logits and labels; 1 without labels and for other heads.
        largest_change: of a score against fp32, both uncalibrated; see ``score_changes``.
        mean_change: mean over texts of the largest change of a score against fp32.
        flipped: share of decisions that differ from those of fp32: of texts, or of texts and labels where a text may
            have several; for a regression, by how much the rank correlation with fp32 is below 1.
        figures: all figures of the problem by name; see ``artifact.figures``. Empty where the texts have no labels.
    """

    n: int
    accuracy: float | None
    calibration_error: float | None
    temperature: float
    largest_change: float
    mean_change: float
    flipped: float
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def main(self) -> float | None:
        """The figure by which graphs are compared; None where the texts have no labels."""
        return next((value for name, value in self.figures.items() if name in MAIN.values()), self.accuracy)


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


def score_changes(head: Head, logits: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each text's largest change of a score, (texts,), between two sets of logits, (texts, labels).

    The change of a value that is no probability is divided by the largest of the others where that is above 1.
    """
    result: NDArray[np.float64] = np.abs(head.table(logits) - head.table(others)).max(axis=1)
    return result / max(1.0, float(np.abs(others).max())) if head.activation == "identity" else result


def quality(
    head: Head,
    logits: NDArray[np.float32],
    reference: NDArray[np.float32],
    labels: Truth | None,
    certainty: Certainty = 1.0,
) -> Quality:
    """Compare logits with the labels, where there are any, and with the logits of fp32.

    Args:
        head: with temperature 1.
        logits: (texts, labels) float32.
        reference: of the fp32 graph, (texts, labels) float32.
        labels: the true ones; None where they are not known.
        certainty: (texts,) of single labels, see ``artifact.scores.log_loss``.
    """
    changes = score_changes(head, logits, reference)
    if labels is not None and head.problem == "single_label":
        head = replace(head, temperature=fit_temperature(logits, labels, certainty))
    found = {} if labels is None else figures(head, head.table(logits), labels, certainty)
    return Quality(
        n=len(logits),
        accuracy=found.get("accuracy"),
        calibration_error=found.get("expected_calibration_error"),
        temperature=head.temperature,
        largest_change=float(changes.max()),
        mean_change=float(changes.mean()),
        flipped=flipped(head, head.table(logits), head.table(reference)),
        figures=found,
    )


def flipped(head: Head, scores: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return how many decisions differ between two sets of scores, (texts, labels); see ``Quality``."""
    if head.problem == "single_label":
        return float((scores.argmax(axis=1) != reference.argmax(axis=1)).mean())
    if head.problem == "multi_label":
        limits = np.array(head.thresholds)
        return float(((scores >= limits) != (reference >= limits)).mean())
    if np.ptp(reference) == 0:
        return 0.0
    return max(0.0, 1 - rank_correlation(scores[:, 0], reference[:, 0]))


def batch_variance(
    head: Head,
    engine: Engine,
    rows: Sequence[Ids],
    pad_token_id: int,
    *,
    rounds: int,
    max_length: int,
    tick: Callable[[], None] = lambda: None,
) -> float:
    """Return the largest change of a score between a text alone and in a batch.

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
        return float(score_changes(head, together, alone[members]).max())

    changes = []
    with ThreadPoolExecutor(len(usable_cores())) as pool:
        for found in pool.map(change, batches):
            changes.append(found)
            tick()
    return float(np.max(changes))
