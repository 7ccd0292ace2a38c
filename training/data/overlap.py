"""Texts that share a passage: which rows to hold out, and which training rows would give them away.

SST-2 lists sentences together with their phrases. Without this, the validation figure would be that of sentences
seen in training, and the temperature fitted on it too sharp. Knows only texts.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

Words: TypeAlias = tuple[str, ...]
Starts: TypeAlias = dict[Words, dict[int, dict[Words, list[int]]]]
"""Indices of rows by their first words, their number of words and all of their words."""

_MARKS: Final = re.compile(r"^\W+|\W+$")  # the phrase "not bad" is in "It is not bad." too
_WORDS: Final = 4  # shorter texts turn up inside others by chance


def nested(train: Sequence[str], held_out: Sequence[str]) -> set[int]:
    """Return the indices of training texts that are a run of words of a held-out text, or hold one whole."""
    rows, others = _words_of(train), _words_of(held_out)
    return _holding(rows, others) | _parts(rows, others)


def fragments(texts: Sequence[str]) -> set[int]:
    """Return the indices of texts that are a run of words of another one; of equals the longest text is none."""
    rows = _words_of(texts)
    starts = _by_start(rows)
    size = [(len(words), len(text), index) for index, (words, text) in enumerate(zip(rows, texts, strict=True))]
    return {index for own, whole in enumerate(rows) for index in _found(whole, starts) if size[index] < size[own]}


def _words_of(texts: Sequence[str]) -> list[Words]:
    return [tuple(word for part in text.lower().split() if (word := _MARKS.sub("", part))) for text in texts]


def _holding(wholes: Sequence[Words], parts: Sequence[Words]) -> set[int]:
    """Return which wholes hold one of the parts as a run of words."""
    starts = _by_start(parts)
    return {index for index, whole in enumerate(wholes) if next(_found(whole, starts), None) is not None}


def _parts(parts: Sequence[Words], wholes: Sequence[Words]) -> set[int]:
    """Return which parts stand in one of the wholes as a run of words."""
    starts = _by_start(parts)
    return {index for whole in wholes for index in _found(whole, starts)}


def _by_start(rows: Sequence[Words]) -> Starts:
    """Return the rows by their first words, then their length: many may begin alike, and a look at each takes long."""
    starts: Starts = {}
    for index, words in enumerate(rows):
        if len(words) >= _WORDS:
            by_length = starts.setdefault(words[:_WORDS], {})
            by_length.setdefault(len(words), {}).setdefault(words, []).append(index)
    return starts


def _found(whole: Words, starts: Starts) -> Iterator[int]:
    for place in range(len(whole) - _WORDS + 1):
        for length, rows in starts.get(whole[place : place + _WORDS], {}).items():
            yield from rows.get(whole[place : place + length], ())
