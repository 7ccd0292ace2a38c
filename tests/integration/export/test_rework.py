"""An artifact that was exported before a rewrite existed gets it, and answers as before."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")
import onnx
from rich.console import Console

from artifact.manifest import Artifact, load_artifact
from export import pipeline, rework
from export.graph.graph import Graph
from export.measure.session import Session
from export.pipeline import Findings, Request
from export.progress import Progress
from export.samples import pad
from export.variants import CANDIDATES
from export.write import artifact, package
from tests.support.checkpoints import build_checkpoint

pytestmark = pytest.mark.development

_OLD = tuple(variant for variant in CANDIDATES if variant.name == "padding-computed")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact that computes padding, as exports once did."""
    folder = tmp_path_factory.mktemp("rework")

    def finish(findings: Findings) -> None:
        package.write_atomically(folder / "artifact", lambda staging: artifact.fill(findings, staging, {}))

    request = Request(build_checkpoint(folder / "checkpoint"), folder / "artifact", table=_OLD)
    pipeline.run(request, Progress(Console(quiet=True)), finish)
    return folder / "artifact"


@pytest.fixture
def old(exported: Path, tmp_path: Path) -> Path:
    """A copy to work on."""
    return shutil.copytree(exported, tmp_path / "artifact")


def _logits(loaded: Artifact) -> list[list[float]]:
    session = Session(loaded.model_path, loaded.manifest.session)
    rows = [(5, 6, 7, 8, 9), (5, 6, 7), (9,) * 40]
    return session.logits(pad(rows, loaded.manifest.pad_token_id)).tolist()


def test_a_reworked_artifact_answers_as_before(old: Path, exported: Path, tmp_path: Path) -> None:
    """Another graph and version, everything else as it was; the card says so; there is nothing left to do."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"text": f"a film {n}", "label": "negative"}) for n in range(5)))
    assert 0 == rework.main([str(old), "--data", str(rows)])
    before, after = load_artifact(exported), load_artifact(old)
    assert _logits(after) == _logits(before)
    assert "If" == [node.op_type for node in onnx.load(after.model_path).graph.node][-1]
    assert after.manifest.version == after.manifest.files[0].sha256[:12] != before.manifest.version
    changed = {"version", "files"}
    assert after.manifest.model_dump(exclude=changed) == before.manifest.model_dump(exclude=changed)
    card = (old / "README.md").read_text()
    compared = len(after.manifest.probes) + 5
    assert f"answers are those of version {before.manifest.version}, compared bit by bit on {compared} texts" in card
    assert f"served by Verdict. Version {after.manifest.version}." in card
    assert 1 == rework.main([str(old)])


def test_an_answer_that_changes_is_refused(
    old: Path, exported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rewrite that moves a logit leaves the artifact as it was, and the line says by how much."""
    monkeypatch.setattr(rework, "skip_padding", _shift_logits)
    assert 1 == rework.main([str(old)])
    assert "changed an answer by 1.0e-03" in capsys.readouterr().err.replace("\n", " ")
    assert load_artifact(old).manifest == load_artifact(exported).manifest


def _shift_logits(graph: Graph) -> bool:
    (last,) = (node for node in graph.nodes if graph.output in node.output)
    bias = graph.constant(last.input[2])
    assert bias is not None
    last.input[2] = graph.add_constant("shifted", bias + np.float32(1e-3))
    return True


def test_what_is_no_artifact_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    assert 1 == rework.main([str(tmp_path)])
    captured = capsys.readouterr().err
    assert "manifest.json" in captured.replace("\n", "")
    assert "Traceback" not in captured
