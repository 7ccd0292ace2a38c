"""The command line: ``python -m bulk FILES --output FOLDER``: the same files with scores.

Owns options and exit codes: 0 when every file is scored (rows may have errors), 1 when a file was refused or the run
had to end, 2 for wrong options or an output folder that does not fit, 130 after Ctrl-C. An interrupted run goes on
when the same command is given again.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from artifact.cpu import cpu_quota, default_threads
from artifact.manifest import ArtifactError, read_manifest
from bulk.errors import BulkError, UsageError
from training.reading import DataError
from training.reading.source import format_of

if TYPE_CHECKING:
    from bulk.files.inputs import InputFile
    from bulk.job import Options

_FAILED, _WRONG = 1, 2
_STOPPED = 130  # what shells report of a command that Ctrl-C ended
_DRY_ROWS = 1000
_END_OF_BAR = "\r\x1b[2K\x1b[?25h"  # clears the line and shows the cursor, which the bar hides


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bulk",
        description="Score texts in files. A killed run goes on when started again.",
        epilog="exit codes: 0 all files scored, 1 a file refused or the run ended, 2 wrong options, 130 Ctrl-C",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="parquet, csv, tsv, jsonl or txt file (also .gz, .bz2, .zst), a folder, a pattern "
        "such as 'data/**/*.csv', or s3://, gs://, az://, hf://datasets/…",
    )
    parser.add_argument("--output", metavar="FOLDER", help="folder or URL for the scored files and _report.json")
    parser.add_argument("--artifact", default="models/default", help="the model (default: %(default)s)")
    parser.add_argument("--text", metavar="COLUMN", help="the text's column; guessed if only one can be it")
    parser.add_argument(
        "--text-pair", metavar="COLUMN", help="the second text's column, for models of pairs (default: text_pair)"
    )
    parser.add_argument("--encoding", default="", help="of text files that are not UTF-8, such as windows-1252")
    parser.add_argument(
        "--separator", default="", help="csv and tsv: if the header does not show it; tab, or one character"
    )
    parser.add_argument(
        "--quotes", choices=("double", "none"), default="double", help="csv and tsv: none if each line is a row"
    )
    parser.add_argument("--format", choices=("parquet", "csv", "jsonl"), default="parquet", help="of the output")
    parser.add_argument("--probabilities", action="store_true", help="add the probability of every label")
    parser.add_argument("--prefix", default="", help="stands before the names of the added columns")
    parser.add_argument("--csv-safe", action="store_true", help="csv: an apostrophe before cells that would compute")
    parser.add_argument(
        "--max-chars", type=int, default=100_000, help="longer texts get an error (default: %(default)s)"
    )
    parser.add_argument(
        "--on-error", choices=("record", "stop"), default="record", help="of a row: note it there, or end the run"
    )
    parser.add_argument(
        "--first-stage", action="store_true", help="let the artifact's first stage answer easy texts (docs/cascade.md)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run wrote")
    parser.add_argument("--workers", type=int, default=0, help="threads on this machine; 0 takes every core")
    parser.add_argument("--ray", metavar="ADDRESS", help="score on a Ray cluster: ray://HOST:10001, or auto inside it")
    parser.add_argument("--price", type=float, help="of a vCPU for an hour; the report says the cost")
    parser.add_argument("--dry-run", action="store_true", help="score 1,000 rows and estimate time and cost")
    parser.add_argument("--vcpus", type=int, default=0, help="--dry-run: vCPUs to estimate for; 0 is this machine's")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="print the scores of N rows, write nothing")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    started = time.monotonic()
    parser = _parser()
    options = parser.parse_args(arguments)
    errors = Console(stderr=True)
    if not options.output and not (options.dry_run or options.sample):
        parser.error("--output FOLDER is missing; --dry-run and --sample write nothing")
    if options.max_chars < 1 or options.workers < 0 or options.vcpus < 0 or options.sample < 0:
        parser.error("--max-chars must be 1 or more, --workers, --vcpus and --sample 0 or more")
    try:
        return _run(options, started, errors)
    except (BulkError, DataError, ArtifactError) as error:
        sys.stderr.write(f"error: {error}\n")
        return _WRONG if isinstance(error, UsageError) else _FAILED


def _run(options: argparse.Namespace, started: float, console: Console) -> int:
    from bulk.files.columns import ScoreColumns  # noqa: PLC0415 - pyarrow takes a while; --help and wrong options should not
    from bulk.files.inputs import find  # noqa: PLC0415 - pyarrow takes a while; --help and wrong options should not
    from bulk.files.storage import Folder  # noqa: PLC0415 - as above
    from bulk.job import Job, Options  # noqa: PLC0415 - as above
    from bulk.show.preview import PAIR, choose_text  # noqa: PLC0415 - as above
    from bulk.task import describe  # noqa: PLC0415 - as above

    manifest = read_manifest(Path(options.artifact))
    if options.text_pair and not manifest.pairs:
        raise UsageError(f"{options.artifact} reads single texts, no pairs; leave --text-pair out")
    pair = (options.text_pair or PAIR) if manifest.pairs else None
    inputs = find(options.inputs)
    added = ScoreColumns(options.prefix, options.probabilities, manifest.problem)
    written = format_of({name: getattr(options, name) for name in ("encoding", "separator", "quotes")})
    chosen = Options(
        artifact=str(Path(options.artifact).resolve()),
        model=describe(manifest),
        text=choose_text(inputs.files, options.text, added.schema.names, written, pair=pair),
        format=options.format,
        prefix=options.prefix,
        probabilities=options.probabilities,
        max_chars=options.max_chars,
        csv_safe=options.csv_safe,
        stop=options.on_error == "stop",
        encoding=written.encoding,
        separator=written.separator,
        quotes=written.quotes,
        text_pair=pair,
        problem=manifest.problem,
        first_stage=options.first_stage,
    )
    workers = options.workers or default_threads(cpu_quota())
    if options.sample or options.dry_run:
        return _preview(options, chosen, inputs.files, workers)

    from bulk.engine import NativeEngine, RayEngine  # noqa: PLC0415 - daft takes half a second
    from bulk.run import Request, run  # noqa: PLC0415 - as above

    _end_at_once_on_ctrl_c()
    job = Job(Folder(options.output.rstrip("/")), chosen)
    request = Request(inputs, job, options.overwrite, options.price, started)
    start = partial(RayEngine, options.ray) if options.ray else partial(NativeEngine, workers)
    report = run(request, start, console)
    if report is None:
        console.print(
            f"every file is scored already into {options.output}; --overwrite scores them anew", soft_wrap=True
        )
        return 0
    Console(width=None if sys.stdout.isatty() else 200).print(report.table(options.output))
    return _FAILED if report.refused else 0


def _preview(options: argparse.Namespace, chosen: "Options", files: "Sequence[InputFile]", workers: int) -> int:
    from bulk.show.estimate import estimate, sample_table  # noqa: PLC0415 - daft takes half a second

    out = Console(width=None if sys.stdout.isatty() else 200)
    if options.sample:
        out.print(sample_table(files, chosen, options.sample))
    if options.dry_run:
        vcpus = options.vcpus or workers
        found = estimate(files, chosen, rows=_DRY_ROWS, workers=workers, vcpus=vcpus, price=options.price)
        out.print(found.table())
    return 0


def _end_at_once_on_ctrl_c() -> None:
    """End without waiting for the parts that are being scored: all that is stored is whole."""

    def stop(_: int, __: FrameType | None) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(_END_OF_BAR)
        sys.stderr.write("\nstopped; what is scored is kept, the same command goes on from there\n")
        sys.stderr.flush()
        os._exit(_STOPPED)

    signal.signal(signal.SIGINT, stop)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    if code:
        os._exit(code)  # tasks may still run, for minutes
