"""Jobs: what is done is known from the output folder alone, and nobody's files are replaced unasked."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from bulk.errors import UsageError
from bulk.files.storage import Folder
from bulk.job import REPORT, Count, FileRecord, Job
from tests.support.tables import make_job, make_options, only


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return an input file."""
    path = tmp_path / "in.csv"
    path.write_text("text\ngood\n")
    return path


def finish(job: Job, source: Path, output: str = "in.parquet") -> FileRecord:
    """Record a file and write its output."""
    file = only(source)
    record = FileRecord(file.url, output, file.mark, Count(1, 0, 3), {"positive": 1}, ("a note",))
    job.record(file, record)
    job.output.write(output, b"scored")
    return record


def test_a_part_is_found_by_its_name_with_its_counts(tmp_path: Path, source: Path) -> None:
    """One listing says how far a run is."""
    job, file = make_job(tmp_path / "out"), only(source)
    job.output.write(job.part_name(file, 3, Count(512, 2, 9000)), b"")
    job.output.write(job.part_name(file, 1, Count(512, 0, 7000)), b"")
    assert [(1, Count(512, 0, 7000)), (3, Count(512, 2, 9000))] == [(p.index, p.count) for p in job.parts(file)]
    assert Count(1024, 2, 16000) == job.count([file])


def test_parts_of_a_file_that_has_changed_do_not_count(tmp_path: Path, source: Path) -> None:
    """They were made of other rows."""
    job = make_job(tmp_path / "out")
    job.output.write(job.part_name(only(source), 0, Count(1, 0, 3)), b"")
    source.write_text("text\ngood\nbad\n")
    assert ([], Count()) == (job.parts(only(source)), job.count([only(source)]))


def test_a_file_is_finished_when_its_output_is_there(tmp_path: Path, source: Path) -> None:
    """A record alone was written by a run that was killed before the output appeared."""
    job = make_job(tmp_path / "out")
    record = finish(job, source)
    assert {record.input: record} == job.check(["in.parquet"], overwrite=False)
    (tmp_path / "out" / "in.parquet").unlink()
    assert {} == job.check(["in.parquet"], overwrite=False)


def test_the_report_remembers_files_after_the_bookkeeping_is_gone(tmp_path: Path, source: Path) -> None:
    """The same command later finds nothing to do, and with more inputs only what is new."""
    job = make_job(tmp_path / "out")
    record = finish(job, source)
    job.end({"options": asdict(job.options), "files": [asdict(record)]}, finished=True)
    assert ["_report.json", "in.parquet"] == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {record.input: record} == job.check(["in.parquet"], overwrite=False)


def test_the_bookkeeping_stays_while_a_file_is_missing(tmp_path: Path, source: Path) -> None:
    """Once the file is mended, the same command scores it alone."""
    job = make_job(tmp_path / "out")
    record = finish(job, source)
    job.end({"options": asdict(job.options), "files": [asdict(record)]}, finished=False)
    assert (tmp_path / "out" / "_bulk" / "job.json").exists()


def test_a_foreign_file_is_not_replaced(tmp_path: Path) -> None:
    """Only with --overwrite."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "in.parquet").write_bytes(b"mine")
    job = Job(Folder(str(folder)), make_options())
    with pytest.raises(UsageError, match=r"in\.parquet is there already and no run of this job wrote it"):
        job.check(["in.parquet"], overwrite=False)
    assert {} == job.check(["in.parquet"], overwrite=True)


@pytest.mark.parametrize(
    "change", [{"prefix": "p_"}, {"text": "body"}, {"model": "other 1 (0)"}, {"format": "csv"}, {"max_chars": 9}]
)
def test_a_run_goes_on_only_with_the_same_options(tmp_path: Path, change: dict[str, object]) -> None:
    """Rows of two kinds in one file would be worse than none; the message names the option and both values."""
    make_job(tmp_path / "out")
    (name,) = change
    with pytest.raises(UsageError, match=f"rows scored with {name} .*, now it is {re.escape(repr(change[name]))}"):
        Job(Folder(str(tmp_path / "out")), make_options(**change)).check([], overwrite=False)


def test_overwrite_starts_anew(tmp_path: Path, source: Path) -> None:
    """Nothing of the earlier run counts."""
    job = make_job(tmp_path / "out")
    finish(job, source)
    (tmp_path / "out" / REPORT).write_text('{"options": {"format": "csv"}, "files": []}')
    assert {} == job.check(["in.parquet"], overwrite=True)
