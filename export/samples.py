"""Samples: labelled held-out texts, tokenized, in two halves that share no row.

One half calibrates (activation ranges), the other measures. Rows come from parquet, CSV or JSON lines with the
columns ``text`` and ``label``; a ``source`` column keeps the halves stratified by data set too.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pyarrow import ArrowInvalid, parquet

from export.checkpoint import Checkpoint
from export.errors import ExportError

Ids = tuple[int, ...]
_SEED: Final = 20240229
_LEAST: Final = 16


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
        checkpoint: says how texts are read and which labels exist.
        paths: files of rows; the checkpoint's own validation rows where none is given.
        calibration: rows to calibrate on, at most half of all.
        limit: rows to measure on at most.

    Raises:
        ExportError: if there are no rows, too few, or a label that the model does not have.
    """
    if not paths:
        if not checkpoint.validation_path.is_file():
            raise ExportError(f"{checkpoint.directory} brings no validation.parquet; name held-out rows with --data")
        paths = [checkpoint.validation_path]
    rows = [row for path in paths for row in read_rows(path)]
    _check(rows, len(checkpoint.labels), paths)
    first, second = _divide(rows, min(calibration, len(rows) // 2))
    return Samples(_tokenized(checkpoint, first), _tokenized(checkpoint, second[:limit]))


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Pick samples evenly over their lengths."""
    by_length = sorted(samples, key=lambda sample: len(sample.ids))
    places = np.linspace(0, len(by_length) - 1, min(count, len(by_length))).round().astype(int)
    return [by_length[place] for place in places]


def _tokenized(checkpoint: Checkpoint, rows: Sequence[tuple[str, int, str]]) -> tuple[Sample, ...]:
    truncation = "head" if checkpoint.truncation == "window" else checkpoint.truncation
    encoded = checkpoint.tokenization().encode([text for text, _, _ in rows], truncation)
    return tuple(
        Sample(text, label, source, cut.windows[0]) for (text, label, source), cut in zip(rows, encoded, strict=True)
    )


def _divide(
    rows: Sequence[tuple[str, int, str]], first: int
) -> tuple[list[tuple[str, int, str]], list[tuple[str, int, str]]]:
    """Shuffle within each source and label, interleave, and cut: both parts get every kind."""
    draw = np.random.default_rng(_SEED)
    position = np.empty(len(rows))
    kinds: dict[tuple[str, int], list[int]] = {}
    for index, (_, label, source) in enumerate(rows):
        kinds.setdefault((source, label), []).append(index)
    for indices in kinds.values():
        position[indices] = (draw.permutation(len(indices)) + draw.random()) / len(indices)
    order = [rows[index] for index in np.argsort(position, kind="stable")]
    return order[:first], order[first:]


def _check(rows: Sequence[tuple[str, int, str]], labels: int, paths: Sequence[Path]) -> None:
    names = ", ".join(map(str, paths))
    if len(rows) < _LEAST:
        raise ExportError(f"{names}: {len(rows)} rows are too few to prove anything; give {_LEAST} or more")
    wrong = {label for _, label, _ in rows if not 0 <= label < labels}
    if wrong:
        raise ExportError(f"{names}: the labels {sorted(wrong)} are not among the model's {labels}")


def read_rows(path: Path, labels: Sequence[str] = (), by: str = "source") -> list[tuple[str, int, str]]:
    """Return a file's rows: text, label, group.

    Args:
        path: parquet, csv, tsv or jsonl with columns text and label.
        labels: names that may stand in place of an index.
        by: column of the group; the file's name stands for it where there is no such column.

    Raises:
        ExportError: if it can not be read or a row lacks a text or a label that is an index or a known name.
    """
    indices = {name: index for index, name in enumerate(labels)}
    try:
        return [
            (str(row["text"]), int(indices.get(row["label"], row["label"])), str(row.get(by) or path.stem))
            for row in _records(path)
        ]
    except (OSError, ArrowInvalid) as error:
        raise ExportError(f"{path} can not be read: {str(error).splitlines()[0]}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(
            f"{path}: every row needs a text, and a label that is an index or a known name ({error})"
        ) from error


def _records(path: Path) -> Iterable[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return rows
    text = path.read_text(encoding="utf-8")
    if path.suffix in {".csv", ".tsv"}:
        return csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ",")
    return (json.loads(line) for line in text.splitlines() if line.strip())
