"""Sensitivity: which products int8 changes most, so that a checkpoint that int8 harms can keep those in fp32.

The noise of a product is estimated from its calibration inputs, without a run: rounding the input to steps of size s
adds s²/12 per value, rounding the weights likewise, and both are compared with the mean square of the result.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from export.graph.graph import Graph
from export.quantize.activations import Range
from export.quantize.weights import weight_scales

_ROUNDING = 1 / 12
"""Mean square of a rounding error, in steps (Widrow and Kollár, "Quantization Noise")."""
_LEVELS = 255


def noisiest_products(
    graph: Graph,
    ranges: Mapping[str, Range],
    moments: Mapping[str, NDArray[np.float64]],
    tokens: Mapping[str, int],
    share: float,
    *,
    saturation_safe: bool,
) -> set[str]:
    """Return the output names of a share of the products, those with the largest relative noise.

    Args:
        graph: float graph.
        ranges: smallest and largest value of each product's input.
        moments: of each product's input, (rows, rows) float64, summed over tokens.
        tokens: how many tokens were summed.
        share: of the products, rounded up.
        saturation_safe: see ``weight_scales``.
    """
    noise: dict[str, float] = {}
    for node in graph.of_type("MatMul"):
        source, weights = node.input[0], graph.constant(node.input[1])
        if weights is None or weights.ndim != 2 or source not in moments:  # noqa: PLR2004 - a matrix
            continue
        low, high = ranges[source]
        step = (max(0.0, high) - min(0.0, low)) / _LEVELS
        scales = weight_scales(weights, saturation_safe=saturation_safe).astype(np.float64)
        signal = float(np.sum((moments[source] @ weights) * weights))
        from_input = step**2 * tokens[source] * float(np.sum(weights.astype(np.float64) ** 2))
        from_weights = float(np.sum(scales**2)) * float(np.trace(moments[source]))
        noise[node.output[0]] = _ROUNDING * (from_input + from_weights) / max(signal, 1e-30)
    count = int(np.ceil(share * len(noise)))
    return set(sorted(noise, key=noise.__getitem__, reverse=True)[:count])
