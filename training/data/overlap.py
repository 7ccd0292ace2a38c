"""Texts that share a passage: rows that must not be held out, and training rows that leak a held-out row.

SST-2 lists sentences together with their phrases. Without these checks the held-out sentences would be seen in
training, the validation figures too high and the temperature too low. Knows only texts.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

Words: TypeAlias = tuple[str, ...]
Starts: TypeAlias = dict[Words, dict[int, dict[Words, list[int]]]]
"""Indices of rows by their first words, their number of words and all of their words."""

_MARKS: Final = re.compile(r"^\W+|\W+$")  # so that "not bad" is found in "It is not bad."
_WORDS: Final = 4  # shorter texts occur in others by chance


def nested(train: Sequence[str], held_out: Sequence[str]) -> set[int]:
    """Return the indices of training texts that are part of a held-out text, or contain one, in whole words."""
    rows, others = _words_of(train), _words_of(held_out)
    return _holding(rows, others) | _parts(rows, others)


def fragments(texts: Sequence[str]) -> set[int]:
    """Return the indices of texts that are part of another text; of texts with equal words the longest is not."""
    rows = _words_of(texts)
    starts = _by_start(rows)
    size = [(len(words), len(text), index) for index, (words, text) in enumerate(zip(rows, texts, strict=True))]
    return {index for own, whole in enumerate(rows) for index in _found(whole, starts) if size[index] < size[own]}


def _words_of(texts: Sequence[str]) -> list[Words]:
    return [tuple(word for part in text.lower().split() if (word := _MARKS.sub("", part))) for text in texts]


def _holding(wholes: Sequence[Words], parts: Sequence[Words]) -> set[int]:
    """Return the indices of the wholes that contain one of the parts."""
    starts = _by_start(parts)
    return {index for index, whole in enumerate(wholes) if next(_found(whole, starts), None) is not None}


def _parts(parts: Sequence[Words], wholes: Sequence[Words]) -> set[int]:
    """Return the indices of the parts that one of the wholes contains."""
    starts = _by_start(parts)
    return {index for whole in wholes for index in _found(whole, starts)}


def _by_start(rows: Sequence[Words]) -> Starts:
    """Return the rows by their first words, then by length: many rows share a start, and comparing each is slow."""
    starts: Starts = {}
    for index, words in enumerate(rows):
        if len(words) >= _WORDS:
            by_length = starts.setdefault(words[:_WORDS], {})
            by_length.setdefault(len(words), {}).setdefault(words, []).append(index)
    return starts


def _found(whole: Words, starts: Starts) -> Iterator[int]:
    for place in range(len(whole) - _WORDS + 1):
        for length, rows in starts.get(whole[place : place + _WORDS], {}).items():
            if place + length <= len(
                whole
            ):  # else the slice is copied for nothing, which a long text of one word feels
                yield from rows.get(whole[place : place + length], ())
