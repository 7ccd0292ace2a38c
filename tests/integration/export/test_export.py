"""The whole export, from a checkpoint to an artifact that the server accepts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")
import onnx
from onnx import numpy_helper
from rich.console import Console

from artifact.manifest import load_artifact
from artifact.runtime import Batch, OnnxEngine
from artifact.scores import softmax
from export import pipeline
from export.__main__ import main
from export.measure.select import Gates
from export.pipeline import ExportRequest, Findings
from export.progress import Progress
from export.quantize.saturation import this_cpu_saturates
from export.variants import CANDIDATES
from export.write import artifact, package
from tests.support.checkpoints import build_checkpoint

pytestmark = pytest.mark.development

_FIVE = ("one", "two", "three", "four", "five")


def _export(checkpoint: Path, output: Path, **options: Any) -> list[Findings]:
    kept: list[Findings] = []
    progress = Progress(Console(quiet=True))

    def finish(findings: Findings) -> None:
        kept.append(findings)
        if findings.chosen:
            package.write_atomically(output, lambda staging: artifact.fill(findings, staging, progress.durations_s))

    pipeline.run(ExportRequest(checkpoint, output, table=CANDIDATES[:1], **options), progress, finish)
    return kept


@pytest.mark.parametrize(
    ("architecture", "labels"), [("bert", ("negative", "positive")), ("distilbert", _FIVE), ("roberta", _FIVE)]
)
def test_every_architecture_becomes_an_artifact(tmp_path: Path, architecture: Any, labels: tuple[str, ...]) -> None:
    """BERT, DistilBERT and RoBERTa with 2 or 5 labels: the manifest describes the graph."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint", architecture=architecture, labels=labels)
    (findings,) = _export(checkpoint, tmp_path / "artifact")
    loaded = load_artifact(tmp_path / "artifact")
    manifest = loaded.manifest
    assert manifest.labels == labels
    assert {"input_ids", "attention_mask"} == {tensor.name for tensor in manifest.inputs}
    assert {probe.probabilities for probe in manifest.probes}
    session = OnnxEngine(loaded.model_path, manifest.session)
    tokenization = findings.checkpoint.tokenization()
    for probe in manifest.probes:
        (text,) = tokenization.encode([probe.text], "head_tail")
        logits = session.run(Batch.of(text.windows, manifest.pad_token_id))
        assert pytest.approx(probe.probabilities, abs=1e-5) == softmax(logits, manifest.temperature)[0]
        assert pytest.approx(probe.probabilities, abs=0.05) == probe.reference
    assert findings.parity <= 1e-4
    assert {} == findings.unbuilt


def test_the_portable_artifact_can_not_saturate(tmp_path: Path) -> None:
    """Neighbouring weights of one sign add up to at most 128 in every int8 product of the graph."""
    _export(build_checkpoint(tmp_path / "checkpoint", hidden=32), tmp_path / "artifact")
    model = onnx.load(tmp_path / "artifact" / "model.onnx")
    constants = {item.name: item for item in model.graph.initializer}
    (choice,) = (node for node in model.graph.node if node.op_type == "If")
    ways = [way.g for way in choice.attribute]
    products = [node for way in ways for node in way.node if node.op_type == "MatMulIntegerToFloat"]
    assert products
    for node in products:
        weights = numpy_helper.to_array(constants[node.input[1]]).astype(int)
        for side in (weights, -weights):
            positive = np.maximum(side, 0)
            assert (positive[0::2] + positive[1::2]).max() <= 128


