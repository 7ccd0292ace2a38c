"""Fuse attention: attention that onnxruntime's optimizer leaves in parts becomes one operator.

The optimizer knows neither a bias by relative position (MPNet), nor attention over projected embeddings (the first
layer of ALBERT), nor rotated queries and keys and a window of neighbours (ModernBERT). As ``MultiHeadAttention`` the
other rewrites understand them: the last layer is cut to its first token, the mask moves into the keys, padding is left
out.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.graph import MICROSOFT, Graph, only_reader

_LOWEST: Final = float(np.finfo(np.float32).min)
_HEADS_FIRST: Final = [0, 2, 1, 3]
_KEYS_LAST: Final = [0, 2, 3, 1]
_TURNED: Final = [0, 1, 3, 2]
_IDS, _MASK = "input_ids", "attention_mask"
_INT32: Final = onnx.TensorProto.INT32


@dataclass(frozen=True, slots=True)
class _Split:
    """A (batch, tokens, hidden) tensor that is split into heads.

    Attributes:
        tensor: its name.
        heads: their number.
        channels: of one head.
        rotation: that is applied to every head, if any.
        is_scaled: whether it is multiplied by a number that follows from shapes: the root of ``1 / sqrt(channels)``.
    """

    tensor: str
    heads: int
    channels: int
    rotation: onnx.NodeProto | None
    is_scaled: bool

    def whole(self, graph: Graph) -> str:
        """Return the name of the tensor, rotated where its heads are."""
        if self.rotation is None:
            return self.tensor
        inputs = [self.tensor, *self.rotation.input[1:]]
        return graph.add("RotaryEmbedding", inputs, f"{self.rotation.output[0]}/whole", domain=MICROSOFT)


@dataclass
class _Scores:
    """The scores of an attention: queries times keys, scaled, plus other tensors.

    Attributes:
        query: what asks.
        key: what is asked.
        scale: factor of the product.
        added: tensors that are added to it.
    """

    query: _Split
    key: _Split
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
            [scores.query.whole(graph), scores.key.whole(graph), value, "", mask, *bias],
            result.output[0],
            domain=MICROSOFT,
            num_heads=scores.query.heads,
            scale=scores.scale,
            mask_filter_value=_LOWEST,
        )
    return True


class _Parts:
    """Finds the parts of an attention around its softmax."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._consumers = graph.consumers()
        self._windows: dict[str, str] = {}

    def of(self, softmax: onnx.NodeProto) -> tuple[_Scores, str, list[str], onnx.NodeProto] | None:
        """Return scores, values (batch, tokens, hidden), a bias if any, and the node of the result, if known."""
        scores = self._scores(softmax.input[0])
        mixed = only_reader(self._consumers, softmax.output[0], "MatMul")
        if scores is None or mixed is None or mixed.input[0] != softmax.output[0]:
            return None
        value = self._split_by_heads(mixed.input[1], _HEADS_FIRST)
        turned = only_reader(self._consumers, mixed.output[0], "Transpose")
        result = only_reader(self._consumers, turned.output[0], "Reshape") if turned is not None else None
        biases = [name for name in scores.added if self._depends_on(name) == set()]
        masks = [name for name in scores.added if self._depends_on(name) == {_MASK}]
        if value is None or value.rotation is not None or result is None or len(masks) != 1 or len(biases) > 1:
            return None
        if len(scores.added) != len(masks) + len(biases):
            return None
        window = self._window(masks[0])
        if window is not None and biases:
            return None
        return scores, value.tensor, [self._unexpanded(name) for name in biases] or window or [], result

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
        return _Scores(query, key, 1 / math.sqrt(query.channels) if query.is_scaled else 1.0)

    def _split_by_heads(self, name: str, order: list[int]) -> _Split | None:
        """Return the (batch, tokens, hidden) tensor that was split into heads and transposed."""
        node = self._producers.get(name)
        is_scaled = node is not None and node.op_type == "Mul" and self._depends_on(node.input[1]) == set()
        if node is not None and is_scaled:
            node = self._producers.get(node.input[0])
        if node is not None and order == _KEYS_LAST and self._turns(node, _TURNED):
            node, order = self._producers.get(node.input[0]), _HEADS_FIRST
        rotation = node if node is not None and node.op_type == "RotaryEmbedding" else None
        if rotation is not None:
            node = self._producers.get(rotation.input[0])
        if node is None or not self._turns(node, order):
            return None
        split = self._producers.get(node.input[0])
        sizes = self._sizes(split.input[1]) if split is not None and split.op_type == "Reshape" else None
        if split is None or sizes is None:
            return None
        return _Split(split.input[0], *sizes, rotation, is_scaled)

    def _turns(self, node: onnx.NodeProto, order: list[int]) -> bool:
        return node.op_type == "Transpose" and self._graph.attributes(node).get("perm") == order

    def _sizes(self, shape: str) -> tuple[int, int] | None:
        """Return heads and channels of a shape (batch, tokens, heads, channels), if they are constant."""
        node, whole = self._producers.get(shape), self._graph.constant(shape)
        last: list[NDArray[np.int64] | None] = [] if whole is None else [whole[2:3], whole[3:]]
        if node is not None and node.op_type == "Concat":
            last = [self._graph.constant(name) for name in node.input[2:]]
        if len(last) != 2:  # noqa: PLR2004 - heads and channels
            return None
        heads, channels = last
        if heads is None or channels is None or heads.size != 1 or channels.size != 1:
            return None
        return int(heads.ravel()[0]), int(channels.ravel()[0])

    def _window(self, mask: str) -> list[str] | None:
        """Return a bias that shuts out tokens far away, if a mask does so beside padding."""
        node = self._producers.get(mask)
        if node is None or node.op_type != "Where" or self._depends_on(node.input[0]) != set():
            return None
        if self._graph.constant(node.input[1]) is None or self._depends_on(node.input[2]) != {_MASK}:
            return None
        if mask not in self._windows:
            near = self._graph.add_constant(f"{mask}/near", np.array(0, np.float32))
            self._windows[mask] = self._graph.add("Where", [*node.input[:2], near], f"{mask}/window")
        return [self._windows[mask]]

    def _unexpanded(self, name: str) -> str:
        """Return a bias before it is repeated for every text; attention does that itself."""
        node = self._producers.get(name)
        return str(node.input[0]) if node is not None and node.op_type == "Expand" else name

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
    """Take the numbers of texts and tokens from the ids.

    Embeddings may lose their padding, and a mask of (batch, 1, tokens, tokens) is computed for its shape alone.
    """
    producers, consumers = graph.producers(), graph.consumers()
    for node in graph.of_type("Shape"):
        source = producers.get(node.input[0])
        readers = consumers.get(node.output[0], [])
        axes = {"LayerNormalization": (0, 1), "Add": (0, 1), "Where": (2, 3)}.get(source.op_type if source else "", ())
        indices = [graph.constant(reader.input[1]) for reader in readers if reader.op_type == "Gather"]
        if len(indices) != len(readers) or not all(index is not None and int(index) in axes for index in indices):
            continue
        node.input[0] = _IDS
        if axes == (2, 3):
            for reader in readers:
                reader.input[1] = graph.add_constant(f"{reader.output[0]}/tokens", np.array(1))
