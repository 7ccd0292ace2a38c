"""Flat products: a product over all tokens in one row becomes one over (batch, tokens, channels).

GPT-2 reshapes to (batch x tokens, channels), computes ``Gemm`` and reshapes back. As ``MatMul`` and ``Add`` the product
is quantized like every other, and padding can be left out around it.
"""

from collections.abc import Mapping
from typing import Final

import onnx

from export.graph.graph import Graph, only_reader

_PLAIN: Final = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
"""Attributes of a Gemm that is a product and an addition, all at their defaults."""
_BIAS_INPUT: Final = 2


def open_flat_products(graph: Graph) -> bool:
    """Replace each Gemm between two reshapes by a MatMul with the same weights, and the addition of its bias."""
    producers, consumers = graph.producers(), graph.consumers()
    done = False
    for node in graph.of_type("Gemm"):
        flattened = producers.get(node.input[0])
        restored = only_reader(consumers, node.output[0], "Reshape")
        if flattened is None or restored is None or not _flattens(graph, flattened, node, producers):
            continue
        product = graph.add("MatMul", [flattened.input[0], node.input[1]], f"{node.output[0]}/product")
        graph.remove([node, restored])
        graph.add("Add", [product, node.input[_BIAS_INPUT]], restored.output[0])
        done = True
    return done


def _flattens(
    graph: Graph, reshape: onnx.NodeProto, product: onnx.NodeProto, producers: Mapping[str, onnx.NodeProto]
) -> bool:
    """Whether a node makes the two axes of a plain Gemm, with constant weights and a bias, out of more."""
    plain = {**_PLAIN, **graph.attributes(product)} == _PLAIN and len(product.input) > _BIAS_INPUT
    if reshape.op_type != "Reshape" or not plain or graph.constant(product.input[1]) is None:
        return False
    shape = producers.get(reshape.input[1])
    return shape is not None and shape.op_type == "Concat" and len(shape.input) == 2  # noqa: PLR2004 - axes
