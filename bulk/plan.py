"""Input files -> tasks, and how many rows there are.

Parquet files say how many rows they have and can be read from anywhere: their tasks are ranges of parts. Text files
are read from the start by each of their tasks, which score every so-many-th part: reading is a thousandth of the work.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from bulk.files.inputs import InputFile
from bulk.files.rows import PART_ROWS, count_rows
from bulk.task import Task
from training.reading import DataError

_TASKS_PER_WORKER: Final = 32
"""The last tasks of a run leave workers idle for half a task: a sixty-fourth of the time."""
_TASK_BYTES: Final = 2**16
"""A text file gets no more tasks than it has times so many bytes: a part of sentences."""
_FOOTERS: Final = 16
"""Parquet footers read at the same time; an object store takes 50 ms for each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of a run.

    Attributes:
        tasks: text files first: they are the long ones.
        rows: of the Parquet files.
        text_bytes: of the text files, whose rows are not known.
        refused: why a file cannot be scored, by URL.
    """

    tasks: tuple[Task, ...]
    rows: int
    text_bytes: int
    refused: dict[str, str]


def plan(files: Sequence[InputFile], outputs: dict[str, str], workers: int) -> Plan:
    """Return the tasks for some files.

    Args:
        files: to score.
        outputs: name of each file's output by its own name.
        workers: tasks that run at the same time.
    """
    text = [file for file in files if file.suffix != ".parquet"]
    shares = workers if len(files) < _TASKS_PER_WORKER * workers else 1
    tasks = [
        Task(file, outputs[file.name], first, step)
        for file in text
        for step in [max(1, min(shares, file.size // _TASK_BYTES))]
        for first in range(step)
    ]
    rows: dict[str, int] = {}
    refused: dict[str, str] = {}
    tables = [file for file in files if file.suffix == ".parquet"]
    with ThreadPoolExecutor(_FOOTERS) as threads:
        for file, counted in zip(tables, threads.map(_count, tables), strict=True):
            if isinstance(counted, int):
                rows[file.url] = counted
            else:
                refused[file.url] = counted
    parts = {url: max(1, -(-count // PART_ROWS)) for url, count in rows.items()}
    size = max(1, sum(parts.values()) // (_TASKS_PER_WORKER * workers))
    for file in tables:
        count = parts.get(file.url, 0)
        tasks += [
            Task(file, outputs[file.name], first, 1, min(first + size, count), count) for first in range(0, count, size)
        ]
    return Plan(tuple(tasks), sum(rows.values()), sum(file.size for file in text), refused)


def _count(file: InputFile) -> int | str:
    try:
        return count_rows(file)
    except DataError as error:
        return str(error)
