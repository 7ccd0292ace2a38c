"""Thresholds: the confidence from which the first stage may answer, by length, so that few answers become wrong.

No labels are needed. Where the two stages disagree, the graph's calibrated probabilities say how much is lost: that of
its own answer less that of the first stage's. On texts that the graph was trained on it is too sure of itself, so the
loss is overstated there.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.parts import FirstStageThreshold
from artifact.scores import Head

LENGTHS: Final = (16, 32, 64, 128, 256, 512)
"""Longest rows of each bucket, in tokens; the last one of a model is its ``max_length``."""
_NEVER: Final = 2.0


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Texts that the first stage may answer, as one that did not learn from them answers.

    Attributes:
        tokens: (texts,) int64, lengths of the rows.
        confidence: (texts,) float64, of the first stage.
        loss: (texts,) float64, by how much its answer is less probable than the graph's; 0 where both are the same.
    """

    tokens: NDArray[np.int64]
    confidence: NDArray[np.float64]
    loss: NDArray[np.float64]


def losses(first: NDArray[np.float64], graph: NDArray[np.float64], head: Head) -> NDArray[np.float64]:
    """Return by how much the first stage's answers are less probable than the graph's, (texts,), 0 to 1.

    Args:
        first: (texts, labels), probabilities of the first stage.
        graph: (texts, labels), probabilities of the graph.
        head: single-label or multi-label.
    """
    if head.problem == "single_label":
        chosen = np.take_along_axis(graph, first.argmax(axis=1)[:, None], axis=1)[:, 0]
        result: NDArray[np.float64] = graph.max(axis=1) - chosen
        return result
    least = np.array(head.thresholds)
    differs = (first >= least) != (graph >= least)
    every: NDArray[np.float64] = np.minimum((differs * np.abs(2 * graph - 1)).sum(axis=1), 1.0)
    return every


def fit(texts: HeldOut, largest_loss: float, max_length: int) -> tuple[FirstStageThreshold, ...]:
    """Return a threshold for each bucket of lengths.

    It is the least confidence at which the expected number of answers that become wrong, with one standard error on
    top, is at most ``largest_loss`` of the bucket's texts. A bucket of too few texts is never answered: with a loss of
    0.1 points that is one of fewer than a thousand.

    Args:
        texts: held out.
        largest_loss: share of texts whose answer may become wrong.
        max_length: of a row, in tokens.
    """
    longest = [*(length for length in LENGTHS if length < max_length), max_length]
    return tuple(
        _threshold(texts, (texts.tokens > above) & (texts.tokens <= upto), upto, largest_loss)
        for above, upto in zip([0, *longest], longest, strict=False)
    )


def _threshold(texts: HeldOut, inside: NDArray[np.bool_], upto: int, largest_loss: float) -> FirstStageThreshold:
    confidence, loss = texts.confidence[inside], texts.loss[inside]
    order = np.argsort(-confidence, kind="stable")
    expected = np.cumsum(loss[order])
    error = np.sqrt(np.cumsum(loss[order] ** 2) + 1)  # where nothing was lost it is still one text
    allowed = np.flatnonzero(expected + error <= largest_loss * len(order))
    if not len(allowed):
        return FirstStageThreshold(max_tokens=upto, least_confidence=_NEVER, texts=len(order), answered=0)
    least = float(confidence[order[allowed[-1]]])
    answered = int((confidence >= least).sum())
    return FirstStageThreshold(max_tokens=upto, least_confidence=least, texts=len(order), answered=answered)
