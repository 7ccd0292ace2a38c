"""First token: the last layer is computed for token 0 alone, because the classifier reads nothing else.

The operators between the last attention and the classifier work token by token, and row 0 of the attention needs only
query 0; keys and values still need every token. So the selection of token 0 moves from the end of the layer to the
attention's query: the same answer from a sixth of that layer's products.
"""

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.graph import Graph

TOKENWISE = {
    "Add", "BiasGelu", "Cast", "Div", "Erf", "FastGelu", "Gelu", "LayerNormalization", "MatMul", "Mul",
    "QuickGelu", "Relu", "Tanh",
}  # fmt: skip
"""Operators that compute each token from that token alone, given constant other operands of rank 2 or less."""

_BIAS_INPUT = 5
"""Input of ``MultiHeadAttention`` that is added to the scores (ContribOperators.md)."""


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
    return True


def selected_token(graph: Graph, node: onnx.NodeProto) -> NDArray[np.int64] | None:
    """Return the index, () or (1,) int64, if a node picks token 0 of a (batch, tokens, hidden) tensor."""
    if node.op_type != "Gather" or graph.attributes(node).get("axis", 0) != 1:
        return None
    index = graph.constant(node.input[1])
    return index if index is not None and index.size == 1 and int(index.ravel()[0]) == 0 else None


def _selection(graph: Graph) -> onnx.NodeProto | None:
    """Find the only selection of token 0 of a tensor that is computed."""
    producers = graph.producers()
    found = [
        node
        for node in graph.of_type("Gather")
        if node.input[0] in producers and selected_token(graph, node) is not None
    ]
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
        self._attention = attention
        self.after = {attention.output[0]}
        for node in graph.nodes:  # sorted: producers come before their readers
            if self.after.intersection(node.input):
                self.after.update(node.output)

    def is_tokenwise(self, name: str) -> bool:
        """Return whether every operator between the attention and a tensor works token by token."""
        pending, seen = [name], set()
        while pending:
            name = pending.pop()
            node = self._producers.get(name)
            if name in seen or name not in self.after or node is self._attention:
                continue
            if node is None or node.op_type not in TOKENWISE:
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
            return self._graph.clone(node, [self.first(node.input[0]), *node.input[1:5], *self._first_row(node)], twin)
        if node is not None and node.op_type in TOKENWISE and self._is_needed_here_only(name):
            return self._graph.clone(node, [self._operand(value) for value in node.input], twin)
        if node is not None and node.op_type == "RotaryEmbedding" and self._is_needed_here_only(name):
            return self._graph.clone(node, [self.first(node.input[0]), *node.input[1:]], twin)  # positions count from 0
        zero = "first_token/index"
        if self._graph.constant(zero) is None:
            self._graph.add_constant(zero, np.array([0], np.int64))
        return self._graph.add("Gather", [name, zero], twin, axis=1)

    def _first_row(self, attention: onnx.NodeProto) -> list[str]:
        """Return the first row of a bias of the scores, (1, heads, 1, tokens), if there is one."""
        if len(attention.input) <= _BIAS_INPUT:
            return []
        index = self._graph.add_constant("first_token/row", np.array([0], np.int64))
        return [self._graph.add("Gather", [attention.input[_BIAS_INPUT], index], "first_token/bias", axis=2)]

    def _is_needed_here_only(self, name: str) -> bool:
        """Return whether a tensor is computed for token 0 alone, so that its other tokens can be left out."""
        return name in self.after or len(self._consumers[name]) == 1

    def _operand(self, name: str) -> str:
        value = self._graph.constant(name)
        return self.first(name) if value is None else name
