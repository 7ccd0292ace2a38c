"""Splits: a served artifact's figures on whole splits, and those of its fp32 model."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.figures import MAIN, Truth, figures
from artifact.manifest import Evaluation, TextOrPair, load_artifact
from artifact.scores import Head, reliability
from export.errors import ExportError
from export.evaluate.breakdown import Breakdown
from export.evaluate.cascade import Cascade
from export.evaluate.raters import RatedColumns, Raters, read_rated
from export.evaluate.served import ServedPrediction, serve
from export.label_check import check_labels
from export.measure.quality import flipped
from export.progress import Progress
from export.samples import LabelledText, read_rows, truth
from training.reading import FileSource

_MEASURED_ON: Final = "this artifact, served over HTTP"
_DIGITS: Final = 6
"""Of the bins' confidence and accuracy."""


@dataclass(frozen=True, slots=True)
class Split:
    """A named split of a data set, and its file."""

    dataset: str
    split: str
    source: FileSource


@dataclass(frozen=True, slots=True)
class Fp32Figures:
    """The fp32 model on the same texts.

    Attributes:
        accuracy: of the fp32 model; for other problems than single-label their main figure.
        flipped: decisions that differ from the artifact's, see ``export.measure.quality``.
        largest_change: of a score.
    """

    accuracy: float
    flipped: float
    largest_change: float


@dataclass(frozen=True)
class SplitResult:
    """Figures of one split.

    Attributes:
        figures: all figures of the problem by name.
        breakdown: by label and part; None for other problems than single-label.
        fp32: the reference, where it was asked for.
        cascade: the figures with the first stage on, where the artifact has one.
        raters: the figures against people's shares, where they were asked for and the file has them.
    """

    evaluation: Evaluation
    figures: dict[str, float]
    breakdown: Breakdown | None
    fp32: Fp32Figures | None = None
    cascade: Cascade | None = None
    raters: Raters | None = None


def evaluate(
    directory: Path,
    splits: Sequence[Split],
    progress: Progress,
    checkpoint: Path | None = None,
    rated: RatedColumns | None = None,
) -> list[SplitResult]:
    """Serve the artifact, ask it about every text of every split, and return the figures.

    Args:
        directory: of the artifact.
        splits: to ask about.
        progress: a step per split.
        checkpoint: its fp32 model answers the same texts too; None leaves that out.
        rated: columns with what people said; a file may lack them.

    Raises:
        ExportError: if a file cannot be read, its labels cannot be the model's, or the server does not start or answer.
        ArtifactError: if the directory is not a sound artifact.
    """
    manifest = load_artifact(directory).manifest
    head = manifest.head
    files = [read_rows(split.source, head, pairs=manifest.pairs) for split in splits]
    for file in files:
        progress.say(file.note)
    rows = [file.rows for file in files]
    labels = [_labels(split, head, part) for split, part in zip(splits, rows, strict=True)]
    said = [read_rated(split.source, rated, head) if rated else None for split in splits]
    texts = [[row.content for row in part] for part in rows]
    predictions = _ask(directory, splits, texts, progress, "")
    if head.problem == "single_label":
        for split, own, answers in zip(splits, labels, predictions, strict=True):
            check_labels(_scores(answers).argmax(axis=1), own, head.labels, where=str(split.source.path))
    kinds = [[row.group for row in part] for part in rows]
    results = [_figures(head, *parts) for parts in zip(splits, labels, predictions, kinds, strict=True)]
    raters = [
        None if own is None else Raters.of(_scores(answers)[:, 1], own)
        for own, answers in zip(said, predictions, strict=True)
    ]
    results = [replace(result, raters=own) for result, own in zip(results, raters, strict=True)]
    if manifest.first_stage is not None:
        asked = _ask(directory, splits, texts, progress, " with the first stage", first_stage=True)
        cascades = [Cascade.of(head, *parts) for parts in zip(labels, asked, predictions, kinds, strict=True)]
        results = [replace(result, cascade=own) for result, own in zip(results, cascades, strict=True)]
    if checkpoint is None:
        return results
    from export.evaluate.fp32 import write_fp32  # noqa: PLC0415 - torch takes seconds, and most runs need none

    with TemporaryDirectory(prefix="verdict-fp32-") as folder:
        write_fp32(directory, checkpoint, Path(folder) / "artifact")
        reference = _ask(Path(folder) / "artifact", splits, texts, progress, " in fp32")
    compared = [_compare(head, *parts) for parts in zip(predictions, reference, labels, strict=True)]
    return [replace(result, fp32=fp32) for result, fp32 in zip(results, compared, strict=True)]


def _labels(split: Split, head: Head, rows: Sequence[LabelledText]) -> Truth:
    labels = truth(head, rows)
    if labels is None:
        raise ExportError(f"{split.source.path} has no labels, and figures need them")
    return labels


def _ask(
    directory: Path,
    splits: Sequence[Split],
    texts: Sequence[Sequence[TextOrPair]],
    progress: Progress,
    note: str,
    *,
    first_stage: bool = False,
) -> list[list[ServedPrediction]]:
    predictions = []
    with serve(directory, first_stage=first_stage) as client:
        for split, own in zip(splits, texts, strict=True):
            with progress.step(f"{split.dataset}:{split.split}{note}", len(own)) as tick:
                predictions.append(asyncio.run(client.classify(own, tick)))
    return predictions


def _figures(
    head: Head, split: Split, labels: Truth, predictions: Sequence[ServedPrediction], kinds: Sequence[str]
) -> SplitResult:
    """Compare predictions with the true labels, in the same order; ``kinds`` groups the texts."""
    scores = _scores(predictions)
    found = figures(head, scores, labels)
    single = head.problem == "single_label"
    evaluation = Evaluation(
        dataset=split.dataset,
        split=split.split,
        n=len(labels),
        accuracy=found["accuracy"] if single else None,
        expected_calibration_error=found["expected_calibration_error"] if single else None,
        reliability=_reliability(scores, labels) if single else None,
        figures=None if single else found,
        measured_on=_MEASURED_ON,
    )
    tokens = np.array([prediction.tokens for prediction in predictions], np.int64)
    parts = Breakdown.of(labels, scores.argmax(axis=1), tokens, kinds, scores.shape[1]) if single else None
    return SplitResult(evaluation, found, parts)


def _reliability(scores: NDArray[np.float64], labels: Truth) -> tuple[tuple[float, float, int], ...]:
    bins = reliability(scores, labels)
    return tuple((round(part.confidence, _DIGITS), round(part.accuracy, _DIGITS), part.n) for part in bins)


def _compare(
    head: Head, int8: Sequence[ServedPrediction], fp32: Sequence[ServedPrediction], labels: Truth
) -> Fp32Figures:
    scores, reference = _scores(int8), _scores(fp32)
    return Fp32Figures(
        accuracy=figures(head, reference, labels)[MAIN[head.problem]],
        flipped=flipped(head, scores, reference),
        largest_change=float(np.abs(scores - reference).max()),
    )


def _scores(predictions: Sequence[ServedPrediction]) -> NDArray[np.float64]:
    return np.array([prediction.scores for prediction in predictions], np.float64)
