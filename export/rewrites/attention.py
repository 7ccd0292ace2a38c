"""Attention: queries, keys and values as three products in front of the attention itself.

onnxruntime's fused ``Attention`` hides these products. Opened, they are quantized like every other product, and the
last layer can be cut down to one token (``read_first_token``).
"""

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.graph import MICROSOFT, Graph

_LOWEST = float(np.finfo(np.float32).min)
_PARTS = ("query", "key", "value")


def open_attention(graph: Graph) -> bool:
    """Open every fused ``Attention`` into three products with their biases and ``MultiHeadAttention``.

    Only the plain form (input, weights, bias, mask) is opened. The mask stays as it is: valid tokens per text, or one
    flag per token (ContribOperators.md).
    """
    nodes = graph.of_type("Attention")
    if not nodes or any(len([name for name in node.input if name]) != 4 for node in nodes):  # noqa: PLR2004 - input, weights, bias, mask
        return False
    for node in nodes:
        weights, bias = graph.constant(node.input[1]), graph.constant(node.input[2])
        if weights is None or bias is None or "qkv_hidden_sizes" in graph.attributes(node):
            return False
        _open(graph, node, np.split(weights, 3, axis=1), np.split(bias, 3))
    return True


def _open(
    graph: Graph, node: onnx.NodeProto, weights: list[NDArray[np.float32]], biases: list[NDArray[np.float32]]
) -> None:
    name, attributes = node.output[0], graph.attributes(node)
    made = []
    for part, weight, bias in zip(_PARTS, weights, biases, strict=True):
        matrix = graph.add_constant(f"{name}/{part}_weights", weight)
        shift = graph.add_constant(f"{name}/{part}_bias", bias)
        product = graph.add("MatMul", [node.input[0], matrix], f"{name}/{part}_product")
        made.append(graph.add("Add", [product, shift], f"{name}/{part}"))
    graph.remove([node])
    graph.add(
        "MultiHeadAttention",
        [*made, "", node.input[3]],
        name,
        domain=MICROSOFT,
        num_heads=attributes["num_heads"],
        mask_filter_value=attributes.get("mask_filter_value", _LOWEST),
    )