def test_nothing_that_fails_its_gates_is_written(tmp_path: Path) -> None:
    """With gates that no graph passes there is no choice, every failure has its reason, no artifact appears."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    (findings,) = _export(checkpoint, tmp_path / "artifact", gates=Gates(largest_change=-1.0))
    assert findings.chosen is None
    assert all(any("a score changed" in reason for reason in row.failures) for row in findings.rows)
    assert not (tmp_path / "artifact").exists()


def test_the_command_prints_a_table_and_leaves_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``python -m export`` compares the whole table, and the report beside the model holds the same in three forms."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    assert 0 == main([str(checkpoint), "--output", str(tmp_path / "artifact")])
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "artifact" / "report" / "report.json").read_text())
    names = {row["name"] for row in report["rows"]} | set(report["unbuilt"])
    assert names >= {variant.name for variant in CANDIDATES} | {"fp32", "usual"}
    assert all(row["name"] in printed for row in report["rows"])
    assert {"fp32", "usual", "pytorch"} == set(report["times_as_fast_as"])
    assert report["chosen"] in (tmp_path / "artifact" / "report" / "report.md").read_text()
    assert (tmp_path / "artifact" / "report" / "frontier.png").read_bytes().startswith(b"\x89PNG")
    assert "Against the same model in fp32" in (tmp_path / "artifact" / "README.md").read_text()


def test_a_model_beyond_the_size_is_refused_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tiny model has about 8,000 weights, so 0.001 MB are too few, and no step begins."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    assert 1 == main([str(checkpoint), "--output", str(tmp_path / "artifact"), "--max-size-mb", "0.001"])
    printed = capsys.readouterr().err.replace("\n", " ")
    assert "--max-size-mb allows 0.0" in printed
    assert "convert to ONNX" not in printed


def test_a_larger_change_is_accepted_by_name_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--max-change`` below the cost of int8 nothing is written and the table says why; above it, all is well."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    asked = [str(checkpoint), "--output", str(tmp_path / "artifact"), "--only", "static", "--max-change"]
    assert 1 == main([*asked, "0"])
    printed = capsys.readouterr()
    assert "allowed 0.0" in printed.out
    assert "no candidate passes the gates" in printed.err.replace("\n", " ")
    assert not (tmp_path / "artifact").exists()
    assert 0 == main([*asked, "0.5"])
    report = json.loads((tmp_path / "artifact" / "report" / "report.json").read_text())
    assert 0.5 == report["gates"]["largest_change"]
    assert ["static"] == [row["name"] for row in report["rows"] if row["verdict"] != "baseline"]


def test_weights_that_this_cpu_computes_wrong_are_not_measured_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A CPU without VNNI refuses to export for ``x86-vnni``: its wrong answers would become the known ones."""
    asked = [str(build_checkpoint(tmp_path / "checkpoint")), "--output", str(tmp_path / "artifact"), "--only", "static"]
    code = main([*asked, "--target", "x86-vnni", "--max-change", "0.5"])
    assert code == (1 if this_cpu_saturates() else 0)
    assert ("has no VNNI" in capsys.readouterr().err.replace("\n", " ")) == this_cpu_saturates()


def test_without_data_the_projects_texts_prove_the_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parity, flipped decisions and batches are measured; the report and the card say that accuracy is not."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "validation.parquet").unlink()
    assert 0 == main([str(checkpoint), "--output", str(tmp_path / "artifact"), "--only", "static"])
    assert "no data: 310 texts that the project ships calibrate" in capsys.readouterr().err
    card = (tmp_path / "artifact" / "README.md").read_text()
    assert "on texts that the project ships" in card
    assert "accuracy: not measured" in card
    assert "**Accuracy and calibration were not measured**" in (tmp_path / "artifact/report/report.md").read_text()
    manifest = load_artifact(tmp_path / "artifact").manifest
    assert 1 == manifest.temperature
    assert len(manifest.probes) >= 4


def test_labels_of_another_task_stop_the_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An accuracy far below the one that training recorded ends the export before a graph is built."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    metrics = json.loads((checkpoint / "metrics.json").read_text())
    for entry in metrics["evaluations"]:
        entry["accuracy"] = 1.0
    (checkpoint / "metrics.json").write_text(json.dumps(metrics))
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"the film {n},{n % 2}\n" for n in range(60)))
    assert 1 == main([str(checkpoint), "--output", str(tmp_path / "artifact"), "--data", str(rows)])
    error = capsys.readouterr().err.replace("\n", " ")
    assert f"labels of {rows}: 0 negative (written '0'): 30 rows; 1 positive (written '1'): 30 rows" in error
    assert "but on 100.0% of the rows that training held out" in error
    assert not (tmp_path / "artifact").exists()


@pytest.mark.parametrize("missing", ["tokenizer.json"])
def test_an_unusable_checkpoint_is_one_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """No traceback: the line names what is missing."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint")
    (checkpoint / missing).unlink()
    assert 1 == main([str(checkpoint), "--output", str(tmp_path / "artifact")])
    captured = capsys.readouterr().err
    assert missing in captured.replace("\n", "")
    assert "Traceback" not in captured


def test_an_output_that_is_no_artifact_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory of something else ends the export at once."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    assert 1 == main([str(tmp_path / "nowhere"), "--output", str(tmp_path / "thesis")])
    assert "not an artifact" in capsys.readouterr().err
