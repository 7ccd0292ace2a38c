"""Rows of several sources -> a checked, split corpus.

Owns the meaning of labels, what makes data unfit, duplicates, the validation split and the weights of sources.
Everything that is wrong is found here, before any time is spent on a model. Knows no tokens.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from training.sources import DataError, Row, Source, read_source

_NESTED_WORDS: Final = 4  # shorter texts turn up inside others by chance


@dataclass(frozen=True, slots=True)
class Example:
    """A text with the index of its label and the name of its source."""

    text: str
    label: int
    source: str


@dataclass(slots=True)
class Corpus:
    """What a run is trained and validated on.

    Attributes:
        labels: names, in the order of the indices.
        train: rows to learn from, before the weights of their sources.
        validation: rows held out.
        rows: rows read per source.
        duplicates: rows left out because an earlier row has the very text.
        conflicts: those of them that had another label.
        nested: training rows left out because they are a part of a held-out row or hold one.
    """

    labels: list[str]
    train: list[Example] = field(default_factory=list)
    validation: list[Example] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    conflicts: int = 0
    nested: int = 0


def load_corpus(sources: Sequence[Source], labels: Sequence[str] | None, seed: int) -> Corpus:
    """Read, check and split the sources.

    Args:
        sources: where the rows are.
        labels: names in order; by default the hub's, or the sorted ones that occur.
        seed: of the split.

    Raises:
        DataError: if a source can not be read, a text is empty, a label unknown, or a label never occurs.
    """
    loaded = [(source, *read_source(source)) for source in sources]
    names = list(labels or ()) or _names([names for _, _, names in loaded], [rows for _, rows, _ in loaded])
    corpus = Corpus(names)
    seen: dict[str, int] = {}
    for source, rows, _ in loaded:
        corpus.rows[source.name] = len(rows)
        examples = [_example(row, names, source) for row in rows]
        fresh = [example for example in examples if _is_new(example, seen, corpus)]
        train, held_out = split(fresh, source.held_out, seed)
        corpus.train += train
        corpus.validation += held_out
    _drop_nested(corpus)
    _need_every_label(corpus)
    return corpus


def weighted(examples: Sequence[Example], sources: Sequence[Source], seed: int) -> list[Example]:
    """Repeat rows by their source's weight; what a fraction keeps is drawn with the seed."""
    draw = random.Random(seed)  # noqa: S311 - sampling, not cryptography
    weights = {source.name: source.weight for source in sources}
    grouped: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        grouped[example.source].append(example)
    result = []
    for name, rows in grouped.items():
        whole, share = divmod(weights[name], 1)
        result += rows * int(whole) + draw.sample(rows, round(len(rows) * share))
    return result


def split(examples: Sequence[Example], held_out: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Split off ``held_out`` rows (a share if below 1), stratified by label; both parts keep their order."""
    wanted = held_out * len(examples) if held_out < 1 else min(held_out, len(examples) // 2)
    draw = random.Random(seed)  # noqa: S311 - sampling, not cryptography
    by_label: dict[int, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        by_label[example.label].append(index)
    chosen: set[int] = set()
    for label in sorted(by_label):
        share = wanted * len(by_label[label]) / len(examples)
        chosen.update(draw.sample(by_label[label], round(share)))
    kept = [example for index, example in enumerate(examples) if index not in chosen]
    return kept, [examples[index] for index in sorted(chosen)]


def _names(declared: Iterable[list[str] | None], tables: Iterable[list[Row]]) -> list[str]:
    for names in declared:
        if names:
            return names
    found = {label for rows in tables for _, _, label in rows if label is not None}
    if all(isinstance(label, int) for label in found):
        return [str(index) for index in range(max(found, default=-1) + 1)]
    return sorted(str(label) for label in found)


def _example(row: Row, labels: Sequence[str], source: Source) -> Example:
    where, text, label = row
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: the text is {'empty' if text in (None, '') else repr(text)}")
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(labels):
        return Example(text, label, source.name)
    if str(label) in labels:
        return Example(text, labels.index(str(label)), source.name)
    raise DataError(f"{where}: the label {label!r} is not one of {', '.join(labels)}")


def _is_new(example: Example, seen: dict[str, int], corpus: Corpus) -> bool:
    if example.text not in seen:
        seen[example.text] = example.label
        return True
    corpus.duplicates += 1
    corpus.conflicts += seen[example.text] != example.label
    return False


def _drop_nested(corpus: Corpus) -> None:
    """Leave out training rows that are a part of a held-out row, or hold one.

    SST-2 lists sentences together with their phrases: without this the validation figure would be that of
    sentences seen in training, and the temperature fitted on it too sharp.
    """
    held_out = [tuple(example.text.lower().split()) for example in corpus.validation]
    train = [tuple(example.text.lower().split()) for example in corpus.train]
    leaking = _holding(train, held_out) | _parts(train, held_out)
    corpus.nested = len(leaking)
    corpus.train = [example for index, example in enumerate(corpus.train) if index not in leaking]


def _holding(wholes: Sequence[tuple[str, ...]], parts: Sequence[tuple[str, ...]]) -> set[int]:
    """Return which wholes hold one of the parts as a run of words."""
    starts = _by_start(parts)
    return {index for index, whole in enumerate(wholes) if next(_found(whole, starts, parts), None) is not None}


def _parts(parts: Sequence[tuple[str, ...]], wholes: Sequence[tuple[str, ...]]) -> set[int]:
    """Return which parts stand in one of the wholes as a run of words."""
    starts = _by_start(parts)
    return {index for whole in wholes for index in _found(whole, starts, parts)}


def _by_start(rows: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], list[int]]:
    starts: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, words in enumerate(rows):
        if len(words) >= _NESTED_WORDS:
            starts[words[:_NESTED_WORDS]].append(index)
    return starts


def _found(
    whole: tuple[str, ...], starts: dict[tuple[str, ...], list[int]], parts: Sequence[tuple[str, ...]]
) -> Iterator[int]:
    for place in range(len(whole) - _NESTED_WORDS + 1):
        for index in starts.get(whole[place : place + _NESTED_WORDS], ()):
            if whole[place : place + len(parts[index])] == parts[index]:
                yield index


def _need_every_label(corpus: Corpus) -> None:
    counts = Counter(example.label for example in corpus.train)
    if len(corpus.labels) < 2 or len(counts) < 2:  # noqa: PLR2004 - a choice needs two
        only = corpus.labels[next(iter(counts))] if counts else "none"
        raise DataError(f"a classifier needs at least two labels, the data has {only} alone")
    missing = [name for index, name in enumerate(corpus.labels) if not counts[index]]
    if missing:
        raise DataError(f"no training row has the label {', '.join(missing)}")
