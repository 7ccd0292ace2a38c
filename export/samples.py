"""Samples: held-out texts, tokenized, in two parts that share no row; with labels where the data has them.

One part calibrates activation ranges, the other measures. Both hold every label and every source in equal shares; the
source of a row is its ``source`` column, or the name of its file. Without data, the texts that the project ships
calibrate and measure, and accuracy is not measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifact.figures import Truth
from artifact.manifest import TextOrPair
from artifact.scores import Head
from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.general_texts import general_texts
from training.reading import (
    HELD_OUT,
    DataError,
    FileSource,
    TextTable,
    describe_labels,
    describe_many,
    describe_values,
    match_indices,
    match_labels,
    match_many,
    read_values,
)

Ids = tuple[int, ...]
Target = int | tuple[int, ...] | float
"""The true answer to a text: index of its label, indices of its labels, or its value."""
_PAIR: Final = "text_pair"
"""Column of the second text of a pair, unless another one is named."""
_SEED: Final = 20240229
_LEAST: Final = 16
"""Fewest rows that calibrate and measure anything."""
_GENERAL: Final = "general"
"""The source of the texts that the project ships."""


class LabelledText(NamedTuple):
    """One row of a file.

    Attributes:
        label: the true answer; None where the file has no labels.
        group: value of the column that groups the texts, or the name of the file.
        text_pair: the second text of a pair; None for a single text.
        confidence: probability of the label, such as the share of raters who chose it.
    """

    text: str
    label: Target | None
    group: str
    text_pair: str | None = None
    confidence: float = 1.0

    @property
    def content(self) -> TextOrPair:
        """What the model reads."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)


@dataclass(frozen=True, slots=True)
class FileRows:
    """The rows of a file.

    Attributes:
        rows: in the order of the file.
        note: how its labels were read, or that it has none, in one line.
    """

    rows: list[LabelledText]
    note: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One text or pair and the row of ids that the model reads; ``label`` is None where none is known.

    ``confidence`` is the probability of the label.
    """

    text: str
    label: Target | None
    source: str
    ids: Ids
    text_pair: str | None = None
    confidence: float = 1.0

    @property
    def texts(self) -> tuple[str, ...]:
        """The text, or both texts of the pair."""
        return (self.text,) if self.text_pair is None else (self.text, self.text_pair)


@dataclass(frozen=True)
class Samples:
    """Held-out texts.

    Attributes:
        calibration: to calibrate on.
        measurement: to measure on.
        notes: what a user should know about them, a line each.
    """

    calibration: tuple[Sample, ...]
    measurement: tuple[Sample, ...]
    notes: tuple[str, ...] = ()

    def truth(self, head: Head) -> Truth | None:
        """Return the true answers to the measured texts; None where they are not known."""
        return truth(head, self.measurement)

    @property
    def certainty(self) -> NDArray[np.float64]:
        """The probabilities of the measured texts' labels, (texts,)."""
        return np.array([sample.confidence for sample in self.measurement], np.float64)

    @property
    def are_labelled(self) -> bool:
        """Whether the true answers are known."""
        return all(sample.label is not None for sample in self.measurement)

    @property
    def are_general(self) -> bool:
        """Whether these are the texts that the project ships."""
        return all(sample.source == _GENERAL for sample in self.measurement)


