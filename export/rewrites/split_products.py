"""Split products: a product whose result is cut into parts becomes one product per part.

ModernBERT computes queries, keys and values in one product, and both halves of its gated feed-forward part in another.
Apart, the attention is recognized (``fuse_attention``), and nothing but products and operators that work token by token
stays around it, so that padding can be left out and the last layer cut to its first token.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.graph import Graph, only_reader
from export.rewrites.constants import evaluate, follows_from_shapes

_HEADS_BEFORE_TOKENS: Final = [0, 3, 2, 1, 4]
"""Order of (batch, tokens, parts, heads, channels) before the parts are taken."""
_LAST: Final = (-1, 2)
"""Both names of the last axis of (batch, tokens, channels)."""


@dataclass(frozen=True, slots=True)
class _Product:
    """A product with constant weights.

    Attributes:
        source: its input.
        weights: (rows, columns).
        bias: (columns,), None without one.
        output: the product's result, after the bias.
    """

    source: str
    weights: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    output: str

    def add_part(self, graph: Graph, start: int, stop: int) -> str:
        """Add the product with some of the columns, and return its result."""
        name = f"{self.output}/{start}_{stop}"
        matrix = graph.add_constant(f"{name}/weights", self.weights[:, start:stop])
        part = graph.add("MatMul", [self.source, matrix], f"{name}/product")
        if self.bias is None:
            return part
        return graph.add("Add", [part, graph.add_constant(f"{name}/bias", self.bias[start:stop])], name)


def split_products(graph: Graph) -> bool:
    """Split every product whose result is sliced along its channels, or split into queries, keys and values."""
    consumers = graph.consumers()
    done = False
    for node in graph.of_type("MatMul"):
        product = _product(graph, node, consumers)
        if product is None:
            continue
        readers = [reader for reader in consumers[product.output] if reader.op_type != "Shape"]
        kinds = {reader.op_type for reader in readers}
        if kinds == {"Slice"}:
            done |= _split_slices(graph, product, readers)
        elif kinds == {"Reshape"} and len(readers) == 1:
            done |= _split_heads(graph, product, readers[0], consumers)
    return done


def _product(graph: Graph, node: onnx.NodeProto, consumers: dict[str, list[onnx.NodeProto]]) -> _Product | None:
    weights, output = graph.constant(node.input[1]), node.output[0]
    if weights is None or weights.ndim != 2:  # noqa: PLR2004 - a matrix
        return None
    after = consumers.get(output, [])
    if len(after) == 1 and after[0].op_type == "Add":
        for name in after[0].input:
            bias = graph.constant(name)
            if bias is not None and bias.shape == weights.shape[1:]:
                return _Product(node.input[0], weights, bias, after[0].output[0])
    return _Product(node.input[0], weights, None, output) if after else None


def _split_slices(graph: Graph, product: _Product, slices: list[onnx.NodeProto]) -> bool:
    """Replace slices along the channels by products of their own."""
    bounds = []
    for node in slices:
        start, stop, axis, *step = (_value(graph, name, product) for name in node.input[1:])
        if start is None or stop is None or axis not in _LAST or step not in ([], [1]):
            return False
        bounds.append(range(product.weights.shape[1])[start:stop])
    for node, columns in zip(slices, bounds, strict=True):
        graph.remove([node])
        graph.redirect(node.output[0], product.add_part(graph, columns.start, columns.stop))
    return True


def _value(graph: Graph, name: str, product: _Product) -> int | None:
    """Return an integer that is computed from the shape of a product's result, None for any other."""
    if not follows_from_shapes(graph, name):
        return None
    (value,) = evaluate(graph, [name], {product.output: np.zeros((1, 1, product.weights.shape[1]), np.float32)})
    return int(value.ravel()[0]) if value.size == 1 else None


def _split_heads(
    graph: Graph, product: _Product, reshape: onnx.NodeProto, consumers: dict[str, list[onnx.NodeProto]]
) -> bool:
    """Replace one product of queries, keys and values, split by heads, by three of (batch, heads, tokens, channels)."""
    shape = graph.producers().get(reshape.input[1])
    if shape is None or shape.op_type != "Concat" or len(shape.input) != len(_HEADS_BEFORE_TOKENS):
        return False
    sizes = [graph.constant(name) for name in shape.input[2:]]
    turned = only_reader(consumers, reshape.output[0], "Transpose")
    split = only_reader(consumers, turned.output[0], "Split") if turned is not None else None
    if turned is None or split is None or graph.attributes(turned).get("perm") != _HEADS_BEFORE_TOKENS:
        return False
    squeezed = [only_reader(consumers, name, "Squeeze") for name in split.output]
    if graph.attributes(split).get("axis") != 2 or any(size is None for size in sizes):  # noqa: PLR2004 - the parts
        return False
    parts, heads, channels = (int(size.ravel()[0]) for size in sizes if size is not None)
    if parts != len(squeezed) or parts * heads * channels != product.weights.shape[1] or None in squeezed:
        return False
    by_heads = graph.add_constant(f"{reshape.output[0]}/shape", np.array([0, 0, heads, channels], np.int64))
    for place, node in enumerate(node for node in squeezed if node is not None):
        width = heads * channels
        part = product.add_part(graph, place * width, (place + 1) * width)
        apart = graph.add("Reshape", [part, by_heads], f"{part}/heads")
        graph.remove([node])
        graph.redirect(node.output[0], graph.add("Transpose", [apart], f"{part}/turned", perm=[0, 2, 1, 3]))
    return True
