"""Outliers: channels that are much larger than the rest are divided before quantization.

One uint8 scale per tensor must cover its largest channel. In a fine-tuned BERT one LayerNorm channel reaches 28 while
most stay under 3, which leaves few steps for the others. Dividing such a channel before the product and multiplying its
row of the weights changes nothing in float (Xiao et al. 2022, "SmoothQuant"). Only outliers are divided here: to divide
every channel halves the precision of the weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from export.graph.graph import Graph
from export.quantize.activations import Range

_BODY: Final = 0.95
"""Share of the channels that set the scale; larger ones are divided."""

_SHARE: Final = 0.7
"""How much of the excess moves to the weights, as an exponent: 1 makes their scales too coarse. Of 0.5, 0.7 and 1,
0.7 changed answers least (a fine-tuned MiniLM, the 40 texts that plain rounding changed most)."""


@dataclass(frozen=True, slots=True, eq=False)
class Tamed:
    """A product's input whose outlying channels were divided.

    Attributes:
        source: the tensor before the division.
        limits: smallest and largest value after it.
        factors: divisors of the channels, (hidden,) float32.
    """

    source: str
    limits: Range
    factors: NDArray[np.float32]


def tame_outliers(
    graph: Graph, channels: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]], *, ratio: float
) -> dict[str, Tamed]:
    """Divide outlying channels of products' inputs; return each divided input by its new name.

    Args:
        graph: float graph; changed.
        channels: smallest and largest value of every channel of every product's input, each (hidden,) float32.
        ratio: divide a tensor if its largest channel is at least this many times the 95th percentile of its channels.
            It costs one more multiplication per element at run time.
    """
    tamed: dict[str, Tamed] = {}
    groups = groups_by_weights(graph)
    for name, (low, high) in channels.items():
        together = [np.maximum(*map(np.abs, channels[other])) for other in groups.get(name, {name}) & channels.keys()]
        largest = np.max(together, axis=0)
        body = float(np.quantile(largest, _BODY))
        if body <= 0 or largest.max() < ratio * body:
            continue
        factors = (np.maximum(1, largest / body) ** _SHARE).astype(np.float32)
        if _divide(graph, name, factors):
            limits = (float((low / factors).min()), float((high / factors).max()))
            tamed[f"{name}/tamed"] = Tamed(name, limits, factors)
    return tamed


def groups_by_weights(graph: Graph) -> dict[str, set[str]]:
    """Return for each product's input the inputs that meet the same weights, itself included.

    Layers that share their weights (ALBERT) must divide the same channels alike, or the weights would be copied.
    """
    groups: dict[str, set[str]] = {}
    by_weights: dict[str, set[str]] = {}
    for node in graph.of_type("MatMul"):
        source, weights = node.input
        joined = groups.get(source, {source}) | by_weights.get(weights, set())
        by_weights[weights] = joined
        for member in joined:
            groups[member] = joined
    return groups


def _divide(graph: Graph, name: str, factors: NDArray[np.float32]) -> bool:
    """Divide a tensor's channels for the products that read it, and multiply the rows of their weights."""
    found = []
    for node in graph.of_type("MatMul"):
        weights = graph.constant(node.input[1])
        if node.input[0] == name and weights is not None and weights.shape[0] == len(factors):
            found.append((node, weights))
    if not found:
        return False
    inverse = graph.add_constant(f"{name}/inverse", 1 / factors)
    divided = graph.add("Mul", [name, inverse], f"{name}/tamed")
    for node, weights in found:
        scaled = graph.add_constant(f"{node.output[0]}/tamed_weights", weights * factors[:, None])
        graph.remove([node])
        graph.add("MatMul", [divided, scaled], node.output[0])
    return True
