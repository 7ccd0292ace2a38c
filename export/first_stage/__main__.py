"""``python -m export.first_stage ARTIFACT --data reviews.parquet``: add the first stage of a cascade to an artifact.

It learns from the artifact's own answers to the texts, so labels are not needed; with them it says what they show. The
graph stays as it is: a server answers byte for byte as before until ``VERDICT_FIRST_STAGE=on``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from artifact.manifest import Artifact, ArtifactError, load_artifact
from export.errors import ExportError
from export.first_stage.fit import fit_first_stage, read_cues, ticks
from export.first_stage.record import FIGURES, record
from export.first_stage.texts import answer, read
from export.progress import Progress
from export.write.package import check_replaceable
from training.reading import DataError, FileSource, parse_file

_CUES: Final = Path(__file__).with_name("cues.txt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Add a first stage; return 0, or 1 after one line with the reason."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        artifact = load_artifact(options.artifact)
        output = options.output or options.artifact
        check_replaceable(output)
        _check_head(artifact)
        cues = read_cues(options.cues)
        progress = Progress(console)
        texts = read(artifact, options.data)
        with progress.step("answer with the graph", len(texts)) as tick:
            answered = answer(artifact, texts, tick)
        with progress.step("learn", ticks(answered)) as tick:
            fitted = fit_first_stage(artifact, answered, cues, options.loss / 100, tick)
        record(artifact, fitted, output)
    except (ExportError, ArtifactError) as error:
        console.print(f"[red]no first stage:[/] {error}", highlight=False, soft_wrap=True)
        return 1
    table = Table(*(heading for heading, _ in FIGURES))
    for row in fitted.figures:
        table.add_row(*(cell(row) for _, cell in FIGURES))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def _check_head(artifact: Artifact) -> None:
    manifest = artifact.manifest
    if manifest.pairs or manifest.problem == "regression":
        kind = "reads pairs" if manifest.pairs else "is a regression"
        raise ExportError(f"{artifact.directory} {kind}; a first stage answers single texts with labels")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.first_stage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("artifact", type=Path, help="artifact directory")
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        type=_file,
        metavar="PATH[,option=value…]",
        help="thousands of texts like those to come, with or without labels; may be given several times",
    )
    parser.add_argument("--output", type=Path, help="where to write the artifact; by default it is replaced")
    parser.add_argument(
        "--loss",
        type=_percent,
        default=0.1,
        help="texts in 100 whose answer may become wrong (default 0.1)",
    )
    parser.add_argument(
        "--cues", type=Path, default=_CUES, help="file of words; the graph answers short texts that hold one"
    )
    return parser


def _file(value: str) -> FileSource:
    try:
        return parse_file(value, group="source", may_lack_label=True)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _percent(value: str) -> float:
    number = float(value)
    if not 0 < number <= 100:  # noqa: PLR2004 - per cent
        raise argparse.ArgumentTypeError(f"{value} is not above 0 and at most 100")
    return number


if __name__ == "__main__":
    sys.exit(main())
