"""Mask: moved into one more channel of the keys, so that the runtime uses its faster attention.

``MultiHeadAttention`` computes block by block within the L2 cache ("flash attention") only without a mask. So the mask
moves into the products: the queries of every head get a channel that is always 1, the keys one that is 0 for a token
and far below zero for padding, whose weight the softmax rounds to exactly 0. Both channels are a column of zeros and a
bias in products that run anyway.

A block holds as many rows as queries and values have channels in a head. A block of one row takes another kernel, which
rounds differently, and a text of such a length would answer differently alone and in a batch. It gets one token of
padding.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.graph import MICROSOFT, Graph

PENALTY: Final = "mask_keys/penalty"
"""Added to the keys; zero for tokens."""
CHANNELS: Final = "mask_keys/channels"
"""Subtracted from each channel of the keys of padding, (heads x (size + 1),) float32."""
SINGLE_ROW: Final = "mask_keys/alone"
"""Whether the batch's length leaves a block of one row, (1,) bool."""
_FAR_BELOW = -1e6
_MASKED_INPUTS = 5
"""Query, key, value, bias of the projections, mask; a bias of the scores may follow."""
_IDS, _MASK = "input_ids", "attention_mask"
_FLOAT, _INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


@dataclass(frozen=True, slots=True, eq=False)
class _Projection:
    """A product and its bias, read by one attention only.

    Attributes:
        product: of tokens and weights.
        nodes: the product, and its addition and rotation where it has them.
        weights: (rows, channels).
        bias: (channels,), zeros without an addition.
        rotation: of every head's channels by position, if any.
        output: what the attention reads.
    """

    product: onnx.NodeProto
    nodes: list[onnx.NodeProto]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    rotation: onnx.NodeProto | None
    output: str


def mask_keys(graph: Graph) -> bool:
    """Move the mask of every attention over all tokens into its queries and keys.

    Attention of one query, as ``read_first_token`` leaves it, keeps its mask: it would gain nothing.
    """
    found = [(node, parts) for node in graph.of_type("MultiHeadAttention") if (parts := _projections(graph, node))]
    if not found or not {_IDS, _MASK} <= set(graph.inputs):
        return False
    heads = {_heads(graph, node, parts) for node, parts in found}
    if len(heads) != 1:
        return False
    ((count, size),) = heads
    penalty = _penalty(graph, count, size)
    for node, (query, key) in found:
        _widen(graph, query, count, extra=1.0)
        masked = graph.add("Add", [_widen(graph, key, count, extra=0.0), penalty], f"{key.output}/masked")
        attributes = graph.attributes(node)
        scale = attributes.get("scale", 1 / np.sqrt(size))
        graph.remove([node])
        bias = ["", "", node.input[5]] if len(node.input) > _MASKED_INPUTS else []
        inputs = [query.output, masked, node.input[2], *bias]
        graph.add("MultiHeadAttention", inputs, node.output[0], domain=MICROSOFT, num_heads=count, scale=float(scale))
    _pad_single_rows(graph, 2 * size + 1)
    return True


def _projections(graph: Graph, node: onnx.NodeProto) -> tuple[_Projection, _Projection] | None:
    """Return the projections of an attention's queries and keys, if it has a mask and both read the same tokens."""
    if len(node.input) < _MASKED_INPUTS or node.input[3] or not node.input[4]:
        return None
    query, key = (_projection(graph, name) for name in node.input[:2])
    if query is None or key is None or query.product.input[0] != key.product.input[0]:
        return None
    return query, key


def _projection(graph: Graph, name: str) -> _Projection | None:
    producers, consumers, output = graph.producers(), graph.consumers(), name
    nodes: list[onnx.NodeProto] = []
    found: dict[str, onnx.NodeProto] = {}
    bias = None
    for kind in ("RotaryEmbedding", "Add", "MatMul"):
        node = producers.get(name)
        if node is None or len(consumers[name]) != 1 or node.op_type != kind:
            continue
        nodes.append(node)
        found[kind] = node
        name = node.input[0]
        if kind == "Add":
            name, bias = _addends(graph, node)
    product = found.get("MatMul")
    weights = graph.constant(product.input[1]) if product is not None else None
    if product is None or weights is None or weights.ndim != 2:  # noqa: PLR2004 - a matrix
        return None
    if "Add" in found and (bias is None or bias.shape != weights.shape[1:]):
        return None
    shift = np.zeros(weights.shape[1], np.float32) if bias is None else bias
    return _Projection(product, nodes, weights, shift, found.get("RotaryEmbedding"), output)


