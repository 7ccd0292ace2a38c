"""A run: what is missing of a job is planned, scored and reported."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from rich.console import Console

from bulk.engine import Engine
from bulk.errors import BulkError, UsageError
from bulk.files.inputs import InputFile, Inputs
from bulk.files.storage import file_system
from bulk.job import FileRecord, Job
from bulk.plan import Plan, plan
from bulk.show.preview import sample
from bulk.show.progress import ProgressDisplay
from bulk.show.report import Report
from training.reading import DataError

_SAMPLED: Final = 1000
"""Rows by which the number of rows of text files is estimated."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to run.

    Attributes:
        inputs: the files.
        job: the output and what decides its content.
        overwrite: whether an earlier job's output is replaced.
        price: of a vCPU for an hour; None if unknown.
        started: ``time.monotonic()`` when the command began.
    """

    inputs: Inputs
    job: Job
    overwrite: bool
    price: float | None
    started: float


def run(request: Request, engine: Callable[[], Engine], console: Console) -> Report | None:
    """Score what is missing, write the outputs and the report.

    Args:
        request: what to run.
        engine: starts what runs the tasks; not called where nothing is missing.
        console: where progress is shown.

    Returns:
        the report; None if every file was finished already.

    Raises:
        UsageError: if the output folder does not fit the job.
        BulkError: if the run had to end before all files were scored.
    """
    job, files = request.job, request.inputs.files
    outputs = request.inputs.outputs(job.options.format)
    _check_places(files, [job.output.child(name) for name in outputs.values()])
    finished = job.check(outputs.values(), overwrite=request.overwrite)
    missing = [file for file in files if not _is_finished(file, finished)]
    if not missing:
        return None
    job.claim()
    started = engine()
    before = job.count(files)
    planned = plan(missing, outputs, started.workers)
    refused = planned.refused | _score(job, files, planned, started, console)
    finished |= job.records()
    _check_complete(missing, finished, refused)
    report = Report(
        options=job.options,
        files=[finished[file.url] for file in files if file.url in finished],
        refused=refused,
        left_alone=request.inputs.left_alone,
        scored=job.count(files) - before,
        seconds=time.monotonic() - request.started,
        vcpus=started.workers,
        price=request.price,
    )
    job.end(report.document(), finished=not refused)
    return report


def _score(job: Job, files: Sequence[InputFile], planned: Plan, engine: Engine, console: Console) -> dict[str, str]:
    """Run the tasks; return why files were refused, by URL."""
    refused: dict[str, str] = {}
    resumed = job.count(files).rows
    total = planned.rows + _estimate(job, planned) + sum(record.count.rows for record in job.records().values())
    exact = not any(task.file.suffix != ".parquet" for task in planned.tasks)
    if resumed:
        console.print(f"{resumed:,} rows were scored by an earlier run; going on from there", highlight=False)
    counted = partial(job.count, files)
    with ProgressDisplay(console, counted, resumed=resumed, total=total, exact=exact):
        for outcome in engine.run(job, planned.tasks) if planned.tasks else ():
            if outcome.fatal is not None:
                raise BulkError(outcome.fatal)
            if outcome.refused is not None:
                refused.setdefault(outcome.input, outcome.refused)
    return refused


def _estimate(job: Job, planned: Plan) -> int:
    """Return about how many rows the text files have."""
    text = [file for file in {task.file.url: task.file for task in planned.tasks}.values() if file.suffix != ".parquet"]
    if not text:
        return 0
    try:
        bytes_per_row = sample(text, job.options.input_columns, _SAMPLED).bytes_per_row
    except DataError:  # a task will say so
        return 0
    return round(planned.text_bytes / bytes_per_row) if bytes_per_row else 0


def _is_finished(file: InputFile, finished: dict[str, FileRecord]) -> bool:
    record = finished.get(file.url)
    if record is not None and record.mark != file.mark:
        raise UsageError(
            f"{file} has changed since it was scored into {record.output}; score it into another --output, "
            "or everything anew with --overwrite"
        )
    return record is not None


def _check_places(files: Sequence[InputFile], outputs: Sequence[str]) -> None:
    places = {file_system(output)[1] for output in outputs}
    for file in files:
        if file_system(file.url)[1] in places:
            raise UsageError(f"the output would replace its input {file}; choose another --output")


def _check_complete(files: Sequence[InputFile], finished: dict[str, FileRecord], refused: dict[str, str]) -> None:
    for file in files:
        if file.url not in finished and file.url not in refused:
            raise BulkError(f"{file} was scored and has no output; give the same command again. This is a bug")
