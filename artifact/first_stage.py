"""The first stage: a linear model over n-grams of token ids that answers easy texts without the graph.

It and the graph are a cascade of complete models (Li et al. 2021, "CascadeBERT"): the first stage answers where its
confidence is at least a threshold that was fitted on held-out texts, by length, and leaves all others to the graph.
Whether it answers depends on the text alone. Its sums are integers, so every CPU gives the same logits.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from artifact.manifest import FIRST_STAGE, Artifact, ArtifactError
from artifact.parts import FirstStageModel
from artifact.rows import Row
from artifact.scores import Head
from artifact.tokenization import TokenizedText

_SPREAD: Final = (np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D))
"""Odd numbers that spread ids over 32 bits: primes of xxHash32, https://github.com/Cyan4973/xxHash."""


class FirstStage:
    """A linear model over hashed n-grams; safe to call from several threads.

    Args:
        weights: (buckets, labels) int8; buckets is a power of two.
        model: scale, bias and thresholds.
        head: of the artifact, single-label or multi-label; it turns these logits into scores as it does the graph's.

    Attributes:
        model: as above.
    """

    def __init__(self, weights: NDArray[np.int8], model: FirstStageModel, head: Head) -> None:
        self._weights = weights
        self._bits = weights.shape[0].bit_length() - 1
        self.model = model
        self._head = head
        self._longest = [threshold.max_tokens for threshold in model.thresholds]
        self._graph_tokens = frozenset(model.graph_tokens)

    @classmethod
    def load(cls, artifact: Artifact) -> Self:
        """Return the first stage of a checked artifact.

        Raises:
            ArtifactError: if it has none, or one whose weights do not fit the manifest.
        """
        manifest = artifact.manifest
        if manifest.first_stage is None:
            raise ArtifactError(
                f"{artifact.directory} has no first stage; add one with python -m export.first_stage, or turn it off"
            )
        path = artifact.directory / FIRST_STAGE
        weights = _read(path)
        labels = len(manifest.labels)
        if weights.dtype != np.int8 or weights.shape[1:] != (labels,) or not _is_power(len(weights)):
            raise ArtifactError(
                f"{path} holds {weights.dtype} of shape {weights.shape}, it must be int8 of shape (a power of two, "
                f"{labels}); make it again with python -m export.first_stage"
            )
        return cls(weights, manifest.first_stage, manifest.head)

    def answer(self, text: TokenizedText) -> list[float] | None:
        """Return the logits of a text in label order, or None if the graph must answer it."""
        if len(text.windows) > 1 or text.unknown:
            return None
        row = text.windows[0]
        place = bisect_left(self._longest, len(row))
        if place == len(self._longest) or self.is_for_graph(row):
            return None
        logits = self.logits(row)
        least = self.model.thresholds[place].least_confidence
        return logits if confidence(self._head.scores(logits), self._head) >= least else None

    def is_for_graph(self, row: Row) -> bool:
        """Return whether a row is short and holds a token that can turn its meaning."""
        return len(row) <= self.model.short_tokens and not self._graph_tokens.isdisjoint(row)

    def logits(self, row: Row) -> list[float]:
        """Return the logits of a row, whether or not the first stage may answer it, in label order."""
        places = ngrams(row, self.model.orders, self._bits)
        sums = self._weights[places].sum(axis=0, dtype=np.int64).tolist()
        unit = self.model.scale / math.sqrt(len(places))
        return [bias + unit * value for bias, value in zip(self.model.bias, sums, strict=True)]


def confidence(scores: Sequence[float], head: Head) -> float:
    """Return how sure scores are: that of the most probable label, or that of the least certain of several."""
    if head.problem == "single_label":
        return max(scores)
    return min(max(score, 1 - score) for score in scores)


def ngrams(row: Row, orders: int, bits: int) -> NDArray[np.uint32]:
    """Return the buckets of all n-grams of a row.

    Args:
        row: token ids, at least one.
        orders: from single tokens up to so many in sequence.
        bits: of a bucket.

    Returns:
        one bucket per n-gram, a repeated one again, below 2 ** bits.
    """
    ids = np.array(row, np.uint32)
    shift = np.uint32(32 - bits)
    single = ids * _SPREAD[0]
    hashes, last = [single], single
    for order in range(1, min(orders, len(ids))):
        last = last[:-1] * _SPREAD[1] ^ single[order:]
        hashes.append(last * _SPREAD[2])
    return np.concatenate(hashes) >> shift


def _read(path: Path) -> NDArray[np.int8]:
    try:
        weights: NDArray[np.int8] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} can not be read: {error}; export again") from error
    return weights


def _is_power(value: int) -> bool:
    return value.bit_count() == 1
