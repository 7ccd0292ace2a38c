"""Padding: only attention computes it, and a batch without padding needs no mask.

Texts of different lengths are padded to the longest. Every operator but attention works token by token, so the tokens
of all texts go through them as one row, (tokens, hidden). Only attention sees (batch, longest, hidden): the inputs of
its queries, keys and values are spread out before it, and its result is gathered after it. Both are uint8 where they
are quantized, a quarter of the bytes of floats.

Texts of one length have no padding, and their keys get no mask. The graph chooses one of the two branches in each run,
and a text's answer is the same to the last bit in both. Every text must have a token, and padding must come after the
tokens: padding before them would count as part of the text before.

In the padded branch padding repeats the last token of its text, so its scores are never above those of the tokens, and
subtracting 50 is enough: a weight of e^-50 is too small to change a float sum. ``mask_keys`` does not know the content
of padding and subtracts a million. Exponents below -87 give subnormal floats, for which Intel processors leave their
fast path, even where the runtime's exponential returns 0 in the end.
"""

from typing import Final

import numpy as np
import onnx

from export.graph.graph import Graph
from export.rewrites.first_token import TOKENWISE, selected_token
from export.rewrites.mask import CHANNELS, PENALTY, SINGLE_ROW, padded

_MASK: Final = "attention_mask"
_PLACES: Final = "skip_padding/places_of_tokens"
_TOKENS: Final = "skip_padding/tokens_of_places"
_FIRST_TOKENS: Final = "skip_padding/first_tokens"
_FIRST_TOKENS_ROW: Final = "skip_padding/first_tokens_row"
_LESS_CHANNELS: Final = "skip_padding/channels"
_MASKED_SCORE: Final = 50.0
"""Subtracted from the scores of padding."""
_PRODUCTS: Final = {"MatMul", "MatMulIntegerToFloat"}
_BEFORE_ATTENTION: Final = {"QuantizeLinear", "Mul", "Add", *_PRODUCTS}
_TOKENWISE: Final = TOKENWISE | {"MatMulIntegerToFloat", "QuantizeLinear"}


def skip_padding(graph: Graph) -> bool:
    """Give a graph with its mask in the keys (``mask_keys``) a branch without padding and one without a mask."""
    if PENALTY not in graph.producers():
        return False
    uniform, ragged = graph.copy(), graph.copy()
    _leave_out_mask(uniform)
    if not _Ragged(ragged).build():
        return False
    graph.branch(_is_uniform(graph), uniform, ragged)
    return True


def _leave_out_mask(graph: Graph) -> None:
    """Read the inputs unpadded, and the keys without the penalty, which is zero here."""
    for name in graph.inputs:
        graph.redirect(padded(name), name)
    for node in graph.of_type("Add"):
        if PENALTY in node.input:
            graph.redirect(node.output[0], next(name for name in node.input if name != PENALTY))


def _is_uniform(graph: Graph) -> str:
    """Return whether a batch has no padding and needs none, one bool."""
    tokens = graph.add("ReduceSum", [_MASK], "skip_padding/tokens", keepdims=0)
    places = graph.add("Size", [_MASK], "skip_padding/places")
    full = graph.add("Equal", [tokens, places], "skip_padding/full")
    several = graph.add("Not", [SINGLE_ROW], "skip_padding/several_rows")
    return graph.add("And", [full, several], "skip_padding/uniform")


