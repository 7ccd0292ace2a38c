"""Splits: a served artifact's figures on whole splits, and those of its fp32 model."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.manifest import Evaluation, load_artifact
from artifact.scores import expected_calibration_error
from export.errors import ExportError
from export.evaluate.breakdown import Breakdown
from export.evaluate.served import ServedPrediction, serve
from export.label_check import check_labels
from export.progress import Progress
from export.samples import read_rows
from training.reading import FileSource

_MEASURED_ON: Final = "this artifact, served over HTTP"


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
        accuracy: of the fp32 model.
        flipped: share of texts whose label differs from the artifact's.
        largest_change: of a probability.
    """

    accuracy: float
    flipped: float
    largest_change: float


@dataclass(frozen=True)
class SplitResult:
    """Figures of one split.

    Attributes:
        fp32: the reference, where it was asked for.
    """

    evaluation: Evaluation
    breakdown: Breakdown
    fp32: Fp32Figures | None = None


def evaluate(
    directory: Path, splits: Sequence[Split], progress: Progress, checkpoint: Path | None = None
) -> list[SplitResult]:
    """Serve the artifact, ask it about every text of every split, and return the figures.

    Args:
        directory: of the artifact.
        splits: to ask about.
        progress: a step per split.
        checkpoint: its fp32 model answers the same texts too; None leaves that out.

    Raises:
        ExportError: if a file cannot be read, its labels cannot be the model's, or the server does not start or answer.
        ArtifactError: if the directory is not a sound artifact.
    """
    manifest = load_artifact(directory).manifest
    if manifest.problem != "single_label" or manifest.pairs:
        raise ExportError(f"{directory} is not a single-label model of single texts; splits measure such alone")
    names = manifest.labels
    files = [read_rows(split.source, manifest.head) for split in splits]
    for file in files:
        progress.say(file.note)
    rows = [file.rows for file in files]
    labels = [np.array([row.label for row in part], np.int64) for part in rows]
    texts = [[row.text for row in part] for part in rows]
    kinds = [[row.group for row in part] for part in rows]
    predictions = _ask(directory, splits, texts, progress, "")
    for split, truth, answers in zip(splits, labels, predictions, strict=True):
        predicted = np.array([answer.sentiment for answer in answers], np.int64)
        check_labels(predicted, truth, names, where=str(split.source.path))
    results = [_figures(*parts) for parts in zip(splits, labels, predictions, kinds, strict=True)]
    if checkpoint is None:
        return results
    from export.evaluate.fp32 import write_fp32  # noqa: PLC0415 - torch takes seconds, and most runs need none

    with TemporaryDirectory(prefix="verdict-fp32-") as folder:
        write_fp32(directory, checkpoint, Path(folder) / "artifact")
        reference = _ask(Path(folder) / "artifact", splits, texts, progress, " in fp32")
    compared = map(_compare, predictions, reference, labels)
    return [replace(result, fp32=fp32) for result, fp32 in zip(results, compared, strict=True)]


def _ask(
    directory: Path, splits: Sequence[Split], texts: Sequence[Sequence[str]], progress: Progress, note: str
) -> list[list[ServedPrediction]]:
    predictions = []
    with serve(directory) as client:
        for split, own in zip(splits, texts, strict=True):
            with progress.step(f"{split.dataset}:{split.split}{note}", len(own)) as tick:
                predictions.append(asyncio.run(client.classify(own, tick)))
    return predictions


def _figures(
    split: Split, labels: NDArray[np.int64], predictions: Sequence[ServedPrediction], kinds: Sequence[str]
) -> SplitResult:
    """Compare predictions with the true labels, in the same order; ``kinds`` groups the texts."""
    probabilities = np.array([prediction.probabilities for prediction in predictions], np.float64)
    predicted = np.array([prediction.sentiment for prediction in predictions], np.int64)
    tokens = np.array([prediction.tokens for prediction in predictions], np.int64)
    evaluation = Evaluation(
        dataset=split.dataset,
        split=split.split,
        n=len(labels),
        accuracy=float((predicted == labels).mean()),
        expected_calibration_error=expected_calibration_error(probabilities, labels),
        measured_on=_MEASURED_ON,
    )
    return SplitResult(evaluation, Breakdown.of(labels, predicted, tokens, kinds, probabilities.shape[1]))


def _compare(
    int8: Sequence[ServedPrediction], fp32: Sequence[ServedPrediction], truth: NDArray[np.int64]
) -> Fp32Figures:
    labels, reference = (np.array([prediction.sentiment for prediction in part]) for part in (int8, fp32))
    changes = [np.abs(np.subtract(a.probabilities, b.probabilities)).max() for a, b in zip(int8, fp32, strict=True)]
    return Fp32Figures(
        accuracy=float((reference == truth).mean()),
        flipped=float((labels != reference).mean()),
        largest_change=float(max(changes)),
    )
