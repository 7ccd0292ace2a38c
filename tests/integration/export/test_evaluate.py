"""Final figures come from the real server, and are written into manifest and card."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
from rich.console import Console

from artifact.manifest import load_artifact
from export import pipeline
from export.evaluate.__main__ import main
from export.progress import Progress
from export.variants import CANDIDATES
from export.write import artifact, package
from tests.support.checkpoints import build_checkpoint, synthetic_rows

pytestmark = pytest.mark.development


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny artifact."""
    folder = tmp_path_factory.mktemp("evaluate")
    checkpoint = build_checkpoint(folder / "checkpoint", hidden=32)
    progress = Progress(Console(quiet=True))

    def finish(findings: pipeline.Findings) -> None:
        package.write_atomically(folder / "artifact", lambda staging: artifact.fill(findings, staging, {}))

    pipeline.run(pipeline.ExportRequest(checkpoint, folder / "artifact", table=CANDIDATES[:1]), progress, finish)
    return folder / "artifact"


def test_figures_are_the_servers_own_and_are_written_down(directory: Path, tmp_path: Path) -> None:
    """Accuracy over a split matches the confusion matrix's diagonal, and a second run replaces the first."""
    rows = synthetic_rows(("negative", "positive"), per_label=20, seed=3)
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    for _ in range(2):
        assert 0 == main([str(directory), "--data", f"synthetic:test={path}"])
    (evaluation,) = load_artifact(directory).manifest.evaluations
    assert ("synthetic", "test", 40) == (evaluation.dataset, evaluation.split, evaluation.n)
    assert 40 == sum(n for _, _, n in evaluation.reliability or ())
    document = (directory / "report" / "evaluation.json").read_text()
    (details,) = json.loads(document)
    assert pytest.approx(evaluation.accuracy) == np.trace(details["confusion"]) / 40
    assert 40 == sum(bucket["n"] for bucket in details["by_tokens"])
    card = (directory / "README.md").read_text()
    assert 1 == card.count("| synthetic | test | 40 |")


def test_kinds_of_text_are_told_apart(directory: Path, tmp_path: Path) -> None:
    """``--by`` names a column; labels may be names; the card has the accuracy of each kind."""
    rows = synthetic_rows(("negative", "positive"), per_label=20, seed=5)
    path = tmp_path / "kinds.tsv"
    with path.open("w", newline="") as stream:
        table = csv.writer(stream, delimiter="\t")
        table.writerow(("text", "label", "kind"))
        table.writerows((text, ("negative", "positive")[label], f"kind {label}") for text, label in rows)
    assert 0 == main([str(directory), "--data", f"kinds:test={path}", "--by", "kind"])
    (details,) = json.loads((directory / "report" / "evaluation.json").read_text())
    kinds = {part["name"]: part for part in details["by_kind"]}
    assert {"kind 0": 20, "kind 1": 20} == {name: part["n"] for name, part in kinds.items()}
    for label in (0, 1):  # a kind holds one label alone, so its accuracy is that row of the confusion matrix
        assert pytest.approx(details["confusion"][label][label] / 20) == kinds[f"kind {label}"]["accuracy"]
    card = (directory / "README.md").read_text()
    assert f"| kind 0 | 20 | {kinds['kind 0']['accuracy']:.1%} |" in card


def test_the_fp32_model_answers_the_same_texts(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--fp32`` shows the cost of int8 on a split; a checkpoint of another artifact is refused."""
    path = tmp_path / "rows.csv"
    rows = synthetic_rows(("negative", "positive"), per_label=20, seed=4)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    asked = [str(directory), "--data", f"synthetic:dev={path}", "--fp32"]
    assert 0 == main([*asked, str(directory.parent / "checkpoint")])
    (details,) = json.loads((directory / "report" / "evaluation.json").read_text())
    assert 0 < details["fp32"]["largest_change"] < 0.05  # another graph, the same model
    assert abs(details["fp32"]["accuracy"] - details["accuracy"]) <= details["fp32"]["flipped"]
    foreign = build_checkpoint(tmp_path / "foreign", labels=("a", "b", "c"))
    assert 1 == main([*asked, str(foreign)])
    assert "was not exported from there" in capsys.readouterr().err.replace("\n", " ")


def test_an_artifact_that_does_not_start_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that is no artifact ends with exit code 1 and the reason."""
    path = tmp_path / "rows.csv"
    path.write_text("text,label\ngood,1\n")
    assert 1 == main([str(tmp_path), "--data", f"x:test={path}"])
    assert "no artifact in" in capsys.readouterr().err.replace("\n", " ")
