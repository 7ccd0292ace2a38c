"""``python -m export.evaluate ARTIFACT --data imdb:test=PATH``: final figures, from the server itself.

Starts the real server on the artifact, posts whole official splits to it, and writes accuracy and calibration
error into the manifest and the card. It is the last step and chooses nothing: test splits are for figures only.
With ``--fp32 CHECKPOINT`` the fp32 model answers the same texts too, so that the cost of int8 is seen on whole splits.
"""

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from export.card import render_evaluations
from export.errors import ExportError
from export.package import REPORT, write_atomically
from export.probability import BINS, expected_calibration_error
from export.progress import Progress
from export.samples import read_rows
from export.served import Answer, serve
from server.artifact import CARD, ArtifactError, Evaluation, Manifest, load_artifact

MEASURED_ON: Final = "this artifact, served over HTTP"
_BUCKETS: Final = (16, 32, 64, 128)
"""Upper ends of the token-length buckets; the last one holds all longer texts."""


@dataclass(frozen=True, slots=True)
class Split:
    """A named split of a data set and the file that holds it."""

    dataset: str
    split: str
    path: Path


@dataclass(frozen=True, slots=True)
class Float:
    """What the fp32 model answered about the same texts.

    Attributes:
        accuracy: its own.
        flipped: share of texts that the artifact labels otherwise.
        largest_change: of a probability.
    """

    accuracy: float
    flipped: float
    largest_change: float


@dataclass(frozen=True)
class Result:
    """Figures of one split.

    Attributes:
        confusion: texts by (true label, predicted label).
        buckets: by token length: upper end or None, texts, accuracy.
        fp32: the reference, where it was asked for.
    """

    evaluation: Evaluation
    confusion: NDArray[np.int64]
    buckets: tuple[tuple[int | None, int, float], ...]
    fp32: Float | None = None


