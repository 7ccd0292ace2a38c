"""What is written down about a run."""

import re
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")

from training.checkpoint import record
from training.data.training_data import Example

pytestmark = pytest.mark.development


def test_commit_is_named() -> None:
    """The commit is a hash, marked when the code was changed since."""
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", record.source_commit())


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed copy without a repository still trains."""

    def fail(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", fail)
    assert "unknown" == record.source_commit()


def test_hardware_names_cores_and_threads() -> None:
    """The recipe says on what a run took its time."""
    assert re.search(r"\d+ cores, \d+ threads$", record.hardware())


def test_held_out_rows_come_back(tmp_path: Path) -> None:
    """What is written for export reads back as it was, in order."""
    rows = [Example("b\n<br />", 1, "x"), Example("a", 0, "y")]
    record.write_validation(tmp_path / "validation.parquet", rows)
    assert record.read_validation(tmp_path / "validation.parquet") == rows
