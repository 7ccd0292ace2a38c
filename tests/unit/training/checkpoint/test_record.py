"""The record of a run is complete and can be read again."""

import re
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")

from training.checkpoint import record
from training.data.training_data import Example

pytestmark = pytest.mark.development


def test_commit_is_named() -> None:
    """The commit is a hash, marked if the code differs from it."""
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", record.source_commit())


def test_a_change_of_the_code_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change in training or artifact makes the commit dirty; a change elsewhere does not."""
    here = tmp_path / "training" / "checkpoint"
    for folder in (here, tmp_path / "artifact", tmp_path / "docs"):
        folder.mkdir(parents=True)
        (folder / "a.py").write_text("first")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(record, "__file__", str(here / "record.py"))
    (tmp_path / "docs" / "a.py").write_text("second")
    assert re.fullmatch(r"[0-9a-f]{40}", record.source_commit())
    for folder in (here, tmp_path / "artifact"):
        (folder / "a.py").write_text("second")
        assert record.source_commit().endswith("-dirty")
        (folder / "a.py").write_text("first")


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a repository the commit is unknown, and that is no error."""

    def fail(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", fail)
    assert "unknown" == record.source_commit()


def test_hardware_names_cores_and_threads() -> None:
    """The hardware names cores and threads."""
    assert re.search(r"\d+ cores, \d+ threads$", record.hardware())


def test_held_out_rows_come_back(tmp_path: Path) -> None:
    """Held-out rows are read as they were written, in order, with the share of people behind each label."""
    rows = [Example("b\n<br />", 1, "x", 0.55), Example("a", 0, "y")]
    record.write_validation(tmp_path / "validation.parquet", rows)
    assert record.read_validation(tmp_path / "validation.parquet", 2) == rows
