"""Small files of rows for bulk scoring, and its scorer of the tiny artifact."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from bulk.files.inputs import InputFile, find
from bulk.files.storage import Folder
from bulk.job import Job, Options
from bulk.scoring import TextScorer
from bulk.task import describe
from tests.support.tiny import TINY


def write_parquet(path: Path, columns: dict[str, Sequence[Any]], *, row_group_size: int | None = None) -> Path:
    """Write a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def write_json_lines(path: Path, rows: Sequence[Any]) -> Path:
    """Write a JSON lines file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def words(rows: int) -> list[str]:
    """Return texts of 1 to 13 words that the tiny artifact knows; neighbours differ."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [" ".join(letters[(row * 7 + place * 3) % 26] for place in range(1 + row % 13)) for row in range(rows)]


def only(path: Path) -> InputFile:
    """Return the input file of a path."""
    (file,) = find([str(path)]).files
    return file


def make_scorer(max_chars: int = 1000) -> TextScorer:
    """Return the scorer of the tiny artifact."""
    return TextScorer.load(TINY, max_chars=max_chars)


def make_options(**changes: Any) -> Options:
    """Return the options of a job of the tiny artifact, with some changed."""
    model = describe(make_scorer().artifact.manifest)
    return Options(**({"artifact": str(TINY), "model": model, "text": "text"} | changes))


def make_job(output: Path, **changes: Any) -> Job:
    """Return a job of the tiny artifact that has claimed its output folder."""
    job = Job(Folder(str(output)), make_options(**changes))
    job.claim()
    return job
