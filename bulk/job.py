"""A job: what is scored with what, and what of it is done. The bookkeeping by which an interrupted run goes on.

Everything lies in the output folder, so that any machine can go on:

    _bulk/job.json                 what is scored with what; written first
    _bulk/parts/KEY/INDEX-….parquet    a scored part; its name holds its rows, errors and tokens
    _bulk/files/KEY.json           the figures of a whole file; written before its output appears
    reviews.parquet                the output of an input file, once all of its parts are there
    _report.json                   written last; then _bulk is removed, unless a file was refused

A part has one name, whoever scores it and however often, so a row is never there twice. KEY changes with the input's
content.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Final, Self

from artifact.scores import Problem
from bulk.errors import UsageError
from bulk.files.columns import ScoreColumns
from bulk.files.inputs import InputFile
from bulk.files.rows import AllColumns
from bulk.files.storage import SCRATCH, Folder
from training.reading import TextFormat

REPORT: Final = "_report.json"
OWN: Final = SCRATCH
_JOB: Final = f"{OWN}/job.json"
_PART: Final = re.compile(r"(\d+)-(\d+)-(\d+)-(\d+)\.parquet")


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the content of the output; a run goes on only with the same.

    Attributes:
        artifact: directory, on every machine that scores.
        model: its name, version and the checksum of its graph.
        text: the text's column.
        format: of the output: ``parquet``, ``csv`` or ``jsonl``.
        prefix: stands before the added columns.
        probabilities: whether every label's probability is added.
        max_chars: longer texts get an error.
        csv_safe: whether cells that a spreadsheet would compute are made harmless.
        stop: whether the first row with an error ends the run.
        encoding, separator, quotes: of text files, see ``training.reading.TextFormat``.
        text_pair: the second text's column; None for a model of single texts.
        problem: of the model's head; decides which columns are added.
        first_stage: whether the artifact's first stage answers easy texts.
    """

    artifact: str
    model: str
    text: str
    format: str = "parquet"
    prefix: str = ""
    probabilities: bool = False
    max_chars: int = 100_000
    csv_safe: bool = False
    stop: bool = False
    encoding: str = ""
    separator: str = ""
    quotes: str = "double"
    text_pair: str | None = None
    problem: Problem = "single_label"
    first_stage: bool = False

    @property
    def columns(self) -> ScoreColumns:
        """What scoring adds."""
        return ScoreColumns(self.prefix, self.probabilities, self.problem)

    @property
    def input_columns(self) -> AllColumns:
        """What an input must have and may not have."""
        written = TextFormat(self.encoding, self.separator, self.quotes)
        added = frozenset(self.columns.schema.names)
        return AllColumns(self.text, text_pair=self.text_pair, added=added, text_format=written)


