"""Classifiers of twelve architectures, exported by the real pipeline, answer over HTTP as transformers does."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")
import transformers
from rich.console import Console

from export import pipeline
from export.measure.select import Gates
from export.pipeline import ExportRequest, Findings
from export.progress import Progress
from export.variants import CANDIDATES
from export.write import artifact, package
from server.app import create_app
from tests.support.architectures import ARCHITECTURES, build_foreign
from tests.support.checkpoints import synthetic_rows
from tests.support.serving import make_settings, serving
from training.reading import Columns, FileSource

pytestmark = [
    pytest.mark.development,
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's tracer and transformers about each other
    pytest.mark.filterwarnings("ignore::UserWarning"),  # as above
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),  # constant shapes; the export compares answers
]

_LABELS = ("a", "b", "c")
_TEXTS = [text for text, _ in synthetic_rows(_LABELS, per_label=16)]


def _export(checkpoint: Path, output: Path) -> Findings:
    """Export with one candidate; random models have no decisions to keep."""
    data = checkpoint.parent / "texts.txt"
    data.write_text("\n".join(_TEXTS))
    kept: list[Findings] = []
    progress = Progress(Console(quiet=True))

    def finish(findings: Findings) -> None:
        kept.append(findings)
        package.write_atomically(output, lambda staging: artifact.fill(findings, staging, progress.durations_s))

    source = FileSource(data, Columns(may_lack_label=True))
    request = ExportRequest(checkpoint, output, (source,), gates=Gates(flipped=1.0), table=CANDIDATES[:1])
    pipeline.run(request, progress, finish)
    return kept[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
async def test_an_architecture_is_served_as_transformers_answers(tmp_path: Path, architecture: str) -> None:
    """Int8, within 0.02 of transformers' pipeline, the same decision where it is clear, and the same in any batch."""
    checkpoint = build_foreign(tmp_path / "checkpoint", architecture, labels=_LABELS)
    findings = _export(checkpoint, tmp_path / "artifact")
    assert findings.chosen is not None
    assert "static" == findings.chosen.name
    assert findings.chosen.batch_variance <= 1e-6
    classify = transformers.pipeline("text-classification", model=str(checkpoint), top_k=None, truncation=True)
    expected = np.array([_in_order(scores) for scores in classify(_TEXTS)])
    assert expected.std(axis=0).max() > 0.005  # else any constant would do
    async with serving(create_app(make_settings(artifact_dir=tmp_path / "artifact"))) as client:
        together = (await client.post("/predict/batch", json={"texts": _TEXTS})).json()["predictions"]
        alone = [(await client.post("/predict", json={"text": text})).json() for text in _TEXTS]
    served = np.array([answer["probabilities"] for answer in alone])
    assert np.abs(served - expected).max() <= 0.02
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] > 0.04
    assert (served.argmax(axis=1) == expected.argmax(axis=1))[clear].all()
    assert np.abs(np.array([answer["probabilities"] for answer in together]) - served).max() <= 1e-6


def _in_order(scores: list[dict[str, float]]) -> list[float]:
    """Return a pipeline's scores in the order of the labels."""
    by_label = {str(row["label"]): row["score"] for row in scores}
    return [by_label[label] for label in _LABELS]
