"""Tasks: parts are scored once, whoever scores them, and the last one writes the file's output."""

from dataclasses import asdict
from pathlib import Path

import pytest
from pyarrow import parquet

from bulk.files.rows import PART_ROWS
from bulk.job import Job
from bulk.task import Task, Worker
from tests.support.tables import make_job, make_scorer, only, words, write_parquet

TEXTS = words(2 * PART_ROWS + 5)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return an input of three parts."""
    return write_parquet(tmp_path / "in.parquet", {"id": list(range(len(TEXTS))), "text": TEXTS})


def worker(job: Job) -> Worker:
    """Return a worker of a job."""
    return Worker(str(job.output), asdict(job.options))


def tasks(source: Path) -> list[Task]:
    """Return a task for each part."""
    return [Task(only(source), "in.parquet", first, 1, first + 1, 3) for first in range(3)]


def test_the_output_appears_with_the_last_part(tmp_path: Path, source: Path) -> None:
    """Whole, in the order of the input, whatever the order of the parts."""
    job = make_job(tmp_path / "out")
    for task in reversed(tasks(source)):
        assert not (tmp_path / "out" / "in.parquet").exists()
        assert worker(job).run(task).refused is None
    found = parquet.read_table(tmp_path / "out" / "in.parquet")
    assert list(range(len(TEXTS))) == found["id"].to_pylist()
    assert [score.score for score in make_scorer().score(TEXTS)] == found["score"].to_pylist()
    (record,) = job.records().values()
    assert (len(TEXTS), 0) == (record.count.rows, record.count.errors)


def test_a_part_that_is_there_is_not_scored_again(tmp_path: Path, source: Path) -> None:
    """A run that goes on leaves alone what another one has done; a task that is given twice does no harm."""
    job = make_job(tmp_path / "out")
    first = tasks(source)[0]
    worker(job).run(first)
    (part,) = (tmp_path / "out").rglob("000000-*.parquet")
    written_at = part.stat().st_mtime_ns
    for task in [*tasks(source), first]:
        worker(job).run(task)
    assert written_at == part.stat().st_mtime_ns
    assert len(TEXTS) == parquet.read_metadata(tmp_path / "out" / "in.parquet").num_rows


def test_shares_of_a_text_file_make_one_output(tmp_path: Path) -> None:
    """Each reads the whole file and scores every third part."""
    source = tmp_path / "in.txt"
    source.write_text("".join(text + "\n" for text in TEXTS))
    job = make_job(tmp_path / "out")
    for first in range(3):
        worker(job).run(Task(only(source), "in.parquet", first, 3))
    assert TEXTS == parquet.read_table(tmp_path / "out" / "in.parquet")["text"].to_pylist()


def test_a_malformed_file_is_refused_and_has_no_output(tmp_path: Path) -> None:
    """Also if its first parts were fine."""
    source = tmp_path / "in.csv"
    source.write_text("id,text\n" + "1,good\n" * PART_ROWS + "2\n")
    outcome = worker(make_job(tmp_path / "out")).run(Task(only(source), "in.parquet"))
    assert outcome.refused is not None
    assert f"line {PART_ROWS + 2} has 1 fields" in outcome.refused
    assert not (tmp_path / "out" / "in.parquet").exists()


def test_the_first_row_with_an_error_ends_the_run_if_asked(tmp_path: Path) -> None:
    """Its file, line and column are named."""
    source = tmp_path / "in.csv"
    source.write_text('text\ngood\n""\n')
    outcome = worker(make_job(tmp_path / "out", stop=True)).run(Task(only(source), "in.parquet"))
    assert outcome.fatal is not None
    assert "in.csv line 3, column 'text': the text is empty; correct the row" in outcome.fatal


def test_a_machine_that_does_not_see_the_output_says_so(tmp_path: Path, source: Path) -> None:
    """A local folder of another machine would swallow the scores."""
    job = make_job(tmp_path / "out")
    (tmp_path / "out" / "_bulk" / "job.json").unlink()
    outcome = worker(job).run(tasks(source)[0])
    assert outcome.fatal is not None
    assert "does not see" in outcome.fatal


@pytest.mark.parametrize(
    ("change", "message"),
    [({"model": "other 2 (0)"}, "on one machine and other 2"), ({"artifact": "/none"}, "no artifact in /none")],
)
def test_a_machine_with_another_model_says_so(
    tmp_path: Path, source: Path, change: dict[str, str], message: str
) -> None:
    """Scores of two models never share a file."""
    outcome = worker(make_job(tmp_path / "out", **change)).run(tasks(source)[0])
    assert outcome.fatal is not None
    assert message in outcome.fatal