def _addends(graph: Graph, node: onnx.NodeProto) -> tuple[str, NDArray[np.float32] | None]:
    """Return the computed and the constant operand of an addition."""
    one, other = node.input
    return (one, graph.constant(other)) if graph.constant(one) is None else (other, graph.constant(one))


def _heads(graph: Graph, node: onnx.NodeProto, parts: tuple[_Projection, _Projection]) -> tuple[int, int]:
    """Return the number of heads, and of channels in each."""
    count = int(graph.attributes(node)["num_heads"])  # type: ignore[arg-type] # an integer
    return count, len(parts[0].bias) // count


def _widen(graph: Graph, part: _Projection, heads: int, *, extra: float) -> str:
    """Give each head one more channel, which is constant and not rotated; return the sum's name."""
    weights = part.weights.reshape(len(part.weights), heads, -1)
    wider = np.pad(weights, ((0, 0), (0, 0), (0, 1))).reshape(len(weights), -1)
    bias = np.pad(part.bias.reshape(heads, -1), ((0, 0), (0, 1)), constant_values=extra).ravel()
    name = part.output
    matrix = graph.add_constant(f"{name}/wider_weights", wider)
    shift = graph.add_constant(f"{name}/wider_bias", bias.astype(np.float32))
    graph.remove(part.nodes)
    product = graph.add("MatMul", [part.product.input[0], matrix], part.product.output[0])
    if part.rotation is None:
        return graph.add("Add", [product, shift], name)
    inputs = [graph.add("Add", [product, shift], f"{name}/straight"), *part.rotation.input[1:]]
    channels = weights.shape[2]
    return graph.add("RotaryEmbedding", inputs, name, domain=MICROSOFT, num_heads=heads, rotary_embedding_dim=channels)


def _penalty(graph: Graph, heads: int, size: int) -> str:
    """Return the tensor to add to the keys, (batch, tokens, heads x (size + 1)): zero for tokens."""
    channels = np.zeros((heads, size + 1), np.float32)
    channels[:, -1] = -_FAR_BELOW
    one = graph.add_constant("mask_keys/one", np.array(1, np.float32))
    last = graph.add_constant("mask_keys/last", np.array([-1], np.int64))
    per_head = graph.add_constant(CHANNELS, channels.ravel())
    flags = graph.add("Cast", [_MASK], "mask_keys/flags", to=_FLOAT)
    padding = graph.add("Sub", [flags, one], "mask_keys/padding")
    column = graph.add("Unsqueeze", [padding, last], "mask_keys/column")
    return graph.add("Mul", [column, per_head], PENALTY)


def _pad_single_rows(graph: Graph, rows: int) -> None:
    """Pad every input by one token where blocks of ``rows`` would leave a block of one."""
    filling = {_IDS: _padding_id(graph)}
    for name in graph.inputs:
        graph.redirect(name, padded(name))
    tokens = graph.add("Shape", [_IDS], "mask_keys/tokens", start=1, end=2)
    count = graph.add_constant("mask_keys/rows", np.array([rows], np.int64))
    one = graph.add_constant("mask_keys/single", np.array([1], np.int64))
    zeros = graph.add_constant("mask_keys/zeros", np.zeros(3, np.int64))
    rest = graph.add("Mod", [tokens, count], "mask_keys/rest")
    alone = graph.add("Equal", [rest, one], SINGLE_ROW)
    more = graph.add("Cast", [alone], "mask_keys/more", to=_INT64)
    pads = graph.add("Concat", [zeros, more], "mask_keys/pads", axis=0)
    for name in graph.inputs:
        graph.add("Pad", [name, pads, *filling.get(name, [])], padded(name))


def _padding_id(graph: Graph) -> list[str]:
    """Return the id of padding, if positions are counted without it (RoBERTa, MPNet).

    Any other id would count as one more token there, with a position that may be beyond the last one.
    """
    for node in graph.of_type("Equal"):
        padding = graph.constant(node.input[1])
        if node.input[0] == _IDS and padding is not None and padding.ndim == 0:
            return [graph.add_constant("mask_keys/padding_id", padding)]
    return []


def padded(name: str) -> str:
    """Return the name of an input of the graph after it got its token of padding, if it needs one."""
    return f"{name}/padded"
