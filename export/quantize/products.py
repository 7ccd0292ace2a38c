"""Quantize: int8 products with static activation scales, and int8 embeddings.

Static scales make a text's score independent of its batch, and cost nothing. The operators are written as they
run: ``QuantizeLinear`` and ``MatMulIntegerToFloat`` with its bias (ContribOperators.md), one quantization per
tensor however many products read it, and float results, because quantizing outputs too is slower here.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.graph import MICROSOFT, Graph
from export.quantize.activations import Range
from export.quantize.weights import PAIR, TOP, Feedback

_LEVELS: Final = 255
_SMALLEST: Final = 1e-12
_LARGE_TABLE: Final = 256
"""Rows from which a lookup table is worth quantizing."""


def quantize_products(
    graph: Graph,
    ranges: Mapping[str, Range],
    *,
    per_channel: bool,
    exact: bool,
    moments: Mapping[str, NDArray[np.float64]] | None = None,
    feedback: Feedback | None = None,
) -> int:
    """Replace MatMuls with constant weights by int8 ones; return how many.

    Args:
        graph: float graph; changed.
        ranges: smallest and largest value of each product's input; a product without one stays float.
        per_channel: one weight scale per output channel, or one for the whole matrix.
        exact: scale weights so that no CPU saturates, see ``weight_steps``.
        moments: of each product's input, to round weights with feedback; to the nearest step without.
        feedback: remembers what it rounded for other graphs.
    """
    feedback = feedback or Feedback()
    quantized: dict[str, list[str]] = {}
    consumers = graph.consumers()
    done = 0
    for node in graph.of_type("MatMul"):
        weights = graph.constant(node.input[1])
        if weights is None or weights.ndim != 2 or node.input[0] not in ranges:  # noqa: PLR2004
            continue
        source = node.input[0]
        if source not in quantized:
            quantized[source] = _quantize_input(graph, source, ranges[source])
        values, scale, zero = quantized[source]
        scales, steps = weight_steps(weights, per_channel=per_channel, exact=exact)
        if moments is not None and source in moments:
            steps = feedback.round(weights, scales, moments[source], exact=exact)
        weight, weight_scale, weight_zero = _add_weights(graph, node.output[0], scales, steps)
        inputs = [values, weight, scale, weight_scale, zero, weight_zero]
        addition, bias = _bias_after(graph, consumers.get(node.output[0], []), weights.shape[1])
        output = node.output[0]
        if addition is not None:
            inputs.append(bias)
            output = addition.output[0]
            graph.remove([addition])
        graph.remove([node])
        graph.add("MatMulIntegerToFloat", inputs, output, domain=MICROSOFT)
        done += 1
    return done


def quantize_embeddings(graph: Graph) -> int:
    """Store lookup tables as int8 with one scale per row, and scale after the lookup; return how many."""
    done = 0
    for node in graph.of_type("Gather"):
        table = graph.constant(node.input[0])
        if table is None or table.ndim != 2 or len(table) < _LARGE_TABLE or table.dtype != np.float32:  # noqa: PLR2004
            continue
        name = node.output[0]
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True) / TOP, _SMALLEST).astype(np.float32)
        rows = graph.add_constant(f"{name}/int8", np.rint(table / scales).astype(np.int8))
        factors = graph.add_constant(f"{name}/scales", scales)
        graph.remove([node])
        looked_up = graph.add("Gather", [rows, node.input[1]], f"{name}/rows")
        as_float = graph.add("Cast", [looked_up], f"{name}/float", to=1)
        factor = graph.add("Gather", [factors, node.input[1]], f"{name}/factor")
        graph.add("Mul", [as_float, factor], name)
        done += 1
    return done


def _quantize_input(graph: Graph, name: str, limits: Range) -> list[str]:
    """Add a QuantizeLinear to uint8; return its output, scale and zero point."""
    low, high = min(0.0, limits[0]), max(0.0, limits[1])
    scale = max((high - low) / _LEVELS, _SMALLEST)
    scale_name = graph.add_constant(f"{name}/scale", np.array(scale, np.float32))
    zero = graph.add_constant(f"{name}/zero", np.array(round(-low / scale), np.uint8))
    return [graph.add("QuantizeLinear", [name, scale_name, zero], f"{name}/uint8"), scale_name, zero]


def _add_weights(graph: Graph, name: str, scales: NDArray[np.float32], steps: NDArray[np.int8]) -> tuple[str, str, str]:
    """Add int8 weights, symmetric; return the names of values, scales and zero points."""
    return (
        graph.add_constant(f"{name}/weights", steps),
        graph.add_constant(f"{name}/weight_scale", scales),
        graph.add_constant(f"{name}/weight_zero", np.zeros(scales.shape, np.int8)),
    )


def weight_steps(
    weights: NDArray[np.float32], *, per_channel: bool, exact: bool
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return symmetric scales, () or (columns,) float32, and int8 weights of the matrix's shape.

    Args:
        weights: (rows, columns).
        per_channel: one scale per column.
        exact: x86 without VNNI multiplies unsigned activations with weights of two neighbouring rows and adds the
            two products in 16 bits, saturating (vpmaddubsw). With at most 128 for the sum of two neighbours'
            weights of one sign, 255 times that stays within 32,767, so such CPUs compute what all others do.
    """
    bound = np.abs(weights) / TOP
    if exact:
        even = np.vstack([weights, np.zeros((len(weights) % 2, weights.shape[1]), np.float32)])
        pairs = [np.maximum(side[0::2], 0) + np.maximum(side[1::2], 0) for side in (even, -even)]
        bound = np.vstack([bound, *(pair / (PAIR - 1) for pair in pairs)])  # rounding may add one half twice
    largest = bound.max(axis=0) if per_channel else bound.max()
    scales = np.maximum(largest, _SMALLEST).astype(np.float32)
    return scales, np.clip(np.rint(weights / scales), -TOP, TOP).astype(np.int8)


def _bias_after(graph: Graph, after: list[onnx.NodeProto], width: int) -> tuple[onnx.NodeProto | None, str]:
    """Find the only reader of a product if it adds a constant vector: the product can do that itself."""
    if len(after) == 1 and after[0].op_type == "Add":
        for name in after[0].input:
            value = graph.constant(name)
            if value is not None and value.shape == (width,):
                return after[0], name
    return None, ""
