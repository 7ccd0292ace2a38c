"""Padding: left out of everything but attention, and masks left out where there is none.

A batch of texts of unlike lengths is padded to the longest. Every operator but attention works token by token, so all
texts go through them as one row of tokens, (tokens, hidden), and only attention sees them as (batch, longest, hidden):
what its queries, keys and values are made of is spread out before it, and its result gathered behind it, both as uint8
where they are quantized, which is a quarter of the bytes of floats.

A text alone and texts of one length have no padding: for them keys get no mask. Which of the two ways a batch takes is
decided at run time, and a text's answer is the same to the last bit on both. Every text must have a token, and padding
behind its tokens alone: what stands before them would be taken for the text before.

Padding repeats the last token of its text, so that no score of it is above those of tokens, and to take 50 off is
enough: a weight of e^-50 is below what a sum of floats can show. ``mask_keys`` can not know what stands there and takes
a million off. That makes exponentials of less than -87, which are no normal floats: processors of Intel leave their
fast path for each, even where the runtime's exponential gives 0 in the end.
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
"""What padding's scores lose."""
_PRODUCTS: Final = {"MatMul", "MatMulIntegerToFloat"}
_TOKENWISE: Final = TOKENWISE | {"MatMulIntegerToFloat", "QuantizeLinear"}


def skip_padding(graph: Graph) -> bool:
    """Give a graph whose mask is in its keys (``mask_keys``) a way without padding and one without masks."""
    if PENALTY not in graph.producers():
        return False
    uniform, ragged = graph.copy(), graph.copy()
    _leave_out_mask(uniform)
    if not _Ragged(ragged).build():
        return False
    graph.branch(_is_uniform(graph), uniform, ragged)
    return True


def _leave_out_mask(graph: Graph) -> None:
    """Take the inputs as they are, and keys without the penalty, which is zero."""
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

    Tensors with a row per token and none for padding are called flat; ``spread`` are the products that read one with a
    row per place instead.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._consumers = graph.consumers()
        self._flat: set[str] = set()
        self._spread: set[str] = set()

    def build(self) -> bool:
        """Change the graph; False, and a graph of no use, where something stands in it that is not known here."""
        nodes = self._graph.nodes  # sorted
        attentions = self._graph.of_type("MultiHeadAttention")
        products = {name for node in attentions for tensor in node.input[:3] if (name := self._product(tensor))}
        embedded = self._embedded(next((node for node in nodes if products.intersection(node.output)), None))
        if embedded is None:
            return False
        self._add_indices()
        self._take_less_off()
        self._gather(embedded)
        for node in nodes:
            if node.op_type == "MultiHeadAttention":
                if self._product(node.input[0]) in self._spread:
                    self._gather(self._quantized(node.output[0]))
            elif self._flat.intersection(node.input) and not self._adapt(node, products):
                return False
        return True

    def _product(self, tensor: str) -> str | None:
        """Return the product that a tensor is made by, behind additions and splits of its columns."""
        node = self._producers.get(tensor)
        while node is not None and node.op_type in {"Add", "Split"}:
            node = next((found for name in node.input if (found := self._producers.get(name))), None)
        return node.output[0] if node is not None and node.op_type in _PRODUCTS else None

    def _embedded(self, product: onnx.NodeProto | None) -> str | None:
        """Return the normalized embeddings, which the first product of an attention is made of."""
        name = product.input[0] if product is not None else ""
        while (node := self._producers.get(name)) is not None and node.op_type in {"QuantizeLinear", "Mul"}:
            name = node.input[0]
        return name if node is not None and node.op_type == "LayerNormalization" else None

    def _quantized(self, tensor: str) -> str:
        """Return what a tensor is quantized to if nothing else is made of it, else the tensor itself."""
        readers = self._consumers[tensor]
        return readers[0].output[0] if [node.op_type for node in readers] == ["QuantizeLinear"] else tensor

    def _add_indices(self) -> None:
        """Add where each token stands, (tokens, 2), and which token each place and each text's first place holds."""
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
        tokens = graph.add("Sub", [count, one], "skip_padding/row_of_tokens")  # padding shows the token before it
        shape = graph.add("Shape", [mask], "skip_padding/shape")
        graph.add("Reshape", [tokens, shape], _TOKENS)
        graph.add("Slice", [_TOKENS, first, second, second], _FIRST_TOKENS)
        graph.add("Reshape", [_FIRST_TOKENS, row], _FIRST_TOKENS_ROW)

    def _take_less_off(self) -> None:
        """Let padding lose what its scores need, not more."""
        channels = self._graph.constant(CHANNELS)
        masked = [node for node in self._graph.of_type("MultiHeadAttention") if "scale" in self._graph.attributes(node)]
        scale = min(float(self._graph.attributes(node)["scale"]) for node in masked)  # type: ignore[arg-type]
        less = np.where(channels == 0, 0, _MASKED_SCORE / scale).astype(np.float32)
        self._graph.redirect(CHANNELS, self._graph.add_constant(_LESS_CHANNELS, less))

    def _gather(self, tensor: str) -> None:
        """Let what reads a tensor of places read one of tokens."""
        flat = f"{tensor}/flat"
        self._graph.redirect(tensor, flat)
        self._graph.add("GatherND", [tensor, _PLACES], flat)
        self._flat.add(flat)

    def _adapt(self, node: onnx.NodeProto, products: set[str]) -> bool:
        """Let a node that reads a flat tensor do so; False for one that is not known to work token by token."""
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
        """Let a product in front of an attention read a tensor of places, the same as its siblings."""
        flat = product.input[0]
        spread = f"{flat}/spread"
        if spread not in self._graph.producers():
            self._graph.add("Gather", [flat, _TOKENS], spread)
        product.input[0] = spread
        self._spread.update(product.output)