def load_samples(checkpoint: Checkpoint, sources: Sequence[FileSource], *, calibration: int, limit: int) -> Samples:
    """Read, tokenize and divide held-out rows.

    Args:
        checkpoint: defines how texts are read and which labels exist.
        sources: files of rows, with or without labels; where there are none, the checkpoint's own validation rows, or
            the texts that the project ships.
        calibration: most rows to calibrate on; never more than half of all.
        limit: most rows to measure on.

    Raises:
        ExportError: if a file cannot be read, a label is not the model's, only a part of the rows has labels, or there
            are too few rows.
    """
    own = checkpoint.validation_path
    if not sources and not own.is_file():
        return _general(checkpoint, calibration, limit)
    head, pairs = checkpoint.head, checkpoint.pairs
    files = [read_rows(source, head, pairs=pairs) for source in sources]
    files = files or [read_rows(FileSource(own, HELD_OUT), head, pairs=pairs, indices=True)]
    rows = [row for file in files for row in file.rows]
    if len(rows) < _LEAST:
        names = ", ".join(str(source.path) for source in sources) or own
        raise ExportError(f"{names}: {len(rows)} rows are too few to prove anything; give {_LEAST} or more")
    labelled = {row.label is not None for row in rows}
    if len(labelled) > 1:
        raise ExportError(
            f"some rows have labels and some have none ({'; '.join(file.note for file in files)}); give one kind"
        )
    first, second = _divide(rows, min(calibration, len(rows) // 2))
    wanted = (first, second[:limit])
    parts = [_tokenized(checkpoint, part) for part in wanted]
    notes = [file.note for file in files]
    if empty := sum(map(len, wanted)) - sum(map(len, parts)):
        notes.append(f"left out: {empty} texts of which the tokenizer makes no token; the server refuses such texts")
    return Samples(parts[0], parts[1], tuple(notes))


def read_rows(source: FileSource, head: Head, *, pairs: bool = False, indices: bool = False) -> FileRows:
    """Return a file's rows.

    Args:
        source: in one of the formats of ``training.reading``.
        head: of the model, whose labels and problem say what a label is.
        pairs: whether the model reads pairs; the second text is in the column ``text_pair`` unless another is named.
        indices: whether labels are indices, as training writes them, even if names of labels are numbers.

    Raises:
        ExportError: if the file cannot be read, or a label is not the model's.
    """
    names = head.labels
    columns = source.columns
    if pairs:
        columns = replace(columns, text_pair=columns.text_pair or _PAIR)
    if head.problem == "multi_label":
        columns = replace(columns, many=True, indicators=names)
    try:
        table = replace(source, columns=columns).read()
        matched, note = _matched(table, head, indices=indices)
    except DataError as error:
        raise ExportError(str(error)) from error
    if matched is None:
        matched = [None] * len(table.rows)
        note = f"{source.path}: {len(table.rows)} texts, no labels (,label=COLUMN names them); accuracy is not measured"
    return FileRows(
        [
            LabelledText(row.text, label, row.group or source.path.stem, row.text_pair, row.confidence)
            for row, label in zip(table.rows, matched, strict=True)
        ],
        note,
    )


def truth(head: Head, samples: Sequence[Sample] | Sequence[LabelledText]) -> Truth | None:
    """Return the true answers to samples in the form of ``artifact.figures``; None where one is not known."""
    labels = [sample.label for sample in samples if sample.label is not None]
    if len(labels) < len(samples):
        return None
    if head.problem == "single_label":
        return np.array(labels, np.int64)
    if head.problem == "regression":
        return np.array(labels, np.float64)
    result = np.zeros((len(labels), len(head.labels)), np.bool_)
    for row, chosen in zip(result, labels, strict=True):
        row[list(chosen if isinstance(chosen, tuple) else [])] = True
    return result


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return samples spread evenly over the lengths."""
    by_length = sorted(samples, key=lambda sample: len(sample.ids))
    places = np.linspace(0, len(by_length) - 1, min(count, len(by_length))).round().astype(int)
    return [by_length[place] for place in places]


def _matched(table: TextTable, head: Head, *, indices: bool) -> tuple[Sequence[Target | None] | None, str]:
    """Return the rows' true answers, None where no row has one, and how they were read, in one line."""
    many = head.problem == "multi_label"
    without = [row for row in table.rows if (row.labels if many else row.label) is None]
    if without and len(without) < len(table.rows):
        raise DataError(f"{table.where(without[0])} has no label, other rows have one; add it, or remove all")
    if without:
        return None, ""
    if head.problem == "regression":
        values = read_values(table)
        return values, describe_values(table, values)
    if many:
        names = list(map(str, range(len(head.labels)))) if indices else head.labels
        chosen = match_many(table, names)
        return chosen, describe_many(table, head.labels, chosen)
    matched = match_indices(table, len(head.labels)) if indices else match_labels(table, head.labels)
    return matched, describe_labels(table, head.labels, matched)


def _general(checkpoint: Checkpoint, calibration: int, limit: int) -> Samples:
    """Return the texts that the project ships; an equal share of each length where fewer are wanted."""
    parts = []
    for texts, most in zip(general_texts(), (calibration, limit), strict=True):
        step = max(1, -(-len(texts) // max(1, most)))
        chosen = texts[::step]
        seconds = [*chosen[1:], chosen[0]] if checkpoint.pairs else [None] * len(chosen)
        rows = [LabelledText(text, None, _GENERAL, second) for text, second in zip(chosen, seconds, strict=True)]
        parts.append(_tokenized(checkpoint, rows))
    note = (
        f"no data: {len(parts[0])} texts that the project ships calibrate and {len(parts[1])} others measure. Accuracy "
        "is not measured; --data with texts of your own domain would calibrate better, with labels it would be measured"
    )
    return Samples(parts[0], parts[1], (note,))


def _tokenized(checkpoint: Checkpoint, rows: Sequence[LabelledText]) -> tuple[Sample, ...]:
    truncation = "head" if checkpoint.truncation == "window" else checkpoint.truncation
    encoded = checkpoint.tokenization().encode([row.content for row in rows], truncation)
    return tuple(
        Sample(row.text, row.label, row.group, cut.windows[0], row.text_pair, row.confidence)
        for row, cut in zip(rows, encoded, strict=True)
        if not cut.is_empty  # the server refuses such a text
    )


def _divide(rows: Sequence[LabelledText], first: int) -> tuple[list[LabelledText], list[LabelledText]]:
    """Shuffle within each source and label, interleave, and cut, so that both parts get every kind."""
    draw = np.random.default_rng(_SEED)
    position = np.empty(len(rows))
    kinds: dict[tuple[str, Target | None], list[int]] = {}
    for index, row in enumerate(rows):
        kinds.setdefault((row.group, row.label), []).append(index)
    for indices in kinds.values():
        position[indices] = (draw.permutation(len(indices)) + draw.random()) / len(indices)
    order = [rows[index] for index in np.argsort(position, kind="stable")]
    return order[:first], order[first:]