@dataclass(frozen=True, slots=True)
class Count:
    """Rows, those of them with an error, and tokens read."""

    rows: int = 0
    errors: int = 0
    tokens: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.rows + other.rows, self.errors + other.errors, self.tokens + other.tokens)

    def __sub__(self, other: "Count") -> "Count":
        return Count(self.rows - other.rows, self.errors - other.errors, self.tokens - other.tokens)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A finished file.

    Attributes:
        input: its URL.
        output: its name in the output folder.
        mark: of the input's content.
        count: its rows, errors and tokens.
        labels: rows by label.
        notes: what a reader of the output should know.
    """

    input: str
    output: str
    mark: str
    count: Count
    labels: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Return the record of a JSON object."""
        return cls(**{**document, "count": Count(**document["count"]), "notes": tuple(document["notes"])})


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A part in the output folder: its index in the file, its name, and what it holds."""

    index: int
    name: str
    count: Count


class Job:
    """An output folder and what is done in it.

    Args:
        output: the folder.
        options: what decides the content of the output.
    """

    def __init__(self, output: Folder, options: Options) -> None:
        self.output = output
        self.options = options

    def check(self, outputs: Iterable[str], *, overwrite: bool) -> dict[str, FileRecord]:
        """Check that the folder is free for this job; return the records of files that are finished, by input URL.

        Args:
            outputs: names that are to be written.
            overwrite: whether an earlier job's output is replaced.

        Raises:
            UsageError: if the folder holds another job's output, or files of these names that no job wrote.
        """
        if overwrite:
            self.output.remove(OWN)
            self.output.remove(REPORT)
        earlier, report = self.output.read(_JOB), self.output.read(REPORT)
        reported = json.loads(report) if report is not None else {"files": []}
        if earlier is not None:
            self._check_same(json.loads(earlier))
        if report is not None:
            self._check_same(reported["options"])
        records = {record["input"]: FileRecord.of(record) for record in reported["files"]} | self.records()
        if not overwrite:
            self._refuse_foreign(set(outputs) - {record.output for record in records.values()})
        return records

    def claim(self) -> None:
        """Write what is scored with what into the output folder; workers look for it there."""
        self.output.write(_JOB, json.dumps(asdict(self.options)).encode())

    def is_here(self) -> bool:
        """Return whether this machine sees the job in the output folder."""
        return self.output.read(_JOB) is not None

    def records(self) -> dict[str, FileRecord]:
        """Return the records of the files that this job has finished, by input URL."""
        written = {entry.path for entry in self.output.entries()}
        found = {}
        for path in written:
            if path.startswith(f"{OWN}/files/") and (content := self.output.read(path)):
                record = FileRecord.of(json.loads(content))
                if record.output in written:
                    found[record.input] = record
        return found

    def parts(self, file: InputFile | None = None) -> list[ScoredPart]:
        """Return the scored parts of a file, or of all files, in order."""
        found = []
        for entry in self.output.entries(f"{OWN}/parts" + (f"/{key(file)}" if file else "")):
            match = _PART.fullmatch(entry.path.rpartition("/")[2])
            if match:
                index, *counts = map(int, match.groups())
                found.append(ScoredPart(index, entry.path, Count(*counts)))
        return found

    def count(self, files: Iterable[InputFile]) -> Count:
        """Return what the scored parts of some files hold; one listing."""
        keys = {key(file) for file in files}
        return sum((part.count for part in self.parts() if part.name.split("/")[-2] in keys), Count())

    def part_name(self, file: InputFile, index: int, count: Count) -> str:
        """Return where a scored part is stored."""
        return f"{OWN}/parts/{key(file)}/{index:06}-{count.rows}-{count.errors}-{count.tokens}.parquet"

    def record(self, file: InputFile, record: FileRecord) -> None:
        """Store a file's figures; its output must appear after this."""
        self.output.write(f"{OWN}/files/{key(file)}.json", json.dumps(asdict(record)).encode())

    def end(self, report: dict[str, Any], *, finished: bool) -> None:
        """Store the report; if every file is finished, remove the bookkeeping."""
        self.output.write(REPORT, json.dumps(report, indent=2, ensure_ascii=False).encode() + b"\n")
        if finished:
            self.output.remove(OWN)

    def _refuse_foreign(self, outputs: set[str]) -> None:
        taken = sorted(outputs & {entry.path for entry in self.output.entries()})
        if taken:
            raise UsageError(
                f"{self.output.child(taken[0])} is there already and no run of this job wrote it; "
                "choose another --output, or replace it with --overwrite"
            )

    def _check_same(self, earlier: dict[str, Any]) -> None:
        own = asdict(self.options)
        earlier = {each.name: each.default for each in fields(Options) if each.default is not MISSING} | earlier
        for name in own.keys() | earlier.keys():
            if name not in {"artifact", "stop"} and own.get(name) != earlier.get(name):
                raise UsageError(
                    f"{self.output} holds rows scored with {name} {earlier.get(name)!r}, now it is {own.get(name)!r}; "
                    "give the same options to go on, choose another --output, or start anew with --overwrite"
                )


def key(file: InputFile) -> str:
    """Return the name of a file in the bookkeeping: short, readable, and another one when its content changes."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", file.name)[-60:]
    return f"{readable}-{hashlib.sha256(f'{file.url} {file.size} {file.mark}'.encode()).hexdigest()[:12]}"
