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
        lengths = [_LENGTHS[place] for place in np.searchsorted(_ENDS, tokens)]
        several = len(set(kinds)) > 1
        return cls(
            tuple(tuple(row) for row in confusion(predicted, truth, labels).tolist()),
            _subsets(right, lengths, _LENGTHS),
            _subsets(right, kinds, list(dict.fromkeys(kinds))) if several else (),
        )

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


def _subsets(right: NDArray[np.bool_], names: Sequence[str], order: Sequence[str]) -> tuple[Subset, ...]:
    inside = {name: right[np.array(names) == name] for name in order}
    return tuple(Subset(name, len(part), float(part.mean())) for name, part in inside.items() if len(part))
