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

from artifact.manifest import CARD, ArtifactError, Evaluation, Manifest, load_artifact
from artifact.scores import BINS, expected_calibration_error
from export.errors import ExportError
from export.evaluate.breakdown import Breakdown
from export.evaluate.served import Answer, serve
from export.progress import Progress
from export.samples import read_rows
from export.write.card import render_evaluations
from export.write.package import REPORT, write_atomically

MEASURED_ON: Final = "this artifact, served over HTTP"


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
        fp32: the reference, where it was asked for.
    """

    evaluation: Evaluation
    breakdown: Breakdown
    fp32: Float | None = None


def summarize(split: Split, labels: NDArray[np.int64], answers: Sequence[Answer], kinds: Sequence[str]) -> Result:
    """Compare the server's answers with the true labels, in the same order; ``kinds`` groups the texts."""
    probabilities = np.array([answer.probabilities for answer in answers], np.float64)
    predicted = np.array([answer.sentiment for answer in answers], np.int64)
    tokens = np.array([answer.tokens for answer in answers], np.int64)
    evaluation = Evaluation(
        dataset=split.dataset,
        split=split.split,
        n=len(labels),
        accuracy=float((predicted == labels).mean()),
        expected_calibration_error=expected_calibration_error(probabilities, labels),
        measured_on=MEASURED_ON,
    )
    return Result(evaluation, Breakdown.of(labels, predicted, tokens, kinds, probabilities.shape[1]))


def store(directory: Path, results: Sequence[Result]) -> None:
    """Write evaluations into manifest and card, atomically; figures of other splits stay."""
    manifest = load_artifact(directory).manifest
    new = {(result.evaluation.dataset, result.evaluation.split): result.evaluation for result in results}
    kept = [row for row in manifest.evaluations if (row.dataset, row.split) not in new]
    updated = manifest.model_copy(update={"evaluations": (*kept, *new.values())})

    def write(staging: Path) -> Manifest:
        shutil.copytree(directory, staging, dirs_exist_ok=True)
        card = staging / CARD
        details = [line for result in results for line in _details(result, manifest.labels)]
        card.write_text(render_evaluations(card.read_text(encoding="utf-8"), updated, details), encoding="utf-8")
        path = staging / REPORT / "evaluation.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([_document(result) for result in results], indent=1) + "\n", encoding="utf-8")
        return updated

    write_atomically(directory, write)


def _document(result: Result) -> dict[str, Any]:
    return {
        **result.evaluation.model_dump(),
        "calibration_bins": BINS,
        **asdict(result.breakdown),
        "fp32": asdict(result.fp32) if result.fp32 else None,
    }


def _details(result: Result, labels: Sequence[str]) -> list[str]:
    """Return what the card says of a split beyond the one line."""
    row = result.evaluation
    lines = ["", f"### {row.dataset}, {row.split}", ""]
    if result.fp32:
        lines += [
            f"The same model in fp32: {result.fp32.accuracy:.2%}; {result.fp32.flipped:.2%} of labels differ.",
            "",
        ]
    return [*lines, *result.breakdown.markdown(labels)]


def show(results: Sequence[Result], labels: Sequence[str]) -> Table:
    """Return the figures as a table for people."""
    table = Table("split", "n", "accuracy", "against fp32", "ECE", "confusion (rows: truth)", "accuracy by part")
    for result in results:
        row = result.evaluation
        confusion = "\n".join(
            f"{name}: {', '.join(map(str, counts))}"
            for name, counts in zip(labels, result.breakdown.confusion, strict=True)
        )
        parts = "\n".join(
            f"{part.name}: {part.accuracy:.1%} of {part.n}"
            for part in (*result.breakdown.by_tokens, *result.breakdown.by_kind)
        )
        error = f"{row.expected_calibration_error:.2%}"
        name = f"{row.dataset}:{row.split}"
        table.add_row(name, f"{row.n:,}", f"{row.accuracy:.2%}", _against(result), error, confusion, parts)
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
    directory: Path, splits: Sequence[Split], progress: Progress, checkpoint: Path | None = None, by: str = "source"
) -> list[Result]:
    """Serve the artifact, ask it about every text of every split, and return the figures.

    Args:
        directory: of the artifact.
        splits: what to ask.
        progress: shows it.
        checkpoint: whose fp32 model answers the same texts too.
        by: column of the files that groups their texts.

    Raises:
        ExportError: if a file has no rows, or the server does not start or answer.
    """
    names = load_artifact(directory).manifest.labels
    rows = [read_rows(split.path, names, by) for split in splits]
    labels = [np.array([label for _, label, _ in part], np.int64) for part in rows]
    texts = [[text for text, _, _ in part] for part in rows]
    answers = _ask(directory, splits, texts, progress, "")
    kinds = [[kind for _, _, kind in part] for part in rows]
    results = [summarize(*row) for row in zip(splits, labels, answers, kinds, strict=True)]
    if checkpoint is None:
        return results
    from export.evaluate.fp32 import write_reference  # noqa: PLC0415 - torch takes seconds, and most runs need none

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
        help="a split's file with text and label (index or name); may be given several times",
    )
    parser.add_argument(
        "--fp32",
        type=Path,
        metavar="CHECKPOINT",
        help="what the artifact was exported from: let its fp32 model answer the same texts, in three times as long",
    )
    parser.add_argument("--by", default="source", metavar="COLUMN", help="also tell the accuracy by this column")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        manifest = load_artifact(options.artifact).manifest
        results = evaluate(options.artifact, options.data, Progress(console), options.fp32, options.by)
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
