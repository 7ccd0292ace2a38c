"""One task: some parts of one file, read, scored and stored; the last one of a file writes its output.

A worker runs tasks in any number of threads. It knows neither daft nor Ray: a task comes in and goes out as JSON.
"""

import dataclasses
import json
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import BufferOutputStream, parquet

from artifact.manifest import ArtifactError, Manifest
from bulk.errors import BulkError
from bulk.files import outputs
from bulk.files.inputs import InputFile
from bulk.files.rows import Part, read_parts
from bulk.files.storage import Folder
from bulk.job import Count, FileRecord, Job, Options
from bulk.scoring import Score, TextScorer, shared_scorer
from training.reading import DataError


@dataclass(frozen=True, slots=True)
class Task:
    """Parts of a file: from ``first``, every ``step``-th, before ``stop``; None is the end of the file.

    Attributes:
        file: the input.
        output: name of its output.
        parts: the file's parts where they are known.
    """

    file: InputFile
    output: str
    first: int = 0
    step: int = 1
    stop: int | None = None
    parts: int | None = None

    def wants(self, index: int) -> bool:
        """Return whether a part belongs to this task."""
        inside = index >= self.first and (self.stop is None or index < self.stop)
        return inside and (index - self.first) % self.step == 0

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def of(cls, document: str) -> "Task":
        """Return the task of such a JSON."""
        values = json.loads(document)
        return cls(**{**values, "file": InputFile(**values["file"])})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task.

    Attributes:
        input: URL of its file.
        refused: why the file cannot be scored; None if it can.
        fatal: why the run must end; None if it goes on.
    """

    input: str
    refused: str | None = None
    fatal: str | None = None

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def of(cls, document: str) -> "Outcome":
        """Return the outcome of such a JSON."""
        return cls(**json.loads(document))


class Worker:
    """Runs tasks of one job.

    Args:
        output: URL of the output folder.
        options: of the job.
    """

    def __init__(self, output: str, options: dict[str, Any]) -> None:
        self._job = Job(Folder(output), Options(**options))
        self._columns = self._job.options.columns

    def run(self, task: Task) -> Outcome:
        """Score what is missing of a task; write the file's output if no part is missing then."""
        try:
            self._score_parts(task)
        except DataError as error:
            return Outcome(task.file.url, refused=str(error))
        except BulkError as error:
            return Outcome(task.file.url, fatal=str(error))
        except OSError as error:  # reading is a DataError
            return Outcome(task.file.url, fatal=f"{self._job.output} cannot be written: {error}")
        return Outcome(task.file.url)

    def _score_parts(self, task: Task) -> None:
        scorer = self._scorer()
        there = {part.index for part in self._job.parts(task.file)}
        count = 0
        for index, part in enumerate(self._parts(task, there)):
            count = index + 1
            if part is not None:
                self._score(scorer, task.file, part)
        self._finish(task, task.parts or count)

    def _parts(self, task: Task, there: set[int]) -> Iterator[Part | None]:
        parts = read_parts(
            task.file, self._job.options.input_columns, lambda index: task.wants(index) and index not in there
        )
        for index, part in enumerate(parts):
            if task.stop is not None and index >= task.stop:
                return
            yield part

    def _scorer(self) -> TextScorer:
        """Return this machine's scorer, after a check that it works for this job.

        Raises:
            BulkError: if the artifact or the output folder is not the job's on this machine.
        """
        options = self._job.options
        if not self._job.is_here():
            raise BulkError(
                f"{socket.gethostname()} does not see {self._job.output}; write to a store that every node shares, "
                "such as s3://"
            )
        try:
            scorer = shared_scorer(Path(options.artifact), options.max_chars, first_stage=options.first_stage)
        except ArtifactError as error:
            raise BulkError(f"{error}; every node needs it (this is {socket.gethostname()})") from error
        if (found := describe(scorer.artifact.manifest)) != options.model:
            raise BulkError(f"{options.artifact} holds {found} on one machine and {options.model} on another")
        return scorer

    def _score(self, scorer: TextScorer, file: InputFile, part: Part) -> None:
        scores = scorer.score(part.texts)
        if self._job.options.stop:
            self._stop_at_an_error(file, part, scores)
        scored = self._columns.add_to(part.table, scores)
        tokens = sum(score.tokens for score in scores)
        count = Count(len(scores), sum(score.error is not None for score in scores), tokens)
        with BufferOutputStream() as stream:
            parquet.write_table(scored, stream, compression="zstd")
            content = stream.getvalue().to_pybytes()
        self._job.output.write(self._job.part_name(file, part.index, count), content)

    def _stop_at_an_error(self, file: InputFile, part: Part, scores: list[Score]) -> None:
        for number, score in zip(part.numbers, scores, strict=True):
            if score.error is not None:
                unit = "row" if file.suffix == ".parquet" else "line"
                raise BulkError(
                    f"{file} {unit} {number}, column {self._job.options.text!r}: {score.error}; correct the row, "
                    "or score the others with --on-error record"
                )

    def _finish(self, task: Task, parts: int) -> None:
        """Write the output if all parts are there; two tasks that find it so write the same."""
        there = {part.index: part for part in self._job.parts(task.file)}
        if there.keys() != set(range(parts)):
            return
        names = [there[index].name for index in range(parts)]

        def read() -> Iterator[pa.Table]:
            for name in names:
                content = self._job.output.read(name)
                yield parquet.read_table(pa.BufferReader(content))

        options = self._job.options
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "output"
            written = outputs.write(local, options.format, read, self._columns, csv_safe=options.csv_safe)
            count = sum((part.count for part in there.values()), Count())
            record = FileRecord(
                task.file.url, task.output, task.file.mark, count, dict(written.labels), tuple(written.notes)
            )
            self._job.record(task.file, record)
            self._job.output.upload(task.output, local)


def describe(manifest: Manifest) -> str:
    """Return a model's name, version and the start of its digest, which covers all that changes a score."""
    return f"{manifest.name} {manifest.version} ({(manifest.digest or '')[:12]})"
