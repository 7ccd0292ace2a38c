"""Breakdown: where a classifier is right and where not: label by label, by length, by kind of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from artifact.scores import confusion

_ENDS: Final = (16, 32, 64, 128)
"""Upper ends of the token-length buckets; the last one holds all longer texts."""
_LENGTHS: Final = (*(f"up to {end} tokens" for end in _ENDS), f"over {_ENDS[-1]} tokens")


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the texts: what they have in common, how many they are, the share that is right."""

    name: str
    n: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Figures of the parts of one split.

    Attributes:
        confusion: texts by true label, then by predicted label.
        by_tokens: parts by length.
        by_kind: parts by the texts' own grouping; empty where there is one group only.
    """

    confusion: tuple[tuple[int, ...], ...]
    by_tokens: tuple[Part, ...]
    by_kind: tuple[Part, ...]

    @classmethod
    def of(
        cls,
        truth: NDArray[np.int64],
        predicted: NDArray[np.int64],
        tokens: NDArray[np.int64],
        kinds: Sequence[str],
        labels: int,
    ) -> Self:
        """Break down predictions: all arrays (texts,), ``kinds`` a name per text, ``labels`` their number."""
        right = predicted == truth
        lengths = [_LENGTHS[place] for place in np.searchsorted(_ENDS, tokens)]
        several = len(set(kinds)) > 1
        return cls(
            tuple(tuple(row) for row in confusion(predicted, truth, labels).tolist()),
            _parts(right, lengths, _LENGTHS),
            _parts(right, kinds, list(dict.fromkeys(kinds))) if several else (),
        )

    def markdown(self, labels: Sequence[str]) -> list[str]:
        """Return tables for the card."""
        truth = [
            f"| {name} | {' | '.join(f'{count:,}' for count in row)} |"
            for name, row in zip(labels, self.confusion, strict=True)
        ]
        parts = [f"| {part.name} | {part.n:,} | {part.accuracy:.1%} |" for part in (*self.by_tokens, *self.by_kind)]
        return [
            f"| truth | {' | '.join(f'taken for {name}' for name in labels)} |",
            f"| --- |{' --- |' * len(labels)}",
            *truth,
            "",
            "| part | n | accuracy |",
            "| --- | --- | --- |",
            *parts,
        ]


def _parts(right: NDArray[np.bool_], names: Sequence[str], order: Sequence[str]) -> tuple[Part, ...]:
    inside = {name: right[np.array(names) == name] for name in order}
    return tuple(Part(name, len(part), float(part.mean())) for name, part in inside.items() if len(part))
