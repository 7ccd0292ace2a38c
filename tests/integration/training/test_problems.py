"""Every problem is trained, measured and exported: several labels, values, and pairs of texts."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from artifact.manifest import load_artifact
from export.__main__ import main as export
from tests.integration.training.conftest import command_line
from training.__main__ import main
from training.checkpoint.classifier import load_checkpoint, predict
from training.checkpoint.record import read_validation
from training.evaluate import main as evaluate
from training.report.__main__ import main as report

pytestmark = pytest.mark.development

GOOD, BAD, REST = ("good", "great", "funny"), ("bad", "dull", "awful"), ("the", "film", "plot", "was", "and", "scene")
Row = dict[str, Any]


def words(draw: random.Random, *telling: Sequence[str]) -> str:
    """Return a text of ten words, two of each telling kind."""
    chosen = [draw.choice(kind) for kind in telling for _ in range(2)]
    chosen += [draw.choice(REST) for _ in range(10 - len(chosen))]
    draw.shuffle(chosen)
    return " ".join(chosen)


def multi_label(draw: random.Random) -> Row:
    """Return a text that is praise, blame, both or neither."""
    labels = [name for name in ("blame", "praise") if draw.random() < 0.5]
    return {"text": words(draw, *({"praise": GOOD, "blame": BAD}[name] for name in labels)), "label": labels}


def regression(draw: random.Random) -> Row:
    """Return a text with a value of 1 to 3."""
    value = draw.choice([1, 2, 3])
    return {"text": words(draw, *{1: [BAD], 2: [], 3: [GOOD]}[value]), "label": value}


def pair(draw: random.Random) -> Row:
    """Return two texts, of which the second decides."""
    good = draw.random() < 0.5
    return {"text": words(draw), "other": words(draw, GOOD if good else BAD), "label": "yes" if good else "no"}


@pytest.fixture
def run(base: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that trains the tiny model on 240 rows and returns the checkpoint."""

    def train(make: Callable[[random.Random], Row], *options: str, source: str = "") -> Path:
        draw = random.Random(3)  # noqa: S311 - test data, not cryptography
        (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(make(draw)) for _ in range(240)))
        given = command_line(base, tmp_path / "rows.jsonl", tmp_path / "out")
        given[given.index("--data") + 1] += source
        assert 0 == main([*given, "--epochs", "4", *options])
        return tmp_path / "out"

    return train


def export_of(checkpoint: Path, output: Path) -> int:
    """Export with gates for a tiny model."""
    return export([str(checkpoint), "--output", str(output), "--only", "static", "--max-change", "1"])


def test_several_labels_are_learnt_and_thresholds_fitted(
    run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recipe says the problem, the figures are those of the problem, and export needs no option."""
    checkpoint = run(multi_label, "--problem", "multi_label")
    assert "held-out micro F1" in capsys.readouterr().out
    recipe, metrics = (json.loads((checkpoint / name).read_text()) for name in ("recipe.json", "metrics.json"))
    assert ("multi_label", False, ["blame", "praise"]) == (recipe["problem"], recipe["pairs"], recipe["labels"])
    assert metrics["evaluations"][0]["macro_f1"] > 0.8
    assert metrics["evaluations"][0]["micro_average_precision"] > 0.8
    page = (checkpoint / "report" / "index.html").read_text()
    assert "<h2>Labels</h2>" in page
    assert 0 == evaluate([str(checkpoint), "--data", str(tmp_path / "rows.jsonl")])
    assert 0 == report([str(checkpoint)])
    assert page == (checkpoint / "report" / "index.html").read_text()
    assert 0 == export_of(checkpoint, tmp_path / "artifact")
    manifest = load_artifact(tmp_path / "artifact").manifest
    assert ("multi_label", ("blame", "praise"), 2) == (manifest.problem, manifest.labels, len(manifest.thresholds))


def test_values_are_learnt(run: Callable[..., Path], tmp_path: Path) -> None:
    """A regression is trained by its squared error and exported as the value itself."""
    checkpoint = run(regression, "--problem", "regression", "--labels", "stars")
    (measured,) = json.loads((checkpoint / "metrics.json").read_text())["evaluations"]
    assert measured["pearson"] > 0.8
    assert measured["rmse"] < 0.6
    assert (checkpoint / "report" / "values.png").exists()
    held_out = read_validation(checkpoint / "validation.parquet", 1, "regression")
    assert {1.0, 2.0, 3.0} == {example.target for example in held_out}
    assert 0 == export_of(checkpoint, tmp_path / "artifact")
    manifest = load_artifact(tmp_path / "artifact").manifest
    assert ("regression", ("stars",), "identity") == (manifest.problem, manifest.labels, manifest.head.activation)


def test_pairs_are_learnt(run: Callable[..., Path], tmp_path: Path) -> None:
    """The second text decides, so a model that did not read it could not be right."""
    checkpoint = run(pair, source=",text_pair=other")
    recipe, metrics = (json.loads((checkpoint / name).read_text()) for name in ("recipe.json", "metrics.json"))
    assert (True, "head", 0) == (recipe["pairs"], recipe["truncation"], recipe["head_tokens"])
    assert metrics["evaluations"][0]["accuracy"] > 0.9
    held_out = read_validation(checkpoint / "validation.parquet", 2, pairs=True)
    assert all(example.text_pair for example in held_out)
    logits = predict(load_checkpoint(checkpoint), held_out)
    right = logits.argmax(axis=1) == [example.label for example in held_out]
    assert right.mean() > 0.9
    assert 0 == export_of(checkpoint, tmp_path / "artifact")
    assert load_artifact(tmp_path / "artifact").manifest.pairs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--problem", "regression", "--best-by", "accuracy"], "--best-by accuracy is no figure of regression"),
        (["--problem", "multi_label", "--label-smoothing", "0.1"], "--label-smoothing and --label-weights are for"),
        (["--validation", "rows.csv,text_pair=label"], "some sources have pairs and some single texts"),
    ],
)
def test_options_of_another_problem_are_refused(
    arguments: list[str], options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, before the data is read."""
    assert 1 == main([*arguments, *options])
    assert words in capsys.readouterr().err
