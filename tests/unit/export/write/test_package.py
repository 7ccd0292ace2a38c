"""Packaging: the whole new artifact or what stood there before."""

from pathlib import Path

import pytest

from artifact.manifest import Manifest, Probe, Quantization, Tensor, describe_file, load_artifact
from export.errors import ExportError
from export.write.package import write_atomically

pytestmark = pytest.mark.development


def _write(staging: Path, *, name: str = "tiny") -> Manifest:
    for file in ("model.onnx", "tokenizer.json"):
        (staging / file).write_text(name)
    return Manifest(
        name=name,
        version="1",
        labels=("negative", "positive"),
        max_length=64,
        truncation="head",
        head_tokens=0,
        pad_token_id=0,
        temperature=1.0,
        inputs=(Tensor(name="input_ids", dtype="int64", axes=("batch", "tokens")),),
        outputs=(Tensor(name="logits", dtype="float32", axes=("batch", "labels")),),
        opset=18,
        quantization=Quantization(scheme="none", weights="", activations=""),
        files=tuple(describe_file(staging / file) for file in ("model.onnx", "tokenizer.json")),
        probes=(Probe(text="a", probabilities=(0.5, 0.5), reference=(0.5, 0.5)),),
        probe_tolerance=0.1,
        source_commit="unknown",
    )


def test_an_artifact_is_written_and_the_server_accepts_it(tmp_path: Path) -> None:
    """Parents are made, and nothing else is left beside it."""
    target = tmp_path / "models" / "default"
    write_atomically(target, _write)
    assert "tiny" == load_artifact(target).manifest.name
    assert ["default"] == [path.name for path in target.parent.iterdir()]


def test_an_artifact_is_replaced(tmp_path: Path) -> None:
    """The new one is in the place of the old one."""
    target = tmp_path / "default"
    write_atomically(target, _write)
    write_atomically(target, lambda staging: _write(staging, name="newer"))
    assert "newer" == load_artifact(target).manifest.name
    assert ["default"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_directory_that_is_no_artifact_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    """A file, or a directory of something else, is refused and left alone."""
    target = tmp_path / "thesis"
    if kind == "directory":
        target.mkdir()
        (target / "chapter.txt").write_text("years of work")
    else:
        target.write_text("years of work")
    with pytest.raises(ExportError, match="thesis"):
        write_atomically(target, _write)
    kept = target / "chapter.txt" if kind == "directory" else target
    assert "years of work" == kept.read_text()


def test_a_failure_leaves_the_old_artifact(tmp_path: Path) -> None:
    """After an interrupted write the old artifact is there, whole and alone."""
    target = tmp_path / "default"
    write_atomically(target, _write)

    def fail(staging: Path) -> Manifest:
        (staging / "model.onnx").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, fail)
    assert "tiny" == load_artifact(target).manifest.name
    assert ["default"] == [path.name for path in tmp_path.iterdir()]


def test_an_artifact_that_the_server_would_refuse_is_not_put_in_place(tmp_path: Path) -> None:
    """A file that changed after it was described does not pass the server's checks."""

    def damaged(staging: Path) -> Manifest:
        manifest = _write(staging)
        (staging / "model.onnx").write_text("other")
        return manifest

    with pytest.raises(ExportError, match="damaged"):
        write_atomically(tmp_path / "default", damaged)
    assert [] == list(tmp_path.iterdir())
