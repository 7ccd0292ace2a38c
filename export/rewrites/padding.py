"""Padding: only attention computes it, and a batch without padding needs no mask.

Texts of different lengths are padded to the longest. Every operator but attention works token by token, so the tokens
of all texts go through them as one row, (tokens, hidden). An operator that is not known to work token by token sees
(batch, longest, hidden): its inputs are spread out before it. What comes from it is gathered again where it is added to
the tokens' own row, the residual connection. The inputs of queries, keys and values are spread out and the result of
attention is gathered while they are uint8, if they are quantized: a quarter of the bytes of floats.

Texts of one length have no padding. The graph chooses one of the two branches in each run, and a text's answer is the
same to the last bit in both; where ``mask_keys`` has moved the mask, the keys of texts of one length get none. Every
text must have a token, and padding must come after the tokens: padding before them would count as part of the text
before.

In the padded branch padding repeats the last token of its text, with its position if positions rotate the keys, so its
scores are never above those of the tokens, and subtracting 50 is enough: a weight of e^-50 is too small to change a
float sum. ``mask_keys`` does not know the content of padding and subtracts a million. Exponents below -87 give
subnormal floats, for which Intel processors leave their fast path, even where the runtime's exponential returns 0 in
the end.
"""

from typing import Final

import numpy as np
import onnx

from export.graph.graph import Graph
from export.rewrites.first_token import TOKENWISE, selected_token
from export.rewrites.mask import CHANNELS, PENALTY, SINGLE_ROW, padded

_IDS: Final = "input_ids"
_MASK: Final = "attention_mask"
_PLACES: Final = "skip_padding/places_of_tokens"
_TOKENS: Final = "skip_padding/tokens_of_places"
_FIRST_TOKENS: Final = "skip_padding/first_tokens"
_FIRST_TOKENS_ROW: Final = "skip_padding/first_tokens_row"
_POSITIONS: Final = "skip_padding/positions"
_SIZES: Final = "skip_padding/shape"
_LESS_CHANNELS: Final = "skip_padding/channels"
_MASKED_SCORE: Final = 50.0
"""Subtracted from the scores of padding."""
_PRODUCTS: Final = {"MatMul", "MatMulIntegerToFloat"}
_BETWEEN_PRODUCT_AND_ATTENTION: Final = {"Add", "RotaryEmbedding"}
_TOKENWISE: Final = TOKENWISE | {"MatMulIntegerToFloat", "QuantizeLinear"}


def skip_padding(graph: Graph) -> bool:
    """Give a graph a branch that leaves padding out, and one without a mask in the keys (``mask_keys``)."""
    if not {_IDS, _MASK} <= set(graph.inputs):
        return False
    uniform, ragged = graph.copy(), graph.copy()
    has_masked_keys = PENALTY in graph.producers()
    if has_masked_keys:
        _leave_out_mask(uniform)
    if not _Ragged(ragged, has_masked_keys=has_masked_keys).build():
        return False
    graph.branch(_is_uniform(graph, has_masked_keys=has_masked_keys), uniform, ragged)
    return True


def _leave_out_mask(graph: Graph) -> None:
    """Read the inputs unpadded, and the keys without the penalty, which is zero here."""
    for name in graph.inputs:
        graph.redirect(padded(name), name)
    for node in graph.of_type("Add"):
        if PENALTY in node.input:
            graph.redirect(node.output[0], next(name for name in node.input if name != PENALTY))


def _is_uniform(graph: Graph, *, has_masked_keys: bool) -> str:
    """Return whether a batch has no padding and needs none, one bool."""
    tokens = graph.add("ReduceSum", [_MASK], "skip_padding/tokens", keepdims=0)
    places = graph.add("Size", [_MASK], "skip_padding/places")
    full = graph.add("Equal", [tokens, places], "skip_padding/full")
    if not has_masked_keys:
        return full
    several = graph.add("Not", [SINGLE_ROW], "skip_padding/several_rows")
    return graph.add("And", [full, several], "skip_padding/uniform")


