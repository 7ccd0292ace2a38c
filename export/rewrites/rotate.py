"""Rotate: rotary positions of queries and keys as one operator.

Exported, a rotation of half-split channels is two slices, a negation, a concatenation, two products and a sum over
(batch, heads, tokens, channels): seven passes over memory. ``RotaryEmbedding`` (ContribOperators.md) makes one.
"""

from typing import Final

import numpy as np
import onnx

from export.graph.graph import MICROSOFT, Graph
from export.rewrites.constants import evaluate, follows_from_shapes

START: Final = "rotate/start"
"""Position of the first token: 0, (1,) int64."""


def fuse_rotations(graph: Graph) -> bool:
    """Replace ``x * cos + (-x[half:], x[:half]) * sin`` by ``RotaryEmbedding``, (batch, heads, tokens, channels)."""
    parts = _Parts(graph)
    found = [(node, made) for node in graph.of_type("Add") if (made := parts.of(node)) is not None]
    if not found:
        return False
    graph.add_constant(START, np.array([0], np.int64))
    for node, (rotated, cosines, sines) in found:
        graph.remove([node])
        tables = [parts.half(name) for name in (cosines, sines)]
        graph.add("RotaryEmbedding", [rotated, START, *tables], node.output[0], domain=MICROSOFT)
    return True


def fix_rotations(graph: Graph, max_length: int) -> bool:
    """Compute the tables of rotations once, for as many positions as a text can have; longer input fails.

    One more position is for the token of padding that ``mask_keys`` may add.
    """
    tables = {name for node in graph.of_type("RotaryEmbedding") for name in node.input[2:]}
    found = sorted(name for name in tables if graph.constant(name) is None and follows_from_shapes(graph, name))
    if not found:
        return False
    ones = np.ones((1, max_length + 1), np.int64)
    for name, value in zip(found, evaluate(graph, found, dict.fromkeys(graph.inputs, ones)), strict=True):
        graph.redirect(name, graph.add_constant(f"{name}/fixed", value))
    return True


class _Parts:
    """Finds the parts of a rotation."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._halves: dict[str, str] = {}

    def of(self, addition: onnx.NodeProto) -> tuple[str, str, str] | None:
        """Return the rotated tensor and its tables, if an addition is the end of a rotation."""
        straight, turned = (self._node(name, "Mul") for name in addition.input)
        if straight is None or turned is None:
            return None
        swapped = self._node(turned.input[0], "Concat")
        if swapped is None or len(swapped.input) != 2:  # noqa: PLR2004 - halves
            return None
        negated = self._node(swapped.input[0], "Neg")
        upper = self._node(negated.input[0], "Slice") if negated is not None else None
        lower = self._node(swapped.input[1], "Slice")
        if upper is None or lower is None or {upper.input[0], lower.input[0]} != {straight.input[0]}:
            return None
        tables = (straight.input[1], turned.input[1])
        if not all(self._doubled(name) for name in tables):
            return None
        return straight.input[0], *tables

    def half(self, table: str) -> str:
        """Return the first half of the channels of a table, (tokens, channels / 2); the second half is the same."""
        if table not in self._halves:
            *later, doubling = self._doubled(table)
            name = doubling.input[0]
            for node in reversed(later[1:]):
                name = self._graph.clone(node, [name, *node.input[1:]], f"{node.output[0]}/half")
            first = self._graph.add_constant(f"{table}/axis", np.array([0], np.int64))
            self._halves[table] = self._graph.add("Squeeze", [name, first], f"{table}/half")
        return self._halves[table]

    def _doubled(self, table: str) -> list[onnx.NodeProto]:
        """Return the nodes from a table, (1, 1, tokens, channels), back to a concatenation of a half with itself.

        An empty list where the table is computed otherwise.
        """
        nodes = [node for node in [self._node(table, "Unsqueeze")] if node is not None]
        while nodes and nodes[-1].op_type != "Concat":
            node = self._producers.get(nodes[-1].input[0])
            if node is None or node.op_type not in {"Concat", "Mul", "Cast", "Cos", "Sin"}:
                return []
            nodes.append(node)
        return nodes if nodes and nodes[-1].input[:1] * 2 == nodes[-1].input[:] else []

    def _node(self, name: str, kind: str) -> onnx.NodeProto | None:
        node = self._producers.get(name)
        return node if node is not None and node.op_type == kind else None
