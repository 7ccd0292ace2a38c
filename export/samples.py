"""Samples: held-out texts, tokenized, in two parts that share no row; with labels where the data has them.

One part calibrates activation ranges, the other measures. Both hold every label and every source in equal shares; the
source of a row is its ``source`` column, or the name of its file. Without data, the texts that the project ships
calibrate and measure, and accuracy is not measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.general_texts import general_texts
from training.reading import DataError, FileSource, TextTable, describe_labels, match_indices, match_labels

Ids = tuple[int, ...]
_SEED: Final = 20240229
_LEAST: Final = 16
"""Fewest rows that calibrate and measure anything."""
_GENERAL: Final = "general"
"""The source of the texts that the project ships."""


class LabelledText(NamedTuple):
    """One row of a file.

    Attributes:
        label: index of the label; None where the file has no labels.
        group: value of the column that groups the texts, or the name of the file.
    """

    text: str
    label: int | None
    group: str


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
    """One text and the row of ids that the model reads; ``label`` is None where none is known."""

    text: str
    label: int | None
    source: str
    ids: Ids


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

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Indices of the true labels of the measured texts, (texts,); None where they are not known."""
        labels = [sample.label for sample in self.measurement if sample.label is not None]
        return np.array(labels, np.int64) if len(labels) == len(self.measurement) else None

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
    files = [read_rows(source, checkpoint.labels) for source in sources]
    files = files or [read_rows(FileSource(own), checkpoint.labels, indices=True)]
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


def read_rows(source: FileSource, labels: Sequence[str], *, indices: bool = False) -> FileRows:
    """Return a file's rows.

    Args:
        source: in one of the formats of ``training.reading``.
        labels: names of the model's labels.
        indices: whether labels are indices, as training writes them, even if names of labels are numbers.

    Raises:
        ExportError: if the file cannot be read, or a label is not the model's.
    """
    try:
        table = source.read()
        matched = _matched(table, labels, indices=indices)
    except DataError as error:
        raise ExportError(str(error)) from error
    note = f"{source.path}: {len(table.rows)} texts, no labels (,label=COLUMN names them); accuracy is not measured"
    if matched is None:
        matched = [None] * len(table.rows)
    else:
        note = describe_labels(table, labels, [index for index in matched if index is not None])
    groups = [row.group or source.path.stem for row in table.rows]
    texts = [row.text for row in table.rows]
    return FileRows(list(map(LabelledText, texts, matched, groups)), note)


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return samples spread evenly over the lengths."""
    by_length = sorted(samples, key=lambda sample: len(sample.ids))
    places = np.linspace(0, len(by_length) - 1, min(count, len(by_length))).round().astype(int)
    return [by_length[place] for place in places]


def _matched(table: TextTable, labels: Sequence[str], *, indices: bool) -> Sequence[int | None] | None:
    """Return the rows' labels as indices; None where no row has one."""
    without = [row for row in table.rows if row.label is None]
    if without and len(without) < len(table.rows):
        raise DataError(f"{table.where(without[0])} has no label, other rows have one; add it, or remove all")
    if without:
        return None
    return match_indices(table, len(labels)) if indices else match_labels(table, labels)


def _general(checkpoint: Checkpoint, calibration: int, limit: int) -> Samples:
    """Return the texts that the project ships; an equal share of each length where fewer are wanted."""
    parts = []
    for texts, most in zip(general_texts(), (calibration, limit), strict=True):
        step = max(1, -(-len(texts) // max(1, most)))
        parts.append(_tokenized(checkpoint, [LabelledText(text, None, _GENERAL) for text in texts[::step]]))
    note = (
        f"no data: {len(parts[0])} texts that the project ships calibrate and {len(parts[1])} others measure. Accuracy "
        "is not measured; --data with texts of your own domain would calibrate better, with labels it would be measured"
    )
    return Samples(parts[0], parts[1], (note,))


def _tokenized(checkpoint: Checkpoint, rows: Sequence[LabelledText]) -> tuple[Sample, ...]:
    truncation = "head" if checkpoint.truncation == "window" else checkpoint.truncation
    encoded = checkpoint.tokenization().encode([row.text for row in rows], truncation)
    return tuple(
        Sample(row.text, row.label, row.group, cut.windows[0])
        for row, cut in zip(rows, encoded, strict=True)
        if not cut.is_empty  # the server refuses such a text
    )


def _divide(rows: Sequence[LabelledText], first: int) -> tuple[list[LabelledText], list[LabelledText]]:
    """Shuffle within each source and label, interleave, and cut, so that both parts get every kind."""
    draw = np.random.default_rng(_SEED)
    position = np.empty(len(rows))
    kinds: dict[tuple[str, int | None], list[int]] = {}
    for index, row in enumerate(rows):
        kinds.setdefault((row.group, row.label), []).append(index)
    for indices in kinds.values():
        position[indices] = (draw.permutation(len(indices)) + draw.random()) / len(indices)
    order = [rows[index] for index in np.argsort(position, kind="stable")]
    return order[:first], order[first:]