class _Ragged:
    """Makes a graph work on the tokens of all texts in one row.

    A flat tensor has a row per token and none for padding. A spread tensor, and what is computed from it, has a row per
    place, padding included.
    """

    def __init__(self, graph: Graph, *, has_masked_keys: bool) -> None:
        self._graph = graph
        self._has_masked_keys = has_masked_keys
        self._producers = graph.producers()
        self._consumers = graph.consumers()
        self._flat: set[str] = set()
        self._spread: set[str] = set()
        self._placed: set[str] = set()

    def build(self) -> bool:
        """Change the graph; False, and an unusable graph, where no tokens are found that attention is added to."""
        nodes = self._graph.nodes  # sorted
        attentions = self._graph.of_type("MultiHeadAttention")
        products = {name for node in attentions for tensor in node.input[:3] if (name := self._product(tensor))}
        embedded = self._embedded(nodes)
        if embedded is None:
            return False
        self._add_indices()
        if self._has_masked_keys:
            self._subtract_less()
        self._gather(embedded)
        for node in nodes:
            if self._flat.intersection(node.input):
                self._adapt(node, products)
            elif self._placed.intersection(node.input):
                self._placed.update(node.output)
        self._repeat_positions()
        return True

    def _product(self, tensor: str) -> str | None:
        """Return the product that makes a tensor, through additions and rotations."""
        node = self._producers.get(tensor)
        while node is not None and node.op_type in _BETWEEN_PRODUCT_AND_ATTENTION:
            node = next((found for name in node.input if (found := self._producers.get(name))), None)
        return node.output[0] if node is not None and node.op_type in _PRODUCTS else None

    def _embedded(self, nodes: list[onnx.NodeProto]) -> str | None:
        """Return the embeddings, from which everything but positions and masks is computed.

        They are what the first residual connection adds to, or what that is computed from token by token.
        """
        products = {node.output[0] for node in nodes if node.op_type in _PRODUCTS and self._is_tokenwise(node)}
        for node in nodes:
            if node.op_type != "Add":
                continue
            for root, other in (node.input, reversed(node.input)):
                before, between = self._ancestors(root), self._ancestors(other)
                if _IDS in before and root in between and products & between - before:
                    return self._back(root)[-1]
        return None

    def _ancestors(self, name: str) -> set[str]:
        """Return the tensors on whose content a tensor depends, itself included; shapes do not count."""
        pending, seen = [name], set()
        while pending:
            name = pending.pop()
            node = self._producers.get(name)
            if name not in seen and node is not None and node.op_type != "Shape":
                pending.extend(node.input)
            seen.add(name)
        return seen

    def _back(self, name: str) -> list[str]:
        """Return a tensor and those that it is computed from token by token, each from one of them alone."""
        names = [name]
        while (node := self._producers.get(names[-1])) is not None and self._is_tokenwise(node):
            computed = self._computed(node)
            if len(computed) != 1:
                break
            names += computed
        return names

    def _is_tokenwise(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "MatMul":
            return self._graph.constant(node.input[1]) is not None
        return node.op_type in _TOKENWISE

    def _computed(self, node: onnx.NodeProto) -> list[str]:
        """Return the inputs of a node that are no constants."""
        return [name for name in node.input if name and self._graph.constant(name) is None]

    def _add_indices(self) -> None:
        """Add the place of each token, (tokens, 2), and the token in each place and in each text's first place."""
        graph, mask = self._graph, padded(_MASK) if self._has_masked_keys else _MASK
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
        graph.add("Shape", [mask], _SIZES)
        graph.add("Reshape", [tokens, _SIZES], _TOKENS)
        graph.add("Slice", [_TOKENS, first, second, second], _FIRST_TOKENS)
        graph.add("Reshape", [_FIRST_TOKENS, row], _FIRST_TOKENS_ROW)
        counted = graph.add("CumSum", [mask, one], "skip_padding/count_of_text")
        graph.add("Sub", [counted, one], _POSITIONS)

    def _subtract_less(self) -> None:
        """Subtract ``_MASKED_SCORE`` from the scores of padding, not a million."""
        channels = self._graph.constant(CHANNELS)
        masked = [node for node in self._graph.of_type("MultiHeadAttention") if "scale" in self._graph.attributes(node)]
        scale = min(float(self._graph.attributes(node)["scale"]) for node in masked)  # type: ignore[arg-type] # floats
        less = np.where(channels == 0, 0, _MASKED_SCORE / scale).astype(np.float32)
        self._graph.redirect(CHANNELS, self._graph.add_constant(_LESS_CHANNELS, less))

    def _repeat_positions(self) -> None:
        """Rotate padding by the position of the token that it repeats."""
        for node in self._graph.of_type("RotaryEmbedding"):
            if self._product(node.output[0]) in self._spread:
                node.input[1] = _POSITIONS

    def _gather(self, tensor: str) -> None:
        """Let the readers of a tensor with a row per place read one with a row per token."""
        flat = f"{tensor}/flat"
        self._graph.redirect(tensor, flat)
        self._graph.add("GatherND", [tensor, _PLACES], flat)
        self._flat.add(flat)

    def _adapt(self, node: onnx.NodeProto, products: set[str]) -> None:
        """Adapt a node that reads a flat tensor."""
        index = selected_token(self._graph, node)
        if products.intersection(node.output):
            node.input[0] = self._with_places(node.input[0])
            self._spread.update(node.output)
            self._placed.update(node.output)
        elif index is not None:
            self._graph.remove([node])
            tokens = _FIRST_TOKENS if index.ndim else _FIRST_TOKENS_ROW
            self._graph.add("Gather", [node.input[0], tokens], node.output[0])
        elif self._is_tokenwise(node) and self._flatten(node):
            self._flat.update(node.output)
        elif node.op_type == "Shape":
            self._measure(node)
        else:
            node.input[:] = [self._with_places(name) if name in self._flat else name for name in node.input]
            self._placed.update(node.output)

    def _flatten(self, node: onnx.NodeProto) -> bool:
        """Let a node read flat tensors alone; False where one of its inputs is neither flat nor computed from them."""
        others = [name for name in self._computed(node) if name not in self._flat]
        if not self._placed.issuperset(others):
            return False
        for name in others:
            back = [tensor for tensor in self._back(name) if tensor in self._placed]
            quantized = [tensor for tensor in back if self._producers[tensor].op_type == "QuantizeLinear"]
            self._gather((quantized or back)[-1])
        return True

    def _measure(self, shape: onnx.NodeProto) -> None:
        """Compute the shape of the tensor that a flat one stands for."""
        hidden = self._graph.add("Shape", [shape.input[0]], f"{shape.output[0]}/hidden", start=1)
        self._graph.remove([shape])
        self._graph.add("Concat", [_SIZES, hidden], shape.output[0], axis=0)

    def _with_places(self, flat: str) -> str:
        """Return a tensor with a row per place, made from one with a row per token."""
        spread = f"{flat}/spread"
        if spread not in self._graph.producers():
            self._graph.add("Gather", [flat, _TOKENS], spread)
        return spread
