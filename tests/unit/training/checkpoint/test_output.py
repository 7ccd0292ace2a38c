"""The checkpoint directory is missing or complete, and a killed run is continued."""

from pathlib import Path

import pytest

from training.checkpoint.output import Output, OutputError


def test_nothing_stands_at_the_output_before_the_end(tmp_path: Path) -> None:
    """Finishing renames the directory and deletes the scratch files."""
    output = Output(tmp_path / "out", "print", {})
    (output.partial / "config.json").write_text("{}")
    assert not (tmp_path / "out").exists()
    output.finish()
    assert ["config.json"] == [path.name for path in (tmp_path / "out").iterdir()]
    assert not output.partial.exists()


def test_finished_checkpoint_is_not_overwritten(tmp_path: Path) -> None:
    """An output that exists is refused with the remedy."""
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="is not overwritten; choose another --output"):
        Output(tmp_path / "out", "print", {})


def test_state_of_the_first_start_is_kept(tmp_path: Path) -> None:
    """A resumed run keeps the commit and the time of its first start, and adds up the seconds."""
    first = Output(tmp_path / "out", "print", {"source_commit": "a"})
    first.record_time()
    second = Output(tmp_path / "out", "print", {"source_commit": "b"})
    assert "a" == second.state["source_commit"]
    assert second.elapsed_s >= first.state["elapsed_s"]


def test_another_run_may_not_go_on(tmp_path: Path) -> None:
    """A run with other data or settings is not continued, nor one with a damaged state."""
    output = Output(tmp_path / "out", "print", {})
    with pytest.raises(OutputError, match="other data or settings"):
        Output(tmp_path / "out", "another", {})
    (output.scratch / "run.json").write_text("{")
    with pytest.raises(OutputError, match="remove the directory"):
        Output(tmp_path / "out", "print", {})


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    """An output path below a file is refused with the reason of the system."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be created: Not a directory"):
        Output(tmp_path / "file" / "out", "print", {})
