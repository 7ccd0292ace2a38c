"""Attention: queries, keys and values as products of their own, or as one, and the attention proper apart.

onnxruntime's fused ``Attention`` hides its projection. Opened, the projection can be quantized like every other
product and the last layer cut down. One merged product needs one quantization of its input instead of three; with
static scales the three share that one anyway, and need no split after them.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.graph import MICROSOFT, Graph

_LOWEST = float(np.finfo(np.float32).min)
_PARTS = ("query", "key", "value")


def open_attention(graph: Graph) -> bool:
    """Open every fused ``Attention`` into three products with their biases and ``MultiHeadAttention``.

    Only the plain form (input, weights, bias, mask) is opened. The mask keeps its form, see ContribOperators.md:
    valid tokens per text, or one flag per token.
    """
    nodes = graph.of_type("Attention")
    if not nodes or any(len([name for name in node.input if name]) != 4 for node in nodes):  # noqa: PLR2004
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


def merge_projections(graph: Graph) -> bool:
    """Merge products with a bias that read the same tensor (queries, keys, values) into one, and split after it."""
    readers: dict[str, list[_Projection]] = {}
    consumers = graph.consumers()
    for node in graph.of_type("MatMul"):
        weights, after = graph.constant(node.input[1]), consumers.get(node.output[0], [])
        if weights is None or weights.ndim != 2 or len(after) != 1 or after[0].op_type != "Add":  # noqa: PLR2004
            continue
        biases = [value for value in map(graph.constant, after[0].input) if value is not None]
        if len(biases) == 1 and biases[0].shape == weights.shape[1:]:
            readers.setdefault(node.input[0], []).append(_Projection(node, after[0], weights, biases[0]))
    groups = [group for group in readers.items() if len(group[1]) > 1]
    for source, projections in groups:
        _merge(graph, source, projections)
    return bool(groups)


@dataclass(frozen=True, slots=True, eq=False)
class _Projection:
    product: onnx.NodeProto
    addition: onnx.NodeProto
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


def _merge(graph: Graph, source: str, parts: list[_Projection]) -> None:
    outputs = [part.addition.output[0] for part in parts]
    name = f"{outputs[0]}/merged"
    weights = graph.add_constant(f"{name}_weights", np.concatenate([part.weights for part in parts], axis=1))
    bias = graph.add_constant(f"{name}_bias", np.concatenate([part.bias for part in parts]))
    widths = graph.add_constant(f"{name}_widths", np.array([len(part.bias) for part in parts], np.int64))
    for part in parts:
        graph.remove([part.product, part.addition])
    total = graph.add("Add", [graph.add("MatMul", [source, weights], f"{name}_product"), bias], name)
    graph.add("Split", [total, widths], outputs, axis=-1)
