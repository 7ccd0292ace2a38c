"""The models that the default model is compared with have its shape."""

import pytest

pytest.importorskip("onnx")

import onnx

from artifact.child import ROOT
from benchmarks.baselines.models import SHAPE

pytestmark = pytest.mark.development


def test_baseline_models_have_the_shape_of_the_default_model() -> None:
    """Same layers, heads and channels: otherwise the tables would compare different models."""
    graph = onnx.load(ROOT / "models" / "default" / "model.onnx").graph
    shapes = [tuple(tensor.dims) for tensor in graph.initializer]
    hidden, layers, channels = (SHAPE[name] for name in ("hidden_size", "num_hidden_layers", "intermediate_size"))
    (heads,) = {SHAPE["num_attention_heads"] - len(SHAPE["pruned_heads"][layer]) for layer in range(layers)}
    assert shapes.count((hidden, channels)) == shapes.count((channels, hidden)) == layers
    assert shapes.count((heads * hidden // SHAPE["num_attention_heads"], hidden)) == layers
    nodes = [node for branches in graph.node for branch in branches.attribute for node in branch.g.node]
    attentions = [node for node in [*graph.node, *nodes] if node.op_type == "MultiHeadAttention"]
    assert {item.i for node in attentions for item in node.attribute if item.name == "num_heads"} == {heads}
