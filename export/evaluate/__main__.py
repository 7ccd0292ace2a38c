"""``python -m export.evaluate ARTIFACT --data imdb:test=PATH``: final figures, from the server itself.

It starts the real server on the artifact, posts whole official splits to it, and writes their figures (docs/heads.md)
into the manifest and the card. It is the last step and chooses nothing: test splits are for figures only. With
``--fp32 CHECKPOINT`` the fp32 model answers the same texts too, which shows the cost of int8 on whole splits.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from artifact.figures import MAIN, NAMES, show_figure
from artifact.manifest import ArtifactError, load_artifact
from export.errors import ExportError
from export.evaluate.cascade import Cascade
from export.evaluate.raters import RatedColumns, Raters
from export.evaluate.record import record
from export.evaluate.splits import Split, SplitResult, evaluate
from export.progress import Progress
from export.write.table import Columns
from training.reading import DataError, parse_file


def main(arguments: list[str] | None = None) -> int:
    """Evaluate an artifact; return 0, or 1 after one line with the reason."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        labels = load_artifact(options.artifact).manifest.labels
        splits = [Split(dataset, split, parse_file(file, group=options.by)) for dataset, split, file in options.data]
        rated = RatedColumns(options.share, options.rating) if options.share else None
        results = evaluate(options.artifact, splits, Progress(console), options.fp32, rated)
        record(options.artifact, results)
    except (ExportError, ArtifactError, DataError) as error:
        console.print(f"[red]evaluation failed:[/] {error}", highlight=False, soft_wrap=True)
        return 1
    Console(width=None if sys.stdout.isatty() else 160).print(_table(results, labels))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export.evaluate", description=__doc__)
    parser.add_argument("artifact", type=Path, help="artifact directory; its manifest and card are rewritten")
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        type=_split,
        metavar="NAME:SPLIT=FILE",
        help="a split's file with text and label (index or name), and options after commas as in export "
        "(docs/data.md); may be given several times",
    )
    parser.add_argument(
        "--fp32",
        type=Path,
        metavar="CHECKPOINT",
        help="the checkpoint that the artifact was exported from: its fp32 model answers the same texts, "
        "which takes three times as long in addition",
    )
    parser.add_argument("--by", default="source", metavar="COLUMN", help="also print the accuracy by this column")
    parser.add_argument(
        "--share",
        metavar="COLUMN",
        help="also compare with raters: a column with the share, 0 to 1, of people who chose the second label",
    )
    parser.add_argument(
        "--rating",
        metavar="COLUMN",
        help="with --share: a column with the mean rating, -4 to 4; it then says which texts are clear and neutral",
    )
    return parser


def _split(value: str) -> tuple[str, str, str]:
    name, separator, file = value.partition("=")
    dataset, colon, split = name.partition(":")
    if not (separator and colon and dataset and split and file):
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME:SPLIT=FILE, such as imdb:test=data/imdb/test.parquet")
    return dataset, split, file


def _table(results: Sequence[SplitResult], labels: Sequence[str]) -> Table:
    """Return the figures as a table for the terminal."""
    columns: Columns[SplitResult] = (
        ("split", lambda result: f"{result.evaluation.dataset}:{result.evaluation.split}"),
        ("n", lambda result: f"{result.evaluation.n:,}"),
        ("figures", _figures),
        ("against fp32", _against_fp32),
        *_breakdown(labels, results),
        *_sentences("first stage", lambda result: result.cascade, results),
        *_sentences("raters", lambda result: result.raters, results),
    )
    table = Table(*(heading for heading, _ in columns))
    for result in results:
        table.add_row(*(cell(result) for _, cell in columns))
    return table


def _figures(result: SplitResult) -> str:
    return "\n".join(f"{NAMES[name]}: {show_figure(name, value)}" for name, value in result.figures.items())


def _breakdown(labels: Sequence[str], results: Sequence[SplitResult]) -> Columns[SplitResult]:
    """Return the columns of single-label splits."""
    if any(result.breakdown is None for result in results):
        return []
    return [("confusion (rows: truth)", partial(_confusion, labels)), ("accuracy by part", _parts)]


def _sentences(
    heading: str, part: Callable[[SplitResult], Cascade | Raters | None], results: Sequence[SplitResult]
) -> Columns[SplitResult]:
    """Return the column of figures that say themselves in a sentence, if any split has them."""
    if not any(map(part, results)):
        return ()

    def cell(result: SplitResult) -> str:
        found = part(result)
        return found.describe() if found else ""

    return ((heading, cell),)


def _against_fp32(result: SplitResult) -> str:
    if result.fp32 is None:
        return "not asked (--fp32)"
    main = next(value for name, value in result.figures.items() if name in MAIN.values())
    gain = 100 * (main - result.fp32.accuracy)
    return (
        f"{result.fp32.accuracy:.2%}: {gain:+.2f} points\n{result.fp32.flipped:.2%} of decisions flipped\n"
        f"largest change {result.fp32.largest_change:.3f}"
    )


def _confusion(labels: Sequence[str], result: SplitResult) -> str:
    rows = zip(labels, result.breakdown.confusion if result.breakdown else (), strict=True)
    return "\n".join(f"{name}: {', '.join(map(str, counts))}" for name, counts in rows)


def _parts(result: SplitResult) -> str:
    parts = (*result.breakdown.by_tokens, *result.breakdown.by_kind) if result.breakdown else ()
    return "\n".join(f"{part.name}: {part.accuracy:.1%} of {part.n}" for part in parts)


if __name__ == "__main__":
    sys.exit(main())
