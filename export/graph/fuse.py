"""Optimize: graph variants, through onnxruntime's own transformer optimizer and this project's rewrites.

Which fusions help is a measured matter: the SkipLayerNormalization and EmbedLayerNormalization kernels of the CPU
provider are slower than the plain operators they replace.
"""

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model

from export.graph.graph import Graph
from export.rewrites import Rewrite
from export.rewrites.attention import open_attention
from export.rewrites.embeddings import fix_token_types, slice_positions
from export.rewrites.first_token import read_first_token
from export.rewrites.mask import mask_keys

REWRITES: tuple[Rewrite, ...] = (
    fix_token_types,
    slice_positions,
    open_attention,
    read_first_token,
    mask_keys,
)
"""Everything that is worth trying on a graph, in order; each leaves the answers as they are."""


@dataclass(frozen=True, slots=True)
class Fusions:
    """Which operators the library fuses; each is one option of its optimizer."""

    attention: bool = True
    gelu: bool = True
    bias_gelu: bool = False
    skip_layer_norm: bool = False
    embed_layer_norm: bool = False


def fuse(path: Path, fusions: Fusions) -> onnx.ModelProto:
    """Return the graph at ``path`` with the chosen fusions; what the library does not recognize stays as it is."""
    options = FusionOptions("bert")
    options.enable_attention = fusions.attention
    options.enable_gelu = fusions.gelu
    options.enable_bias_gelu = fusions.bias_gelu
    options.enable_skip_layer_norm = fusions.skip_layer_norm
    options.enable_bias_skip_layer_norm = fusions.skip_layer_norm
    options.enable_embed_layer_norm = fusions.embed_layer_norm
    model = optimize_model(str(path), model_type="bert", optimization_options=options, opt_level=0).model
    return Graph(model).finish()  # declares the domain of what was fused
