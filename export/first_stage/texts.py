"""Texts: rows of files as both stages read them, with the answers of the graph, in folds that share no text."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.manifest import Artifact
from artifact.pairs import load_tokenization
from artifact.rows import Row
from artifact.runtime import OnnxEngine
from export.errors import ExportError
from export.measure.quality import logits_alone
from export.samples import Target, read_rows
from training.reading import FileSource

FOLDS: Final = 4
"""Thresholds are fitted on the answers to each fold of a first stage that learned from the others."""
LEAST: Final = 100
"""Fewest texts to learn from."""
_HASH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts that a first stage may answer: of one window, and with no unknown token.

    Attributes:
        rows: token ids.
        logits: (texts, labels) float32, of the graph.
        labels: (texts,) int64, indices of the true labels; -1 where a text has none.
        sources: the file or group of each text.
        folds: (texts,) int64, which of the ``FOLDS`` parts a text belongs to; it depends on the text alone.
    """

    rows: list[Row]
    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    sources: list[str]
    folds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Text:
    row: Row
    label: int
    source: str
    fold: int


def read(artifact: Artifact, files: Sequence[FileSource]) -> list[_Text]:
    """Return the texts of some files, each text once.

    Args:
        artifact: whose tokenizer reads them.
        files: labelled or not.

    Raises:
        ExportError: if a file cannot be read, a label is not the model's, or there are too few texts.
    """
    manifest = artifact.manifest
    found = [row for file in files for row in read_rows(file, manifest.head).rows]
    rows = list({row.text: row for row in found}.values())
    tokenized = load_tokenization(artifact).encode([row.text for row in rows], manifest.truncation)
    texts = [
        _Text(text.windows[0], _index(row.label), row.group, _fold(row.text))
        for row, text in zip(rows, tokenized, strict=True)
        if not text.is_empty and not text.unknown and len(text.windows) == 1
    ]
    if len(texts) < LEAST:
        raise ExportError(f"{len(texts)} texts are too few to learn from; give tens of thousands, at least {LEAST}")
    return texts


def answer(artifact: Artifact, texts: Sequence[_Text], tick: Callable[[], None]) -> Texts:
    """Return the texts with the answers of the graph; ``tick`` is called once per text."""
    rows = [text.row for text in texts]
    engine = OnnxEngine.load(artifact, intra_op_threads=1)
    return Texts(
        rows,
        logits_alone(engine, rows, artifact.manifest.pad_token_id, tick),
        np.array([text.label for text in texts], np.int64),
        [text.source for text in texts],
        np.array([text.fold for text in texts]),
    )


def _fold(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:_HASH_BYTES], "big") % FOLDS


def _index(label: Target | None) -> int:
    """Return the index of a text's one label, -1 where it has none or several."""
    return label if isinstance(label, int) else -1
