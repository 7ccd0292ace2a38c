"""``python -m training.average`` writes a checkpoint of mean weights, or says in one line why it cannot."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from safetensors.numpy import load_file

from training.__main__ import main as train
from training.average import main as average
from training.checkpoint.classifier import load_checkpoint

pytestmark = pytest.mark.development


@pytest.fixture
def pair(arguments: list[str], tmp_path: Path) -> tuple[Path, Path]:
    """Two runs on the same rows; the second continues from the first."""
    first, second = tmp_path / "out", tmp_path / "second"
    assert 0 == train(arguments)
    assert 0 == train([*arguments, "--base-model", str(first), "--output", str(second)])
    return first, second


def test_mean_of_two_runs_is_a_checkpoint(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Every weight is the mean of both; labels, held-out rows and both recipes are kept."""
    first, second = pair
    output = tmp_path / "mean"
    assert 0 == average([str(first), str(second), "--output", str(output)])
    weights, *theirs = (load_file(directory / "model.safetensors") for directory in (output, first, second))
    for name, found in weights.items():
        assert pytest.approx((theirs[0][name] + theirs[1][name]) / 2, abs=1e-6) == found
    assert ["negative", "positive"] == load_checkpoint(output).labels
    assert (output / "validation.parquet").read_bytes() == (first / "validation.parquet").read_bytes()
    recipe = json.loads((output / "recipe.json").read_text())
    assert recipe["command"].startswith("python -m training.average ")
    assert recipe["base_recipe"]["base_recipe"] == recipe["average_of"][0]
    assert json.loads((output / "metrics.json").read_text())["evaluations"][0]["accuracy"] > 0.9


def test_shares_of_runs_with_other_held_out_rows(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mean of 1 : 3 lies at three quarters; rows are the last one's, where the user says so."""
    first, second = pair
    (first / "validation.parquet").unlink()
    pair_of = [str(first), str(second), "--output", str(tmp_path / "mean"), "--shares"]
    assert 1 == average([*pair_of, "1", "3"])
    assert "has no held-out rows" in capsys.readouterr().err
    assert 1 == average([*pair_of, "1", "2", "3", "--last-held-out"])
    assert "3 shares for 2 checkpoints" in capsys.readouterr().err
    assert 0 == average([*pair_of, "1", "3", "--last-held-out"])
    found, *theirs = (load_file(path / "model.safetensors") for path in (tmp_path / "mean", first, second))
    name = "classifier.weight"
    assert pytest.approx(theirs[0][name] / 4 + theirs[1][name] * 3 / 4, abs=1e-6) == found[name]


def test_runs_that_do_not_fit_are_one_line(
    pair: tuple[Path, Path], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other held-out rows, another truncation, no checkpoint or an existing output: nothing is written."""
    first, second = pair
    output = tmp_path / "mean"
    other = tmp_path / "other"
    assert 0 == train([*arguments, "--seed", "8", "--output", str(other)])
    head = tmp_path / "head"
    shutil.copytree(first, head)
    recipe = json.loads((head / "recipe.json").read_text())
    (head / "recipe.json").write_text(json.dumps(recipe | {"truncation": "head"}))
    capsys.readouterr()
    for unfit, message in (
        (other, "holds out other rows than"),
        (head, "have different truncation and cannot be averaged"),
        (tmp_path, "is not a finished checkpoint"),
    ):
        assert 1 == average([str(first), str(unfit), "--output", str(output)])
        found = capsys.readouterr().err
        assert message in found
        assert 1 == found.count("\n")
    assert 1 == average([str(first), str(second), "--output", str(second)])
    assert "exists and is not overwritten" in capsys.readouterr().err
    assert not output.exists()
