"""Samples: labelled held-out texts, tokenized, in two halves that share no row.

One half calibrates activation ranges, the other measures. Both hold every label and every source in equal shares; the
source of a row is its ``source`` column, or the name of its file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from export.checkpoint import Checkpoint
from export.errors import ExportError
from training.reading import Columns, DataError, match_indices, match_labels, read

Ids = tuple[int, ...]
_SEED: Final = 20240229
_LEAST: Final = 16
"""Fewest rows that calibrate and measure anything."""


class LabelledText(NamedTuple):
    """One row of a file.

    Attributes:
        label: index of the label.
        group: value of the column that groups the texts, or the name of the file.
    """

    text: str
    label: int
    group: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled text and the row of ids that the model reads."""

    text: str
    label: int
    source: str
    ids: Ids


@dataclass(frozen=True)
class Samples:
    """Held-out texts: one part to calibrate on, one to measure on."""

    calibration: tuple[Sample, ...]
    measurement: tuple[Sample, ...]


def load_samples(checkpoint: Checkpoint, paths: Sequence[Path], *, calibration: int, limit: int) -> Samples:
    """Read, tokenize and divide held-out rows.

    Args:
        checkpoint: defines how texts are read and which labels exist.
        paths: files of rows; the checkpoint's own validation rows where the sequence is empty.
        calibration: most rows to calibrate on; never more than half of all.
        limit: most rows to measure on.

    Raises:
        ExportError: if a file cannot be read, a label is not the model's, or there are too few rows.
    """
    if paths:
        rows = [row for path in paths for row in read_rows(path, checkpoint.labels)]
    elif checkpoint.validation_path.is_file():
        rows = read_rows(checkpoint.validation_path, checkpoint.labels, indices=True)
    else:
        raise ExportError(f"{checkpoint.directory} brings no validation.parquet; name held-out rows with --data")
    if len(rows) < _LEAST:
        names = ", ".join(map(str, paths or [checkpoint.validation_path]))
        raise ExportError(f"{names}: {len(rows)} rows are too few to prove anything; give {_LEAST} or more")
    first, second = _divide(rows, min(calibration, len(rows) // 2))
    return Samples(_tokenized(checkpoint, first), _tokenized(checkpoint, second[:limit]))


def read_rows(path: Path, labels: Sequence[str], group: str = "source", *, indices: bool = False) -> list[LabelledText]:
    """Return a file's rows.

    Args:
        path: in one of the formats of ``training.reading``, with the columns text and label.
        labels: names of the model's labels.
        group: column that groups the texts.
        indices: whether labels are indices, as training writes them, even if names of labels are numbers.

    Raises:
        ExportError: if the file cannot be read, or a label is not the model's.
    """
    try:
        table = read(path, Columns(group=group))
        matched = match_indices(table, len(labels)) if indices else match_labels(table, labels)
    except DataError as error:
        raise ExportError(str(error)) from error
    return [
        LabelledText(row.text, label, row.group or path.stem) for row, label in zip(table.rows, matched, strict=True)
    ]


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return samples spread evenly over the lengths."""
    by_length = sorted(samples, key=lambda sample: len(sample.ids))
    places = np.linspace(0, len(by_length) - 1, min(count, len(by_length))).round().astype(int)
    return [by_length[place] for place in places]


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
    kinds: dict[tuple[str, int], list[int]] = {}
    for index, row in enumerate(rows):
        kinds.setdefault((row.group, row.label), []).append(index)
    for indices in kinds.values():
        position[indices] = (draw.permutation(len(indices)) + draw.random()) / len(indices)
    order = [rows[index] for index in np.argsort(position, kind="stable")]
    return order[:first], order[first:]
