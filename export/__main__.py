"""``python -m export CHECKPOINT --output DIR``: find the fastest graph that passes its gates, and package it."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import get_args

from rich.console import Console

from artifact.scores import Problem
from export.errors import ExportError
from export.measure.select import Gates
from export.progress import Progress, quiet_libraries
from export.variants import CANDIDATES, Target, candidates
from training.reading import DataError, FileSource, parse_file


def main(arguments: list[str] | None = None) -> int:
    """Run the export; return 0, or 1 after one line, or the table, with the reason."""
    options = _parser().parse_args(arguments)
    with quiet_libraries():
        return _export(options)


def _export(options: argparse.Namespace) -> int:
    console = Console(stderr=True)
    from export import pipeline  # noqa: PLC0415 - torch takes seconds; --help should not
    from export.source.head import HeadChoice  # noqa: PLC0415 - as above
    from export.write import package, report  # noqa: PLC0415 - as above
    from export.write.artifact import fill as fill_artifact  # noqa: PLC0415 - as above

    request = pipeline.ExportRequest(
        options.checkpoint,
        options.output,
        tuple(options.data),
        options.target,
        Gates(
            largest_change=options.max_change,
            size_bytes=None if options.max_size_mb is None else round(options.max_size_mb * 1e6),
        ),
        table=tuple(variant for variant in candidates(options.target) if variant.name in options.only) or None,
        revision=options.revision,
        max_length=options.max_length,
        head=HeadChoice(options.problem, options.activation, options.pairs),
    )
    progress = Progress(console)
    chosen: list[str] = []

    def finish(findings: pipeline.Findings) -> None:
        Console(width=None if sys.stdout.isatty() else 220).print(report.table(findings))
        if findings.chosen is None:
            return
        fill = partial(fill_artifact, findings, durations_s=progress.durations_s)
        package.write_atomically(options.output, fill)
        chosen.append(findings.chosen.name)

    try:
        pipeline.run(request, progress, finish)
    except ExportError as error:
        console.print(f"[red]export failed:[/] {error}", highlight=False, soft_wrap=True)
        return 1
    if not chosen:
        console.print("[red]export failed:[/] no candidate passes the gates; nothing was written", soft_wrap=True)
        return 1
    console.print(f"{chosen[0]} is in {options.output}; the report is in {options.output}/report", soft_wrap=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument(
        "checkpoint",
        help="directory of a text classifier (training's, a Trainer's, an adapter's), or its name on the hub",
    )
    parser.add_argument("--revision", help="branch, tag or commit on the hub (default: its main branch)")
    parser.add_argument("--output", type=Path, required=True, help="artifact directory to write or replace")
    parser.add_argument(
        "--data",
        type=_file,
        action="append",
        default=[],
        metavar="FILE",
        help="held-out rows instead of the checkpoint's own: parquet, csv, tsv or json with text and label, or texts "
        "alone, or txt; options follow after commas: text=COLUMN,text_pair=COLUMN,label=COLUMN (docs/data.md); "
        "half calibrates, half measures; never a test split; may be given several times. Without any, texts that the "
        "project ships are used",
    )
    parser.add_argument(
        "--max-length",
        type=int,
        metavar="TOKENS",
        help="most tokens that are read of a text (default: as in training, else what the model can, at most 512)",
    )
    parser.add_argument(
        "--problem",
        choices=get_args(Problem),
        help="what the model answers: one label, any number of labels, or a value (default: as its config.json says; "
        "docs/heads.md)",
    )
    parser.add_argument(
        "--activation",
        choices=("identity", "sigmoid"),
        help="how a model of one logit makes its value (default: as its config.json says)",
    )
    parser.add_argument(
        "--pairs",
        action=argparse.BooleanOptionalAction,
        help="whether the model reads a text and its text_pair (default: as configuration, labels or data say)",
    )
    parser.add_argument(
        "--target",
        choices=get_args(Target),
        default="portable",
        help="CPU to export for; portable is right on every CPU and as fast with VNNI (default: portable)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=[variant.name for variant in CANDIDATES],
        metavar="CANDIDATE",
        help="compare this candidate alone with the baselines; may be given several times",
    )
    parser.add_argument(
        "--max-change",
        type=float,
        default=Gates().largest_change,
        help="largest change of a score against fp32 on any measured text (default: %(default)s)",
    )
    parser.add_argument(
        "--max-size-mb",
        type=float,
        metavar="MB",
        help="largest graph in millions of bytes (default: any; models/default was exported with 24.2)",
    )
    return parser


def _file(value: str) -> FileSource:
    try:
        return parse_file(value, group="source", may_lack_label=True)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