def summarize(split: Split, labels: NDArray[np.int64], answers: Sequence[Answer]) -> Result:
    """Compare the server's answers with the true labels, in the same order."""
    probabilities = np.array([answer.probabilities for answer in answers], np.float64)
    predicted = np.array([answer.sentiment for answer in answers], np.int64)
    tokens = np.array([answer.tokens for answer in answers], np.int64)
    confusion = np.zeros((probabilities.shape[1],) * 2, np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    evaluation = Evaluation(
        dataset=split.dataset,
        split=split.split,
        n=len(labels),
        accuracy=float((predicted == labels).mean()),
        expected_calibration_error=expected_calibration_error(probabilities, labels),
        measured_on=MEASURED_ON,
    )
    return Result(evaluation, confusion, _by_length(tokens, predicted == labels))


def _by_length(tokens: NDArray[np.int64], right: NDArray[np.bool_]) -> tuple[tuple[int | None, int, float], ...]:
    ends = [*_BUCKETS, np.iinfo(np.int64).max]
    found = []
    for low, high in zip([0, *_BUCKETS], ends, strict=True):
        inside = (tokens > low) & (tokens <= high)
        if inside.any():
            end = high if high in _BUCKETS else None
            found.append((end, int(inside.sum()), float(right[inside].mean())))
    return tuple(found)


def store(directory: Path, results: Sequence[Result]) -> None:
    """Write evaluations into manifest and card, atomically; figures of other splits stay."""
    manifest = load_artifact(directory).manifest
    new = {(result.evaluation.dataset, result.evaluation.split): result.evaluation for result in results}
    kept = [row for row in manifest.evaluations if (row.dataset, row.split) not in new]
    updated = manifest.model_copy(update={"evaluations": (*kept, *new.values())})

    def write(staging: Path) -> Manifest:
        shutil.copytree(directory, staging, dirs_exist_ok=True)
        card = staging / CARD
        card.write_text(render_evaluations(card.read_text(encoding="utf-8"), updated), encoding="utf-8")
        path = staging / REPORT / "evaluation.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([_document(result) for result in results], indent=1) + "\n", encoding="utf-8")
        return updated

    write_atomically(directory, write)


def _document(result: Result) -> dict[str, Any]:
    return {
        **result.evaluation.model_dump(),
        "calibration_bins": BINS,
        "confusion": result.confusion.tolist(),
        "by_tokens": [{"up_to": end, "n": n, "accuracy": right} for end, n, right in result.buckets],
        "fp32": asdict(result.fp32) if result.fp32 else None,
    }


def show(results: Sequence[Result], labels: Sequence[str]) -> Table:
    """Return the figures as a table for people."""
    table = Table("split", "n", "accuracy", "against fp32", "ECE", "confusion (rows: truth)", "accuracy by tokens")
    for result in results:
        row = result.evaluation
        confusion = "\n".join(
            f"{name}: {', '.join(map(str, counts))}" for name, counts in zip(labels, result.confusion, strict=True)
        )
        buckets = "\n".join(
            f"{'longer' if end is None else f'up to {end}'}: {right:.2%} of {n}" for end, n, right in result.buckets
        )
        error = f"{row.expected_calibration_error:.2%}"
        table.add_row(
            f"{row.dataset}:{row.split}",
            f"{row.n:,}",
            f"{row.accuracy:.2%}",
            _against(result),
            error,
            confusion,
            buckets,
        )
    return table


def _against(result: Result) -> str:
    if result.fp32 is None:
        return "not asked (--fp32)"
    gain = 100 * (result.evaluation.accuracy - result.fp32.accuracy)
    return (
        f"{result.fp32.accuracy:.2%}: {gain:+.2f} points\n{result.fp32.flipped:.2%} of labels flipped\n"
        f"largest change {result.fp32.largest_change:.3f}"
    )


def evaluate(
    directory: Path, splits: Sequence[Split], progress: Progress, checkpoint: Path | None = None
) -> list[Result]:
    """Serve the artifact, ask it about every text of every split, and return the figures.

    Args:
        directory: of the artifact.
        splits: what to ask.
        progress: shows it.
        checkpoint: whose fp32 model answers the same texts too.

    Raises:
        ExportError: if a file has no rows, or the server does not start or answer.
    """
    rows = [read_rows(split.path) for split in splits]
    labels = [np.array([label for _, label, _ in part], np.int64) for part in rows]
    texts = [[text for text, _, _ in part] for part in rows]
    answers = _ask(directory, splits, texts, progress, "")
    results = [summarize(*row) for row in zip(splits, labels, answers, strict=True)]
    if checkpoint is None:
        return results
    from export.reference import write_reference  # noqa: PLC0415 - torch takes seconds, and most runs need none

    with TemporaryDirectory(prefix="verdict-fp32-") as folder:
        write_reference(directory, checkpoint, Path(folder) / "artifact")
        reference = _ask(Path(folder) / "artifact", splits, texts, progress, " in fp32")
    rows_of = zip(results, answers, reference, labels, strict=True)
    return [replace(result, fp32=_compare(ours, theirs, truth)) for result, ours, theirs, truth in rows_of]


def _ask(
    directory: Path, splits: Sequence[Split], texts: Sequence[Sequence[str]], progress: Progress, note: str
) -> list[list[Answer]]:
    answers = []
    with serve(directory) as client:
        for split, own in zip(splits, texts, strict=True):
            with progress.step(f"{split.dataset}:{split.split}{note}", len(own)) as tick:
                answers.append(asyncio.run(client.classify(own, tick)))
    return answers


def _compare(ours: Sequence[Answer], theirs: Sequence[Answer], truth: NDArray[np.int64]) -> Float:
    mine, other = (np.array([answer.sentiment for answer in answers]) for answers in (ours, theirs))
    changes = [np.abs(np.subtract(a.probabilities, b.probabilities)).max() for a, b in zip(ours, theirs, strict=True)]
    return Float(float((other == truth).mean()), float((mine != other).mean()), float(max(changes)))


def main(arguments: list[str] | None = None) -> int:
    """Evaluate an artifact; return 0, or 1 after one line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m export.evaluate", description=__doc__)
    parser.add_argument("artifact", type=Path, help="artifact directory; its manifest and card are rewritten")
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        type=_split,
        metavar="NAME:SPLIT=PATH",
        help="a split's file with text and label; may be given several times",
    )
    parser.add_argument(
        "--fp32",
        type=Path,
        metavar="CHECKPOINT",
        help="what the artifact was exported from: let its fp32 model answer the same texts, in three times as long",
    )
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        manifest = load_artifact(options.artifact).manifest
        results = evaluate(options.artifact, options.data, Progress(console), options.fp32)
        store(options.artifact, results)
    except (ExportError, ArtifactError) as error:
        console.print(f"[red]evaluation failed:[/] {error}", highlight=False, soft_wrap=True)
        return 1
    Console(width=None if sys.stdout.isatty() else 160).print(show(results, manifest.labels))
    return 0


def _split(value: str) -> Split:
    name, separator, path = value.partition("=")
    dataset, colon, split = name.partition(":")
    if not (separator and colon and dataset and split and path):
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME:SPLIT=PATH, such as imdb:test=data/imdb/test.parquet")
    return Split(dataset, split, Path(path))


if __name__ == "__main__":
    sys.exit(main())
