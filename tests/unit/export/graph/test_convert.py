"""Conversion to ONNX keeps the answers of PyTorch."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")
import torch

from artifact.runtime import OnnxEngine
from export.checkpoint import read_checkpoint
from export.graph.convert import PARITY_TOLERANCE, check_parity, convert
from export.samples import Sample
from tests.support.checkpoints import build_checkpoint

pytestmark = pytest.mark.development


def test_a_model_with_one_token_type_is_converted(tmp_path: Path) -> None:
    """The graph answers as PyTorch does, and the model keeps its table of one row."""
    checkpoint = read_checkpoint(build_checkpoint(tmp_path / "checkpoint"))
    model = checkpoint.model
    table = torch.nn.Embedding.from_pretrained(torch.ones(1, model.config.hidden_size))
    model.bert.embeddings.token_type_embeddings = table
    fp32 = OnnxEngine(convert(model, tmp_path / "onnx"))
    samples = [Sample("", 0, "", tuple(range(5, 5 + tokens))) for tokens in (3, 9)]
    assert check_parity(model, fp32, checkpoint, samples) <= PARITY_TOLERANCE
    assert model.bert.embeddings.token_type_embeddings is table
