"""Plans: every part of every file belongs to one task."""

from pathlib import Path

import pytest

from bulk.files.inputs import find
from bulk.files.rows import PART_ROWS
from bulk.plan import plan
from bulk.task import Task
from tests.support.tables import only, write_parquet


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_each_part_belongs_to_one_task(tmp_path: Path, workers: int) -> None:
    """Of a large text file and of a Parquet file, which know how many parts they have and not."""
    (tmp_path / "t.txt").write_text("good\n" * 100_000)
    write_parquet(tmp_path / "t.parquet", {"text": ["good"] * (PART_ROWS * 100 + 1)})
    files = find([str(tmp_path)]).files
    tasks = plan(files, {file.name: "out" for file in files}, workers).tasks
    for file in files:
        for index in range(101 if file.suffix == ".parquet" else 400):
            assert 1 == sum(task.wants(index) for task in tasks if task.file == file)


def test_a_large_file_is_shared_by_all_workers(tmp_path: Path) -> None:
    """One text file keeps every core busy."""
    (tmp_path / "t.txt").write_text("good\n" * 100_000)
    file = only(tmp_path / "t.txt")
    assert [(0, 3), (1, 3), (2, 3)] == [(task.first, task.step) for task in plan([file], {"t.txt": "o"}, 3).tasks]


def test_many_files_are_a_task_each(tmp_path: Path) -> None:
    """Where there are more files than workers, sharing one only means to read it twice."""
    for number in range(70):
        (tmp_path / f"{number}.txt").write_text("good\n" * 20_000)
    files = find([str(tmp_path)]).files
    assert 70 == len(plan(files, {file.name: "o" for file in files}, 2).tasks)


def test_a_broken_table_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    """The others are planned."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    write_parquet(tmp_path / "b.parquet", {"text": ["good"] * 3})
    files = find([str(tmp_path)]).files
    found = plan(files, {file.name: "o" for file in files}, 2)
    assert (1, 3, [files[0].url]) == (len(found.tasks), found.rows, list(found.refused))


def test_a_task_survives_the_way_to_a_worker(tmp_path: Path) -> None:
    """As JSON, with its file."""
    task = Task(only(write_parquet(tmp_path / "ü.parquet", {"text": ["good"]})), "ü.csv", 2, 1, 4, 9)
    assert task == Task.of(task.to_json())
