"""A checkpoint that is restored from an artifact answers as the artifact does, and can be exported or trained."""

import json
from pathlib import Path

import numpy as np
import pytest

from artifact.manifest import load_artifact
from artifact.runtime import Batch, OnnxEngine
from training.checkpoint.classifier import load_checkpoint, predict
from training.data.training_data import Example
from training.restore import main

pytestmark = pytest.mark.development

DEFAULT = Path(__file__).parents[3] / "models" / "default"
TEXTS = ["I loved every minute of it.", "The battery died after two days.", "The meeting is at three.", "fine"]
ROUNDING = 0.25
"""Largest difference of a logit: the artifact rounds activations to 8 bits, the checkpoint does not."""


def test_restored_checkpoint_has_the_logits_of_the_artifact(tmp_path: Path) -> None:
    """Its logits differ from the served ones by the rounding of activations, and the recipe names the artifact."""
    output = tmp_path / "restored"
    assert 0 == main([str(DEFAULT), "--output", str(output)])
    artifact = load_artifact(DEFAULT)
    classifier = load_checkpoint(output, "fp32")
    rows = classifier.tokenization.encode(TEXTS, artifact.manifest.truncation)
    engine = OnnxEngine.load(artifact, intra_op_threads=1)
    served = [engine.run(Batch.of([row.windows[0]], artifact.manifest.pad_token_id))[0] for row in rows]
    restored = predict(classifier, [Example(text, 0, "") for text in TEXTS])
    np.testing.assert_allclose(restored, served, atol=ROUNDING)
    recipe = json.loads((output / "recipe.json").read_text())
    assert f"restored from artifact {artifact.manifest.version}" == recipe["base_model"]


def test_a_directory_that_is_no_artifact_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong directory ends with exit code 1 and writes nothing."""
    assert 1 == main([str(tmp_path), "--output", str(tmp_path / "restored")])
    assert 1 == len(capsys.readouterr().err.splitlines())
    assert not (tmp_path / "restored").exists()
