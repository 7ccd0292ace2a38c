"""Files as people have them, through every command: rows, or one line. Never a traceback."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")
from pyarrow import parquet

from artifact.child import Child
from artifact.manifest import read_manifest, write_manifest
from export.__main__ import main as export
from export.evaluate.__main__ import main as evaluate
from tests.support.checkpoints import build_checkpoint
from tests.support.odd_files import ODD_FILES, OddFile
from tests.support.tiny import TINY
from training.__main__ import main as train
from training.evaluate import main as evaluate_checkpoint

pytestmark = pytest.mark.development

_WRONG_OPTION = 2
_SEVERAL = [*ODD_FILES[:12:3], *(odd for odd in ODD_FILES if odd.name.startswith(("lone-", "one-", "blank", "empty")))]
"""For commands that take seconds: some of each kind."""


def _said(
    command: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run a command; return its exit code and what it wrote to standard error."""
    capsys.readouterr()
    try:
        code = command(arguments)
    except SystemExit as end:  # argparse, for an option that is wrong
        code = int(end.code or 0)
    return code, capsys.readouterr().err


@pytest.mark.parametrize("odd", ODD_FILES, ids=lambda odd: odd.name)
def test_training_reads_it_or_says_why_not(odd: OddFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line and exit code 1, for the file or, once its rows are read, for the base model that is missing."""
    source = f"{odd.write(tmp_path)}{odd.options},held_out=1"
    asked = ["--base-model", str(tmp_path), "--data", source, "--output", str(tmp_path / "out")]
    code, error = _said(train, asked, capsys)
    assert 1 == code
    assert error.startswith("error: ")
    assert 1 == error.count("\n")
    expected = odd.expected if isinstance(odd.expected, str) else "tokenizer|labels?|no row is held out"
    assert re.search(expected, error)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint."""
    return build_checkpoint(tmp_path_factory.mktemp("odd") / "checkpoint")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose card has a place for figures."""
    folder = shutil.copytree(TINY, tmp_path_factory.mktemp("odd") / "artifact")
    (folder / "report").mkdir()
    (folder / "README.md").write_text("<!-- evaluations -->\n<!-- end of evaluations -->\n")
    manifest = read_manifest(folder)
    files = tuple(file for file in manifest.files if file.path != "README.md")  # as export writes it
    write_manifest(folder, manifest.model_copy(update={"files": files}))
    return folder


@pytest.mark.parametrize("odd", _SEVERAL, ids=lambda odd: odd.name)
def test_export_reads_it_or_says_why_not(
    odd: OddFile, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line: for the file, for labels that are not the model's, or for too few rows."""
    asked = [str(checkpoint), "--output", str(tmp_path / "out"), "--data", f"{odd.write(tmp_path)}{odd.options}"]
    code, error = _said(export, asked, capsys)
    assert code in {1, _WRONG_OPTION}
    expected = odd.expected if isinstance(odd.expected, str) else "is not one of negative, positive|too few"
    assert re.search(expected, error)
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("odd", _SEVERAL, ids=lambda odd: odd.name)
def test_evaluation_reads_it_or_says_why_not(
    odd: OddFile, served: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, or, where the labels are the model's, figures from the server about all rows."""
    code, error = _said(evaluate, [str(served), "--data", f"odd:test={odd.write(tmp_path)}{odd.options}"], capsys)
    if code == 0:
        (evaluation,) = json.loads((served / "manifest.json").read_text())["evaluations"]
        assert len(odd.expected) == evaluation["n"]
        return
    assert 1 == code
    expected = odd.expected if isinstance(odd.expected, str) else "is not one of negative, positive"
    assert re.search(expected, error)
    assert "Traceback" not in error


def test_evaluation_asks_about_texts_of_any_length(served: Path, tmp_path: Path) -> None:
    """Texts longer than a caller may send are measured too."""
    path = tmp_path / "long.csv"
    path.write_text("text,label\n" + "".join(f"{'good ' * 50_000}{n},1\n" for n in range(20)))
    assert 0 == evaluate([str(served), "--data", f"odd:test={path}"])
    (evaluation,) = json.loads((served / "manifest.json").read_text())["evaluations"]
    assert (20, 1.0) == (evaluation["n"], evaluation["accuracy"])


@pytest.mark.parametrize("odd", _SEVERAL, ids=lambda odd: odd.name)
def test_a_checkpoint_is_measured_on_it_or_the_line_says_why_not(
    odd: OddFile, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``python -m training.evaluate`` reads as training does."""
    code, error = _said(evaluate_checkpoint, [str(checkpoint), "--data", f"{odd.write(tmp_path)}{odd.options}"], capsys)
    expected = odd.expected if isinstance(odd.expected, str) else "is not one of negative, positive"
    if code != 0:
        assert re.search(expected, error)
    assert "Traceback" not in error


def test_bulk_scores_what_can_be_read_and_names_the_others(tmp_path: Path) -> None:
    """One run over all files: every row of the readable ones is there, the others are refused, each with a reason."""
    source = tmp_path / "in"
    source.mkdir()
    files = [odd for odd in ODD_FILES if not odd.options]
    for odd in files:
        odd.write(source)
    command = [sys.executable, "-m", "bulk", source, "--text", "text", "--prefix", "new_", "--output", tmp_path / "out"]
    with Child([*map(str, command), "--artifact", str(TINY), "--max-chars", "2000000"]) as child:
        assert 1 == child.wait()
        assert "Traceback" not in child.log
    report = json.loads((tmp_path / "out" / "_report.json").read_text())
    refused = {Path(entry["input"]).name for entry in report["refused"]}
    written = {path.stem for path in (tmp_path / "out").glob("*.parquet")}
    for odd in files:
        scored = [name for name in (odd.name, Path(odd.name).stem) if name in written]
        if odd.name.endswith((".json", ".xlsx")):
            assert odd.name not in refused  # left alone: its name is not that of a file of rows
        elif isinstance(odd.expected, list):
            (output,) = scored
            assert len(odd.expected) == parquet.read_metadata(tmp_path / "out" / f"{output}.parquet").num_rows
        else:
            assert scored or odd.name in refused
