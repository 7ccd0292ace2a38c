"""``python -m training`` writes a checkpoint, or says in one line why it cannot."""

import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.integration.training.conftest import write_rows
from training.__main__ import main
from training.checkpoint.classifier import load_checkpoint, predict
from training.evaluate import main as evaluate

pytestmark = pytest.mark.development


def _json(path: Path) -> dict:
    return json.loads(path.read_text())


def test_checkpoint_holds_what_export_reads(
    arguments: list[str], rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The directory has weights, tokenizer, recipe, metrics and held-out rows, and the model has learnt."""
    pandas = pytest.importorskip("pandas")
    assert 0 == main(arguments)
    out = tmp_path / "out"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in out.iterdir()}
    recipe, metrics = _json(out / "recipe.json"), _json(out / "metrics.json")
    assert ["negative", "positive"] == recipe["labels"]
    assert (64, "head_tail", 15) == (recipe["max_length"], recipe["truncation"], recipe["head_tokens"])
    assert "tiny-base" == recipe["base_model"]
    assert recipe["data"][0]["sha256"] == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert recipe["command"].startswith("python -m training --base-model ")
    held_out = pandas.read_parquet(out / "validation.parquet")
    assert ["text", "label", "confidence", "source"] == list(held_out.columns)
    assert len(held_out) == metrics["evaluations"][0]["n"] == recipe["data"][0]["rows_validation"]
    assert "synthetic" == metrics["evaluations"][0]["dataset"]
    assert metrics["evaluations"][0]["accuracy"] > 0.9
    assert "held-out accuracy" in capsys.readouterr().out
    tokenizer = _json(out / "tokenizer.json")
    assert (None, None) == (tokenizer["truncation"], tokenizer["padding"])


def test_evaluate_measures_what_training_wrote(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command measures the held-out rows of a checkpoint as training did; its last line is JSON."""
    assert 0 == main(arguments)
    capsys.readouterr()
    out = tmp_path / "out"
    assert 0 == evaluate([str(out), "--data", f"{out / 'validation.parquet'},name=again", "--precision", "bf16"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["evaluations"][0]
    wanted = _json(out / "metrics.json")["evaluations"][0]
    assert (found["dataset"], found["n"]) == ("again", wanted["n"])
    assert pytest.approx(wanted["log_loss"], rel=0.02) == found["log_loss"]


def test_three_labels_and_two_sources(arguments: list[str], tmp_path: Path) -> None:
    """Any number of labels in the order given, several sources with weights, figures per source."""
    labels = ("bad", "so-so", "fine")
    one = write_rows(tmp_path / "one.csv", labels, per_label=40)
    two = write_rows(tmp_path / "two.csv", labels, per_label=60)
    sources = ["--data", f"{one},weight=2,held_out=12", "--data", f"{two},held_out=0.1"]
    position = arguments.index("--data")
    given = arguments[:position] + sources + arguments[position + 2 :]
    assert 0 == main([*given, "--labels", "fine,so-so,bad"])
    out = tmp_path / "out"
    assert ["fine", "so-so", "bad"] == _json(out / "recipe.json")["labels"]
    assert {"0": "fine", "1": "so-so", "2": "bad"} == _json(out / "config.json")["id2label"]
    assert len(_json(out / "metrics.json")["evaluations"]) >= 1
    assert ["fine", "so-so", "bad"] == load_checkpoint(out).labels


def test_rare_label_is_found_with_balanced_weights(arguments: list[str], tmp_path: Path) -> None:
    """A label of one row in eleven is learnt when labels are balanced."""
    path = tmp_path / "rare.csv"
    write_rows(path, ("negative", "positive"), per_label=200)
    head, *rows = path.read_text().splitlines()
    rare = [row for row in rows if row.endswith("positive")][:20]
    path.write_text("\n".join([head, *(row for row in rows if row.endswith("negative")), *rare]) + "\n")
    arguments[arguments.index("--data") + 1] = f"{path},held_out=0.3"
    assert 0 == main([*arguments, "--label-weights", "balanced"])
    assert _json(tmp_path / "out" / "metrics.json")["evaluations"][0]["macro_f1"] > 0.9


def test_model_becomes_as_sure_as_its_labels(arguments: list[str], rows: Path, tmp_path: Path) -> None:
    """Labels with a confidence of 0.75 teach that probability, not certainty."""
    path = tmp_path / "unsure.csv"
    head, *more = rows.read_text().splitlines()
    path.write_text("\n".join([f"{head},sure", *(f"{row},0.75" for row in more)]) + "\n")
    arguments[arguments.index("--data") + 1] = f"{path},confidence=sure,held_out=0.2"
    assert 0 == main(arguments)
    held_out = _json(tmp_path / "out" / "metrics.json")["evaluations"][0]
    assert held_out["accuracy"] > 0.9
    assert pytest.approx(-math.log(0.75), abs=0.1) == held_out["log_loss"]
    assert "sure" == _json(tmp_path / "out" / "recipe.json")["data"][0]["confidence"]


def test_smoke_does_the_whole_road(arguments: list[str], tmp_path: Path) -> None:
    """--smoke uses at most 200 texts and writes a complete checkpoint."""
    assert 0 == main([*arguments, "--smoke"])
    recipe = _json(tmp_path / "out" / "recipe.json")
    assert recipe["data"][0]["rows_train"] <= 100
    assert recipe["data"][0]["rows_validation"] <= 100


def test_same_seed_same_weights(arguments: list[str], tmp_path: Path) -> None:
    """Two runs of one command give the same weights, bit for bit; another seed gives others."""
    weights = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert 0 == main([*arguments, "--output", str(tmp_path / name), "--seed", seed])
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_finished_checkpoint_is_not_overwritten(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An existing output ends the command with one line and exit code 1."""
    (tmp_path / "out").mkdir()
    assert 1 == main(arguments)
    assert "is not overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("body,label\nx,1\n", "has no column 'text'"),
        ("text,label\nx,1\n,0\n", "line 3, column 'text': the text is empty"),
        ("text,label\nx,1\ny,1\nz,1\n", "at least two labels"),
        ("text,label\nx\n", "line 2 has 1 fields, the header 2: no value for 'label'"),
        (None, "does not exist"),
    ],
)
def test_bad_data_is_one_line(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    message: str,
) -> None:
    """An error in the data is one line on standard error and exit code 1, before a model is loaded."""
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_text(content)
    arguments[arguments.index("--data") + 1] = f"{path},held_out=1"
    assert 1 == main([*arguments, "--base-model", "there-is-none"])
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert 1 == error.count("\n")
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--epochs", "0"], "epochs must lie between"), (["--data", "a.csv,colour=red"], "unknown data option")],
)
def test_wrong_setting_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    """A setting out of range is one line on standard error and exit code 1."""
    assert 1 == main([*arguments, *options])
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert 1 == error.count("\n")


def test_base_without_model_is_one_line(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory without a model is an error that names it."""
    (tmp_path / "empty").mkdir()
    assert 1 == main([*arguments, "--base-model", str(tmp_path / "empty")])
    assert "has no readable tokenizer" in capsys.readouterr().err


def test_unfinished_checkpoint_cannot_be_evaluated(
    tmp_path: Path, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Evaluating a directory that is no checkpoint gives one line and exit code 1."""
    assert 1 == evaluate([str(tmp_path), "--data", str(rows)])
    assert "is not a finished checkpoint" in capsys.readouterr().err


def test_predictions_come_in_the_order_of_the_texts(arguments: list[str], tmp_path: Path) -> None:
    """Logits are in the order of the texts, although batches are sorted by length."""
    from training.data.training_data import Example  # noqa: PLC0415 - next to its use

    assert 0 == main(arguments)
    classifier = load_checkpoint(tmp_path / "out", precision="fp32")
    texts = ["good", "bad " * 30, "the great film", "awful " * 80, "not"]
    examples = [Example(text, 0, "a") for text in texts]
    together = predict(classifier, examples)
    alone = [predict(classifier, [example])[0] for example in examples]
    assert together.tolist() == [pytest.approx(row.tolist(), abs=1e-4) for row in alone]


def test_help_needs_no_torch() -> None:
    """--help does not import torch."""
    code = (
        "import sys, training.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert "False" == done.stdout.splitlines()[-1]
    assert "--peak-learning-rate" in done.stdout
