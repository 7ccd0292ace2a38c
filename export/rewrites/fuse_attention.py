"""Fuse attention: attention that onnxruntime's optimizer leaves in parts becomes one operator.

The optimizer knows neither a bias by relative position (MPNet) nor attention over projected embeddings (the first layer
of ALBERT). As ``MultiHeadAttention`` the other rewrites understand them: the last layer is cut to its first token, the
mask moves into the keys, padding is left out.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx

from export.graph.graph import MICROSOFT, Graph

_LOWEST: Final = float(np.finfo(np.float32).min)
_HEADS_FIRST: Final = [0, 2, 1, 3]
_KEYS_LAST: Final = [0, 2, 3, 1]
_IDS, _MASK = "input_ids", "attention_mask"
_INT32: Final = onnx.TensorProto.INT32


@dataclass
class _Scores:
    """The scores of an attention: queries times keys, scaled, plus other tensors.

    Attributes:
        query: (batch, tokens, hidden).
        key: (batch, tokens, hidden).
        heads: their number.
        scale: factor of the product.
        added: tensors that are added to it.
    """

    query: str
    key: str
    heads: int
    scale: float = 1.0
    added: list[str] = field(default_factory=list)


def fuse_attention(graph: Graph) -> bool:
    """Replace attention over all tokens, with or without a bias by position, by ``MultiHeadAttention``."""
    parts = _Parts(graph)
    found = [(node, made) for node in graph.of_type("Softmax") if (made := parts.of(node)) is not None]
    if not found or not {_IDS, _MASK} <= set(graph.inputs):
        return False
    _read_shapes_of_ids(graph)
    mask = graph.add("Cast", [_MASK], "fuse_attention/mask", to=_INT32)
    for _, (scores, value, bias, result) in found:
        graph.remove([result])
        graph.add(
            "MultiHeadAttention",
            [scores.query, scores.key, value, "", mask, *bias],
            result.output[0],
            domain=MICROSOFT,
            num_heads=scores.heads,
            scale=scores.scale,
            mask_filter_value=_LOWEST,
        )
    return True


@dataclass(frozen=True, slots=True)
class _Split:
    """A (batch, tokens, hidden) tensor that is split into heads.

    Attributes:
        is_scaled: whether it is multiplied by a number that follows from shapes: the root of ``1 / sqrt(channels)``.
    """

    tensor: str
    heads: int
    channels: int
    is_scaled: bool


class _Parts:
    """Finds the parts of an attention around its softmax."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._consumers = graph.consumers()

    def of(self, softmax: onnx.NodeProto) -> tuple[_Scores, str, list[str], onnx.NodeProto] | None:
        """Return scores, values (batch, tokens, hidden), a bias if any, and the node of the result, if known."""
        scores = self._scores(softmax.input[0])
        mixed = self._only_reader(softmax.output[0], "MatMul")
        if scores is None or mixed is None or mixed.input[0] != softmax.output[0]:
            return None
        value = self._split_by_heads(mixed.input[1], _HEADS_FIRST)
        turned = self._only_reader(mixed.output[0], "Transpose")
        result = self._only_reader(turned.output[0], "Reshape") if turned is not None else None
        biases = [name for name in scores.added if self._depends_on(name) == set()]
        masks = [name for name in scores.added if self._depends_on(name) == {_MASK}]
        if value is None or result is None or len(masks) != 1 or len(biases) > 1:
            return None
        if len(scores.added) != len(masks) + len(biases):
            return None
        return scores, value.tensor, [self._unexpanded(name) for name in biases], result

    def _scores(self, name: str) -> _Scores | None:
        node = self._producers.get(name)
        if node is not None and node.op_type == "MatMul":
            return self._product(node)
        if node is not None and node.op_type == "Div":
            divisor, scores = self._graph.constant(node.input[1]), self._scores(node.input[0])
            if divisor is None or divisor.size != 1 or scores is None:
                return None
            scores.scale /= float(divisor.ravel()[0])
            return scores
        if node is not None and node.op_type == "Add":
            for one, other in (node.input, reversed(node.input)):
                scores = self._scores(one)
                if scores is not None:
                    scores.added.append(other)
                    return scores
        return None

    def _product(self, node: onnx.NodeProto) -> _Scores | None:
        query = self._split_by_heads(node.input[0], _HEADS_FIRST)
        key = self._split_by_heads(node.input[1], _KEYS_LAST)
        if query is None or key is None or query.is_scaled != key.is_scaled:
            return None
        scale = 1 / math.sqrt(query.channels) if query.is_scaled else 1.0
        return _Scores(query.tensor, key.tensor, query.heads, scale)

    def _split_by_heads(self, name: str, order: list[int]) -> _Split | None:
        """Return the (batch, tokens, hidden) tensor that was split into heads and transposed."""
        turned = self._producers.get(name)
        is_scaled = turned is not None and turned.op_type == "Mul" and self._depends_on(turned.input[1]) == set()
        if turned is not None and is_scaled:
            turned = self._producers.get(turned.input[0])
        if turned is None or turned.op_type != "Transpose" or self._graph.attributes(turned).get("perm") != order:
            return None
        split = self._producers.get(turned.input[0])
        shape = self._producers.get(split.input[1]) if split is not None and split.op_type == "Reshape" else None
        if split is None or shape is None or shape.op_type != "Concat" or len(shape.input) != 4:  # noqa: PLR2004 - rank
            return None
        heads, channels = self._graph.constant(shape.input[2]), self._graph.constant(shape.input[3])
        if heads is None or channels is None:
            return None
        return _Split(split.input[0], int(heads.ravel()[0]), int(channels.ravel()[0]), is_scaled)

    def _unexpanded(self, name: str) -> str:
        """Return a bias before it is repeated for every text; attention does that itself."""
        node = self._producers.get(name)
        return str(node.input[0]) if node is not None and node.op_type == "Expand" else name

    def _only_reader(self, name: str, kind: str) -> onnx.NodeProto | None:
        readers = self._consumers.get(name, [])
        return readers[0] if [node.op_type for node in readers] == [kind] else None

    def _depends_on(self, name: str) -> set[str]:
        """Return the inputs of the graph whose content a tensor depends on; their shapes do not count."""
        pending, seen, found = [name], set(), set()
        while pending:
            name = pending.pop()
            if name in self._graph.inputs:
                found.add(name)
            node = self._producers.get(name)
            if name not in seen and node is not None and node.op_type != "Shape":
                pending.extend(node.input)
            seen.add(name)
        return found


def _read_shapes_of_ids(graph: Graph) -> None:
    """Take the numbers of texts and tokens from the ids, not from the embeddings, which may lose their padding."""
    producers, consumers = graph.producers(), graph.consumers()
    for node in graph.of_type("Shape"):
        source = producers.get(node.input[0])
        readers = consumers.get(node.output[0], [])
        if source is None or source.op_type not in {"LayerNormalization", "Add"}:
            continue
        indices = [graph.constant(reader.input[1]) for reader in readers if reader.op_type == "Gather"]
        if len(indices) == len(readers) and all(index is not None and int(index) in (0, 1) for index in indices):
            node.input[0] = _IDS
