"""Breakdown: accuracy by label, by length and by kind of text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from artifact.scores import confusion
from export.write.table import Columns, markdown

_ENDS: Final = (16, 32, 64, 128)
"""Upper ends of the token-length buckets; the last one holds all longer texts."""
_LENGTHS: Final = (*(f"up to {end} tokens" for end in _ENDS), f"over {_ENDS[-1]} tokens")


@dataclass(frozen=True, slots=True)
class Subset:
    """Some of the texts of a split.

    Attributes:
        name: what they have in common.
        n: texts.
        accuracy: share of right labels.
    """

    name: str
    n: int
    accuracy: float


_SUBSETS: Final[Columns[Subset]] = (
    ("part", lambda subset: subset.name),
    ("n", lambda subset: f"{subset.n:,}"),
    ("accuracy", lambda subset: f"{subset.accuracy:.1%}"),
)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Figures of one split by label and by subset.

    Attributes:
        confusion: number of texts by true label, then by predicted label.
        by_tokens: subsets by length.
        by_kind: subsets by group; empty where there is one group only.
    """

    confusion: tuple[tuple[int, ...], ...]
    by_tokens: tuple[Subset, ...]
    by_kind: tuple[Subset, ...]

    @classmethod
    def of(
        cls,
        truth: NDArray[np.int64],
        predicted: NDArray[np.int64],
        tokens: NDArray[np.int64],
        kinds: Sequence[str],
        labels: int,
    ) -> Self:
        """Break down predictions.

        Args:
            truth: (texts,) true labels.
            predicted: (texts,) predicted labels.
            tokens: (texts,) lengths.
            kinds: the group of each text.
            labels: number of labels.
        """
        right = predicted == truth
        by_tokens, by_kind = (
            tuple(Subset(name, int(chosen.sum()), float(right[chosen].mean())) for name, chosen in part.items())
            for part in (_by_tokens(tokens), _by_kind(kinds))
        )
        return cls(tuple(tuple(row) for row in confusion(predicted, truth, labels).tolist()), by_tokens, by_kind)

    def markdown(self, labels: Sequence[str]) -> list[str]:
        """Return the lines of tables for the card."""
        truth: Columns[tuple[str, tuple[int, ...]]] = (
            ("truth", itemgetter(0)),
            *((f"taken for {name}", _count(index)) for index, name in enumerate(labels)),
        )
        confusion_table = markdown(truth, zip(labels, self.confusion, strict=True))
        return [*confusion_table, "", *markdown(_SUBSETS, (*self.by_tokens, *self.by_kind))]


def _count(index: int) -> Callable[[tuple[str, tuple[int, ...]]], str]:
    return lambda row: f"{row[1][index]:,}"


def subsets_of(tokens: NDArray[np.int64], kinds: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Return which texts, (texts,), each subset holds: the ranges of lengths, then the kinds where there are several.

    Args:
        tokens: (texts,) lengths.
        kinds: the group of each text.
    """
    return _by_tokens(tokens) | _by_kind(kinds)


def _by_tokens(tokens: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    places = np.searchsorted(_ENDS, tokens)
    return {_LENGTHS[place]: places == place for place in np.unique(places)}


def _by_kind(kinds: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    names = list(dict.fromkeys(kinds))
    return {name: np.array([kind == name for kind in kinds]) for name in names} if len(names) > 1 else {}
