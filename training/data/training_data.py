"""Rows of several sources -> a checked, split data.

Owns the meaning of labels, what makes data unfit, duplicates, the validation split and the weights of sources.
Everything that is wrong is found here, before any time is spent on a model. Knows no tokens.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from training.data.overlap import fragments, nested
from training.data.sources import Source, read_source
from training.reading import DataError, TextTable, label_names, match_labels


@dataclass(frozen=True, slots=True)
class Example:
    """A text with the index of its label, the name of its source and the label's probability."""

    text: str
    label: int
    source: str
    confidence: float = 1.0


@dataclass(slots=True)
class TrainingData:
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


def load_training_data(
    sources: Sequence[Source],
    labels: Sequence[str] | None,
    seed: int,
    validation: Sequence[Source] = (),
) -> TrainingData:
    """Read, check and split the sources.

    Args:
        sources: rows to learn from; ``held_out`` of them go to validation.
        labels: names in order; by default the data's own, or the sorted ones that occur.
        seed: of the split.
        validation: rows that are held out whole.

    Raises:
        DataError: if a source can not be read, a text is empty, a label unknown or never seen, nothing is held
            out, or two sources have one name.
    """
    _need_names([*sources, *validation])
    tables = [read_source(source) for source in sources]
    names = list(labels or ()) or label_names(tables)
    data = TrainingData(names)
    seen: dict[str, int] = {}
    for source in validation:  # first, so that a text in both is held out and not learnt
        table = read_source(source)
        data.rows[source.name] = len(table.rows)
        data.validation += _fresh(_examples(table, names, source), seen, data)
    for source, table in zip(sources, tables, strict=True):
        data.rows[source.name] = len(table.rows)
        fresh = _fresh(_examples(table, names, source), seen, data)
        parts = fragments([example.text for example in fresh]) if source.held_out else set()
        train, held_out = split(fresh, source.held_out, seed, parts)
        data.train += train
        data.validation += held_out
    leaking = nested([example.text for example in data.train], [example.text for example in data.validation])
    data.nested = len(leaking)
    data.train = [example for index, example in enumerate(data.train) if index not in leaking]
    _need_every_label(data)
    return data


def read_examples(source: Source, labels: Sequence[str]) -> list[Example]:
    """Read a source whose labels are known, duplicates and all.

    Raises:
        DataError: if it can not be read, is empty, a text is empty or a label is not one of ``labels``.
    """
    return _examples(read_source(source), labels, source)


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


def spread(examples: Sequence[Example], limit: int) -> list[Example]:
    """Return ``limit`` examples at most, evenly spread; files are often sorted by label."""
    step = max(1, len(examples) / limit)
    return [examples[int(index * step)] for index in range(min(limit, len(examples)))]


def split(
    examples: Sequence[Example], held_out: float, seed: int, parts: Collection[int] = ()
) -> tuple[list[Example], list[Example]]:
    """Split off ``held_out`` rows (a share if below 1), stratified by label; both lists keep their order.

    Args:
        examples: rows of one source.
        held_out: a share of those that may be held out, or a number, half of them at most.
        seed: of the draw.
        parts: indices of rows that stand in other rows. They are not held out: what they would measure is how well
            those others are remembered.
    """
    draw = random.Random(seed)  # noqa: S311 - sampling, not cryptography
    by_label: dict[int, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        if index not in parts:
            by_label[example.label].append(index)
    whole = sum(map(len, by_label.values()))
    wanted = held_out * whole if held_out < 1 else min(held_out, whole // 2)
    chosen: set[int] = set()
    for label in sorted(by_label):
        share = wanted * len(by_label[label]) / whole
        chosen.update(draw.sample(by_label[label], round(share)))
    kept = [example for index, example in enumerate(examples) if index not in chosen]
    return kept, [examples[index] for index in sorted(chosen)]


def _need_names(sources: Sequence[Source]) -> None:
    counts = Counter(source.name for source in sources)
    double = [name for name, count in counts.items() if count > 1]
    if double:
        raise DataError(f"two sources are called {double[0]!r}; tell them apart with name=…")


def _examples(table: TextTable, labels: Sequence[str], source: Source) -> list[Example]:
    indices = match_labels(table, labels)
    return [
        Example(row.text, index, source.name, row.confidence) for row, index in zip(table.rows, indices, strict=True)
    ]


def _fresh(examples: Iterable[Example], seen: dict[str, int], data: TrainingData) -> list[Example]:
    """Leave out texts that were seen before, and count them."""
    fresh = []
    for example in examples:
        if example.text not in seen:
            seen[example.text] = example.label
            fresh.append(example)
        else:
            data.duplicates += 1
            data.conflicts += seen[example.text] != example.label
    return fresh


def _need_every_label(data: TrainingData) -> None:
    if not data.validation:
        raise DataError("no row is held out; give held_out=… above 0 to a --data source, or --validation")
    counts = Counter(example.label for example in data.train)
    if len(data.labels) < 2 or len(counts) < 2:  # noqa: PLR2004 - a choice needs two
        only = data.labels[next(iter(counts), 0)]
        raise DataError(f"a classifier needs at least two labels, the rows to learn from have {only!r} alone")
    missing = [name for index, name in enumerate(data.labels) if not counts[index]]
    if missing:
        raise DataError(f"no training row has the label {', '.join(missing)}")