class _Ragged:
    """Makes a graph work on the tokens of all texts in one row.

    A flat tensor has a row per token and none for padding. A spread product reads a row per place, padding included.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._consumers = graph.consumers()
        self._flat: set[str] = set()
        self._spread: set[str] = set()

    def build(self) -> bool:
        """Change the graph; False, and an unusable graph, where it holds an operator that is not known here."""
        nodes = self._graph.nodes  # sorted
        attentions = self._graph.of_type("MultiHeadAttention")
        products = {name for node in attentions for tensor in node.input[:3] if (name := self._product(tensor))}
        embedded = self._embedded(next((node for node in nodes if products.intersection(node.output)), None))
        if embedded is None:
            return False
        self._add_indices()
        self._subtract_less()
        self._gather(embedded)
        for node in nodes:
            if node.op_type == "MultiHeadAttention":
                if self._product(node.input[0]) in self._spread:
                    self._gather(self._quantized(node.output[0]))
            elif self._flat.intersection(node.input) and not self._adapt(node, products):
                return False
        return True

    def _product(self, tensor: str) -> str | None:
        """Return the product that makes a tensor, through additions."""
        node = self._producers.get(tensor)
        while node is not None and node.op_type == "Add":
            node = next((found for name in node.input if (found := self._producers.get(name))), None)
        return node.output[0] if node is not None and node.op_type in _PRODUCTS else None

    def _embedded(self, product: onnx.NodeProto | None) -> str | None:
        """Return the normalized embeddings, from which the first product of an attention is computed.

        Narrow embeddings (ELECTRA, ALBERT) are projected to the hidden width in between.
        """
        name = product.input[0] if product is not None else ""
        while (node := self._producers.get(name)) is not None and node.op_type in _BEFORE_ATTENTION:
            name = next((computed for computed in node.input if computed in self._producers), "")
        return name if node is not None and node.op_type == "LayerNormalization" else None

    def _quantized(self, tensor: str) -> str:
        """Return the quantized tensor if nothing else reads the float one, else the float one."""
        readers = self._consumers[tensor]
        return readers[0].output[0] if [node.op_type for node in readers] == ["QuantizeLinear"] else tensor

    def _add_indices(self) -> None:
        """Add the place of each token, (tokens, 2), and the token in each place and in each text's first place."""
        graph, mask = self._graph, padded(_MASK)
        zero = graph.add_constant("skip_padding/zero", np.array(0, np.int64))
        one = graph.add_constant("skip_padding/one", np.array(1, np.int64))
        first = graph.add_constant("skip_padding/first", np.array([0], np.int64))
        second = graph.add_constant("skip_padding/second", np.array([1], np.int64))
        row = graph.add_constant("skip_padding/row", np.array([-1], np.int64))
        found = graph.add("NonZero", [_MASK], "skip_padding/found")
        graph.add("Transpose", [found], _PLACES, perm=[1, 0])
        flags = graph.add("Reshape", [mask, row], "skip_padding/flags")
        count = graph.add("CumSum", [flags, zero], "skip_padding/count")
        tokens = graph.add("Sub", [count, one], "skip_padding/row_of_tokens")  # padding repeats the token before it
        shape = graph.add("Shape", [mask], "skip_padding/shape")
        graph.add("Reshape", [tokens, shape], _TOKENS)
        graph.add("Slice", [_TOKENS, first, second, second], _FIRST_TOKENS)
        graph.add("Reshape", [_FIRST_TOKENS, row], _FIRST_TOKENS_ROW)

    def _subtract_less(self) -> None:
        """Subtract ``_MASKED_SCORE`` from the scores of padding, not a million."""
        channels = self._graph.constant(CHANNELS)
        masked = [node for node in self._graph.of_type("MultiHeadAttention") if "scale" in self._graph.attributes(node)]
        scale = min(float(self._graph.attributes(node)["scale"]) for node in masked)  # type: ignore[arg-type] # floats
        less = np.where(channels == 0, 0, _MASKED_SCORE / scale).astype(np.float32)
        self._graph.redirect(CHANNELS, self._graph.add_constant(_LESS_CHANNELS, less))

    def _gather(self, tensor: str) -> None:
        """Let the readers of a tensor with a row per place read one with a row per token."""
        flat = f"{tensor}/flat"
        self._graph.redirect(tensor, flat)
        self._graph.add("GatherND", [tensor, _PLACES], flat)
        self._flat.add(flat)

    def _adapt(self, node: onnx.NodeProto, products: set[str]) -> bool:
        """Adapt a node that reads a flat tensor; False for one that is not known to work token by token."""
        if products.intersection(node.output):
            self._spread_input(node)
            return True
        index = selected_token(self._graph, node)
        if index is not None:
            self._graph.remove([node])
            tokens = _FIRST_TOKENS if index.ndim else _FIRST_TOKENS_ROW
            self._graph.add("Gather", [node.input[0], tokens], node.output[0])
            return True
        self._flat.update(node.output)
        computed = [name for name in node.input if name and self._graph.constant(name) is None]
        return node.op_type in _TOKENWISE and self._flat.issuperset(computed)

    def _spread_input(self, product: onnx.NodeProto) -> None:
        """Let a product in front of an attention read a tensor with a row per place, the same as its siblings."""
        flat = product.input[0]
        spread = f"{flat}/spread"
        if spread not in self._graph.producers():
            self._graph.add("Gather", [flat, _TOKENS], spread)
        product.input[0] = spread
        self._spread.update(product.output)
