"""The report is part of the checkpoint and loads nothing else."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from training.__main__ import main
from training.report.__main__ import main as report

pytestmark = pytest.mark.development

PICTURES = ["accuracy-by-length", "confusion-matrix", "learning-curve", "reliability"]


def test_training_writes_a_page_that_holds_everything(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four pictures, the numbers, and one page that loads nothing; the command writes the same page again."""
    assert 0 == main([*arguments, "--peak-learning-rate", "1e-5"])
    directory = tmp_path / "out" / "report"
    names = {f"{name}.png" for name in PICTURES}
    assert {path.name for path in directory.iterdir()} == {"index.html", "report.json", *names}
    assert all((directory / name).read_bytes().startswith(b"\x89PNG") for name in names)
    page = (directory / "index.html").read_text()
    assert page.count("data:image/png;base64,") == len(PICTURES)
    assert not re.search(r"(src|href|url)\W*https?:", page)
    errors = json.loads((directory / "report.json").read_text())["worst_errors"]
    assert errors[0]["text"][:40] in page
    (directory / "index.html").unlink()
    assert 0 == report([str(tmp_path / "out")])
    assert capsys.readouterr().out.splitlines()[-1] == str(directory / "index.html")
    assert (directory / "index.html").read_text() == page


def test_report_of_no_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that is no finished checkpoint ends the command with one line and exit code 1."""
    assert 1 == report([str(tmp_path)])
    assert capsys.readouterr().err.startswith("error: ")
