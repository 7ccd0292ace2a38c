"""Fuse: onnxruntime's own transformer optimizer, with the fusions that a variant names.

Which fusions help is measured: the SkipLayerNormalization and EmbedLayerNormalization kernels of the CPU provider are
slower than the plain operators that they replace.
"""

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model

from export.graph.graph import Graph


@dataclass(frozen=True, slots=True)
class Fusions:
    """Operators that the optimizer fuses; each is one of its options."""

    attention: bool = False
    gelu: bool = False
    bias_gelu: bool = False
    skip_layer_norm: bool = False
    embed_layer_norm: bool = False


def fuse(path: Path, fusions: Fusions) -> onnx.ModelProto:
    """Return the graph at ``path`` with these fusions; patterns that the optimizer does not recognize stay."""
    options = FusionOptions("bert")
    options.enable_attention = fusions.attention
    options.enable_gelu = fusions.gelu
    options.enable_bias_gelu = fusions.bias_gelu
    options.enable_skip_layer_norm = fusions.skip_layer_norm
    options.enable_bias_skip_layer_norm = fusions.skip_layer_norm
    options.enable_rotary_embeddings = False  # it asks for positions per text, and the graph has them once
    options.enable_embed_layer_norm = fusions.embed_layer_norm
    model = optimize_model(str(path), model_type="bert", optimization_options=options, opt_level=0).model
    return Graph(model).finish()  # declares the domain of the fused operators
