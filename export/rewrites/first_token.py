"""First token: the last layer computed only where the classifier looks.

The classifier reads the last layer's output at token 0. What comes before it works token by token, back to the
attention, whose row 0 needs only query 0; keys and values still need every token. So the selection of token 0 can
move from the end of the layer to the attention's query: the same answer from a sixth of that layer's products.
"""

import numpy as np
import onnx

from export.graph import Graph

_TOKENWISE = {
    "Add", "BiasGelu", "Cast", "Div", "Erf", "FastGelu", "Gelu", "LayerNormalization", "MatMul", "Mul",
    "QuickGelu", "Relu", "Tanh",
}  # fmt: skip
"""Operators that compute each token from that token alone, given constant other operands of rank 2 or less."""


def read_first_token(graph: Graph) -> bool:
    """Move the selection of token 0 back through token-wise operators and into the last attention's query."""
    selection, attentions = _selection(graph), graph.of_type("MultiHeadAttention")
    if selection is None or not attentions:
        return False
    back = _Back(graph, attentions[-1])
    hidden = selection.input[0]
    if hidden not in back.after or not back.is_tokenwise(hidden):
        return False
    selection.input[0] = back.first(hidden)
    back.narrow_splits()
    return True


def _selection(graph: Graph) -> onnx.NodeProto | None:
    """Find the only ``Gather(hidden, 0, axis=1)`` that picks token 0 of a (batch, tokens, hidden) tensor."""
    producers, found = graph.producers(), []
    for node in graph.of_type("Gather"):
        index = graph.constant(node.input[1])
        if index is None or index.size != 1 or int(index.ravel()[0]) != 0:
            continue
        if graph.attributes(node).get("axis", 0) == 1 and node.input[0] in producers:
            found.append(node)
    return found[0] if len(found) == 1 else None


class _Back:
    """Walks back from a tensor and builds its token-0 twin, (batch, 1, hidden).

    Attributes:
        after: tensors computed from the attention's output.
    """

    def __init__(self, graph: Graph, attention: onnx.NodeProto) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._consumers = graph.consumers()
        self._twins: dict[str, str] = {}
        self._parts: list[tuple[onnx.NodeProto, onnx.NodeProto, onnx.NodeProto, str]] = []
        self._attention = attention
        self.after = {attention.output[0]}
        for node in graph.nodes:  # sorted: whatever makes an input stands before
            if self.after.intersection(node.input):
                self.after.update(node.output)

    def is_tokenwise(self, name: str) -> bool:
        """Whether everything between the attention and a tensor works token by token."""
        pending, seen = [name], set()
        while pending:
            name = pending.pop()
            node = self._producers.get(name)
            if name in seen or name not in self.after or node is self._attention:
                continue
            if node is None or node.op_type not in _TOKENWISE:
                return False
            seen.add(name)
            pending.extend(node.input)
        return True

    def first(self, name: str) -> str:
        """Return the name of the twin of a tensor."""
        if name not in self._twins:
            self._twins[name] = self._build(name)
        return self._twins[name]

    def _build(self, name: str) -> str:
        node, twin = self._producers.get(name), f"{name}/first"
        if node is self._attention:
            return self._clone(node, [self.first(node.input[0]), *node.input[1:]], twin)
        if node is not None and node.op_type == "Split":
            part = self._part_of_product(node, name, twin)
            if part:
                return part
        if node is not None and node.op_type in _TOKENWISE and self._is_needed_here_only(name):
            return self._clone(node, [self._operand(value) for value in node.input], twin)
        zero = "first_token/index"
        if self._graph.constant(zero) is None:
            self._graph.add_constant(zero, np.array([0], np.int64))
        return self._graph.add("Gather", [name, zero], twin, axis=1)

    def _is_needed_here_only(self, name: str) -> bool:
        """Whether a tensor is made for token 0 alone, so that its other tokens need not be computed."""
        return name in self.after or len(self._consumers[name]) == 1

    def _operand(self, name: str) -> str:
        value = self._graph.constant(name)
        return self.first(name) if value is None else name

    def _clone(self, node: onnx.NodeProto, inputs: list[str], twin: str) -> str:
        return self._graph.add(node.op_type, inputs, twin, domain=node.domain, **self._graph.attributes(node))

    def _part_of_product(self, split: onnx.NodeProto, name: str, twin: str) -> str | None:
        """Compute one part of a merged projection on its own: Split(Add(MatMul(x, W), b)) -> x₀·Wᵢ + bᵢ."""
        addition = self._producers.get(split.input[0])
        product = self._producers.get(addition.input[0]) if addition is not None else None
        if addition is None or product is None or (addition.op_type, product.op_type) != ("Add", "MatMul"):
            return None
        weights, bias = self._graph.constant(product.input[1]), self._graph.constant(addition.input[1])
        if weights is None or bias is None:
            return None
        start, stop = _columns(self._graph, split, name, weights.shape[1])
        part = self._graph.add_constant(f"{twin}_weights", weights[:, start:stop])
        shift = self._graph.add_constant(f"{twin}_bias", bias[start:stop])
        partial = self._graph.add("MatMul", [self.first(product.input[0]), part], f"{twin}_product")
        self._parts.append((split, addition, product, name))
        return self._graph.add("Add", [partial, shift], twin)

    def narrow_splits(self) -> None:
        """Leave the parts that are now computed apart out of their merged projections."""
        for split, addition, product, name in self._parts:
            weights, bias = self._graph.constant(product.input[1]), self._graph.constant(addition.input[1])
            if weights is None or bias is None or split.output[0] != name:
                continue
            _, stop = _columns(self._graph, split, name, weights.shape[1])
            rest = [self._graph.add_constant(f"{name}/rest_weights", weights[:, stop:])]
            shift = self._graph.add_constant(f"{name}/rest_bias", bias[stop:])
            partial = self._graph.add("MatMul", [product.input[0], *rest], f"{name}/rest_product")
            total = self._graph.add("Add", [partial, shift], f"{name}/rest")
            outputs = list(split.output)[1:]
            widths = [np.diff(_columns(self._graph, split, part, weights.shape[1]))[0] for part in outputs]
            sizes = self._graph.add_constant(f"{name}/rest_widths", np.array(widths, np.int64))
            self._graph.remove([split])
            self._graph.add("Split", [total, sizes], outputs, axis=-1)


def _columns(graph: Graph, split: onnx.NodeProto, name: str, width: int) -> tuple[int, int]:
    """Return the first and the last-plus-one column of an output of a split."""
    index = list(split.output).index(name)
    sizes = graph.constant(split.input[1]) if len(split.input) > 1 else None
    if sizes is None:
        even = width // len(split.output)
        return index * even, (index + 1) * even
    ends = np.cumsum(sizes)
    return int(ends[index] - sizes[index]), int(ends[index])
