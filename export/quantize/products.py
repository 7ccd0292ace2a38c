"""Products: int8 matrix products with static activation scales, and int8 lookup tables.

Static scales make a text's score independent of its batch and cost nothing. Products are written as the operators
that run: ``QuantizeLinear``, then ``MatMulIntegerToFloat`` with its bias (ContribOperators.md). A tensor is quantized
once for all products that read it. Results are float, because to quantize them too is slower here.
"""

from collections.abc import Mapping, Set
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.graph import MICROSOFT, Graph
from export.quantize.activations import Range
from export.quantize.weights import SMALLEST_SCALE, TOP, Feedback, weight_scales

_LEVELS: Final = 255
_LARGE_TABLE: Final = 256
"""Rows from which a lookup table is worth quantizing."""


def quantize_products(
    graph: Graph,
    ranges: Mapping[str, Range],
    moments: Mapping[str, NDArray[np.float64]],
    feedback: Feedback,
    *,
    saturation_safe: bool,
    kept_in_float: Set[str] = frozenset(),
) -> None:
    """Replace MatMuls with constant weights by int8 ones.

    Args:
        graph: float graph; changed.
        ranges: smallest and largest value of each product's input; a product without one stays float.
        moments: of each product's input, (rows, rows) float64; those of shared weights are added.
        feedback: rounds the weights.
        saturation_safe: scale weights so that no CPU saturates, see ``weight_scales``.
        kept_in_float: output names of products to leave as they are.
    """
    quantized: dict[str, list[str]] = {}
    rounded: dict[str, tuple[str, str, str]] = {}
    consumers = graph.consumers()
    sources = _sources(graph, ranges)
    for node in graph.of_type("MatMul"):
        source, output = node.input[0], node.output[0]
        weights = graph.constant(node.input[1])
        if output in kept_in_float or source not in ranges or weights is None or weights.ndim != 2:  # noqa: PLR2004 - a matrix
            continue
        if source not in quantized:
            quantized[source] = _quantize_input(graph, source, ranges[source])
        values, scale, zero = quantized[source]
        if node.input[1] not in rounded:
            scales = weight_scales(weights, saturation_safe=saturation_safe)
            together = np.sum([moments[name] for name in sources[node.input[1]]], axis=0)
            steps = feedback.round(weights, scales, together, saturation_safe=saturation_safe)
            rounded[node.input[1]] = _add_weights(graph, output, scales, steps)
        weight, weight_scale, weight_zero = rounded[node.input[1]]
        inputs = [values, weight, scale, weight_scale, zero, weight_zero]
        addition, bias = _bias_after(graph, consumers.get(output, []), weights.shape[1])
        if addition is not None:
            inputs.append(bias)
            output = addition.output[0]
            graph.remove([addition])
        graph.remove([node])
        graph.add("MatMulIntegerToFloat", inputs, output, domain=MICROSOFT)


def _sources(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, list[str]]:
    """Return the inputs that meet each matrix of weights, by its name: several where layers share it."""
    found: dict[str, list[str]] = {}
    for node in graph.of_type("MatMul"):
        source, weights = node.input
        if source in ranges and source not in found.setdefault(weights, []):
            found[weights].append(source)
    return found


def quantize_embeddings(graph: Graph) -> int:
    """Store lookup tables as int8 with one scale per row, and scale after the lookup; return how many."""
    done = 0
    for node in graph.of_type("Gather"):
        table = graph.constant(node.input[0])
        if table is None or table.ndim != 2 or table.dtype != np.float32:  # noqa: PLR2004 - a matrix
            continue
        if len(table) < _LARGE_TABLE:
            continue
        name = node.output[0]
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True) / TOP, SMALLEST_SCALE).astype(np.float32)
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
    scale = max((high - low) / _LEVELS, SMALLEST_SCALE)
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


def _bias_after(graph: Graph, after: list[onnx.NodeProto], width: int) -> tuple[onnx.NodeProto | None, str]:
    """Find the only reader of a product if it adds a constant vector: the product can add the vector itself."""
    if len(after) == 1 and after[0].op_type == "Add":
        for name in after[0].input:
            value = graph.constant(name)
            if value is not None and value.shape == (width,):
                return after[0], name
    return None, ""
