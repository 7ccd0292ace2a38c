"""A checkpoint that int8 harms is exported with fewer int8 products, at last in fp32."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")
import onnx
from safetensors.torch import load_file, save_file

from artifact.manifest import load_artifact
from export.__main__ import main
from export.variants import FALLBACKS
from tests.support.architectures import build_foreign
from tests.support.checkpoints import synthetic_rows

pytestmark = pytest.mark.development


def _texts(folder: Path) -> Path:
    """Write a few texts without labels."""
    path = folder / "texts.txt"
    path.write_text("\n".join(text for text, _ in synthetic_rows(("a", "b", "c"), per_label=16)))
    return path


def _export(checkpoint: Path, output: Path, *options: str) -> dict[str, Any]:
    assert 0 == main([str(checkpoint), "--output", str(output), "--data", str(_texts(checkpoint.parent)), *options])
    report: dict[str, Any] = json.loads((output / "report" / "report.json").read_text())
    return report


def test_fp32_is_always_an_answer(tmp_path: Path) -> None:
    """With a limit that no int8 graph keeps, every step is in the report, and the graph is fp32."""
    report = _export(build_foreign(tmp_path / "checkpoint", "bert"), tmp_path / "artifact", "--max-change", "0.00001")
    rows = {row["name"]: row for row in report["rows"]}
    assert {"static", "static-less-tame", *(variant.name for variant in FALLBACKS)} < set(rows)
    assert "fp32-rewritten" == report["chosen"]
    assert rows["fp32-rewritten"]["quality"]["largest_change"] <= 0.00001
    artifact = load_artifact(tmp_path / "artifact")
    assert "fp32" == artifact.manifest.quantization.scheme
    assert not any(node.op_type == "MatMulIntegerToFloat" for node in onnx.load(artifact.model_path).graph.node)
    words = (tmp_path / "artifact" / "report" / "report.md").read_text()
    assert "- `static-mixed`: " in words
    assert "- `fp32-rewritten`: " in words
    assert "kept in fp32" in (tmp_path / "artifact" / "README.md").read_text()


def test_where_nothing_may_change_the_converted_graph_is_the_answer(tmp_path: Path) -> None:
    """Even rewrites round, so with a limit of 0 the graph is the one that was converted."""
    report = _export(build_foreign(tmp_path / "checkpoint", "bert"), tmp_path / "artifact", "--max-change", "-1")
    assert "fp32" == report["chosen"]


def _plant_outliers(directory: Path) -> Path:
    """Enlarge one channel of every layer's values and shrink it again after attention: fp32 answers as before."""
    path = directory / "model.safetensors"
    weights = load_file(path)
    for layer in range(2):
        start = f"bert.encoder.layer.{layer}.attention"
        weights[f"{start}.self.value.weight"][3] *= 1000
        weights[f"{start}.self.value.bias"][3] *= 1000
        weights[f"{start}.output.dense.weight"][:, 3] /= 1000
    save_file(weights, path, metadata={"format": "pt"})
    return directory


def test_products_that_int8_harms_stay_in_fp32(tmp_path: Path) -> None:
    """One channel is a thousand times larger than the rest: with its two products in fp32 the graph passes."""
    checkpoint = _plant_outliers(build_foreign(tmp_path / "checkpoint", "bert"))
    report = _export(checkpoint, tmp_path / "artifact", "--max-change", "0.00001")
    changes = {row["name"]: row["quality"]["largest_change"] for row in report["rows"]}
    int8 = min(changes["static"], changes["static-less-tame"])
    assert changes["static-mixed"] < 0.8 * int8
    limit = str((changes["static-mixed"] + int8) / 2)
    report = _export(checkpoint, tmp_path / "artifact", "--max-change", limit)
    assert report["chosen"] in {variant.name for variant in FALLBACKS}
    quantization = load_artifact(tmp_path / "artifact").manifest.quantization
    assert "static-int8" == quantization.scheme
    assert "of the products in fp32" in quantization.weights


def test_a_size_that_fp32_exceeds_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table says which limit each graph breaks."""
    asked = [str(build_foreign(tmp_path / "checkpoint", "bert")), "--output", str(tmp_path / "artifact")]
    asked += ["--data", str(_texts(tmp_path))]
    assert 1 == main([*asked, "--max-change", "0.00001", "--max-size-mb", "0.025"])
    printed = capsys.readouterr()
    assert "no candidate passes the gates" in printed.err.replace("\n", " ")
    assert not (tmp_path / "artifact").exists()
