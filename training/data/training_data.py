"""Rows of several sources -> checked and split training data.

Owns the checks of the data as a whole, duplicates, the validation split and the weights of sources. All of it happens
before a model is loaded. Knows no tokens.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from artifact.scores import Problem
from training.data.overlap import fragments, nested
from training.data.sources import Source, read_source
from training.data.targets import Example, check_targets, examples_of, names_of
from training.reading import DataError, TextTable


@dataclass(slots=True)
class TrainingData:
    """The rows that a run is trained and validated on.

    Attributes:
        labels: names, in the order of the indices.
        train: rows to learn from, before the weights of their sources.
        validation: rows held out.
        rows: rows read per source.
        duplicates: rows left out because an earlier row has the same text.
        conflicts: duplicates that have another label than the earlier row.
        nested: training rows left out because they are part of a held-out row or contain one.
        short: rows left out because they have fewer words than their source asks for.
        mappings: for each source, which label of it was read as which of ``labels``, in words.
        problem: what the model is to answer.
    """

    labels: list[str]
    train: list[Example] = field(default_factory=list)
    validation: list[Example] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    conflicts: int = 0
    nested: int = 0
    short: int = 0
    mappings: list[str] = field(default_factory=list)
    problem: Problem = "single_label"

    @property
    def unmeasured(self) -> dict[str, int]:
        """The labels of which no row is held out, and how many rows they have; none of other problems."""
        if self.problem != "single_label":
            return {}
        held_out = {example.label for example in self.validation}
        counts = Counter(example.label for example in self.train)
        return {name: counts[index] for index, name in enumerate(self.labels) if index not in held_out}


def load_training_data(
    sources: Sequence[Source],
    labels: Sequence[str] | None,
    seed: int,
    validation: Sequence[Source] = (),
    problem: Problem = "single_label",
) -> TrainingData:
    """Read, check and split the sources.

    Args:
        sources: rows to learn from; ``held_out`` of them go to validation.
        labels: names in order; by default those that the data declares, or all that occur, sorted.
        seed: of the split.
        validation: sources that are held out entirely.
        problem: what the model is to answer.

    Raises:
        DataError: if a source cannot be read, a label is unknown or does not occur, no row is held out, or two
            sources have the same name.
    """
    _need_names([*sources, *validation])
    many = problem == "multi_label"
    tables = [read_source(source, many=many, indicators=labels or ()) for source in sources]
    names = list(labels or ()) or names_of(tables, problem)
    data = TrainingData(names, problem=problem)
    seen: dict[object, object] = {}
    for source in validation:  # first: a text in both is held out, not learnt
        data.validation += _fresh(source, read_source(source, many=many, indicators=names), seen, data)
    for source, table in zip(sources, tables, strict=True):
        fresh = _fresh(source, table, seen, data)
        parts = fragments([example.text for example in fresh]) if source.held_out and not source.text_pair else set()
        train, held_out = split(fresh, source.held_out, seed, parts)
        data.train += train
        data.validation += held_out
    single = not any(source.text_pair for source in sources)  # pairs share their first texts
    leaking = (
        set()
        if not single
        else nested([example.text for example in data.train], [example.text for example in data.validation])
    )
    data.nested = len(leaking)
    data.train = [example for index, example in enumerate(data.train) if index not in leaking]
    _need_every_label(data, asked=any(source.held_out for source in sources))
    return data


def read_examples(source: Source, labels: Sequence[str], problem: Problem = "single_label") -> list[Example]:
    """Read a source whose labels are known, with its duplicates.

    Raises:
        DataError: if it cannot be read, holds no row or a label is not one of ``labels``.
    """
    table = read_source(source, many=problem == "multi_label", indicators=labels)
    return examples_of(table, labels, source, problem)[0]


def weighted(examples: Sequence[Example], sources: Sequence[Source], seed: int) -> list[Example]:
    """Repeat rows by the weight of their source; for a fraction, rows are drawn with the seed."""
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
    """Return at most ``limit`` examples, evenly spread, because files are often sorted by label."""
    step = max(1, len(examples) / limit)
    return [examples[int(index * step)] for index in range(min(limit, len(examples)))]


def split(
    examples: Sequence[Example], held_out: float, seed: int, parts: Collection[int] = ()
) -> tuple[list[Example], list[Example]]:
    """Split off ``held_out`` rows (a share if below 1), stratified by label; both lists keep their order.

    Of each label with two rows or more, at least one is held out and one is kept, whatever the share.

    Args:
        examples: rows of one source.
        held_out: a share (below 1) or number of rows; at most half of the rows that may be held out. 0 holds out none.
        seed: of the draw.
        parts: indices of rows that are part of other rows. They are never held out: they would measure how well the
            model remembers the other rows.
    """
    draw = random.Random(seed)  # noqa: S311 - sampling, not cryptography
    by_label: dict[int, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        if index not in parts:
            by_label[example.label].append(index)
    whole = sum(map(len, by_label.values()))
    wanted = held_out * whole if held_out < 1 else min(held_out, whole // 2)
    chosen: set[int] = set()
    for label in sorted(by_label) if held_out else ():
        own = by_label[label]
        share = round(wanted * len(own) / whole)
        chosen.update(draw.sample(own, min(max(share, 1), len(own) - 1)))
    kept = [example for index, example in enumerate(examples) if index not in chosen]
    return kept, [examples[index] for index in sorted(chosen)]


def _need_names(sources: Sequence[Source]) -> None:
    counts = Counter(source.name for source in sources)
    double = [name for name, count in counts.items() if count > 1]
    if double:
        raise DataError(f"two sources are called {double[0]!r}; give one another name with name=…")


def _fresh(source: Source, table: TextTable, seen: dict[object, object], data: TrainingData) -> list[Example]:
    """Return the rows of a source, without texts that were seen before; ``data`` counts both."""
    examples, mapping = examples_of(table, data.labels, source, data.problem)
    data.rows[source.name] = len(examples)
    data.short += table.short
    data.mappings.append(mapping)
    fresh = []
    for example in examples:
        if example.content not in seen:
            seen[example.content] = example.answer
            fresh.append(example)
        else:
            data.duplicates += 1
            data.conflicts += seen[example.content] != example.answer
    return fresh


def _need_every_label(data: TrainingData, *, asked: bool) -> None:
    if not data.validation and asked:
        raise DataError(
            "no row is held out: every label has a single row, or only rows that are part of other rows; "
            "give more rows, or rows to measure on with --validation"
        )
    if not data.validation:
        raise DataError("no row is held out; give held_out=… above 0 to a --data source, or --validation")
    if data.problem != "single_label":
        check_targets(data.train, data.labels, data.problem)
        return
    counts = Counter(example.label for example in data.train)
    if len(data.labels) < 2 or len(counts) < 2:  # noqa: PLR2004 - a choice needs two
        only = data.labels[next(iter(counts), 0)]
        raise DataError(f"a classifier needs at least two labels, but the training rows have only {only!r}")
    missing = [name for index, name in enumerate(data.labels) if not counts[index]]
    if missing:
        raise DataError(f"no training row has the label {', '.join(missing)}")
