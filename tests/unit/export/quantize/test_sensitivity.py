"""The product with the largest relative noise is found first."""

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx

from export.graph.graph import Graph
from export.quantize.sensitivity import noisiest_products

pytestmark = pytest.mark.development


def _graph(rows: int, products: int) -> tuple[Graph, list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]:
    draw = np.random.default_rng(0)
    helper = onnx.helper
    weights = [draw.normal(size=(rows, rows)).astype(np.float32) for _ in range(products)]
    nodes = [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"y{i}"]) for i in range(products)]
    values = [helper.make_tensor_value_info(f"x{i}", 1, ["n", rows]) for i in range(products)]
    results = [helper.make_tensor_value_info(f"y{i}", 1, ["n", rows]) for i in range(products)]
    constants = [onnx.numpy_helper.from_array(weight, f"w{i}") for i, weight in enumerate(weights)]
    return Graph(helper.make_model(helper.make_graph(nodes, "products", values, results, constants))), weights


def test_an_outlier_in_the_input_makes_a_product_noisy() -> None:
    """One channel sets the step of all others; of three products, the one with the outlier stays in fp32."""
    graph, _ = _graph(16, 3)
    inputs = [np.random.default_rng(i).normal(size=(200, 16)) for i in range(3)]
    inputs[1][:2, 5] = 300
    found = noisiest_products(
        graph,
        {f"x{i}": (float(values.min()), float(values.max())) for i, values in enumerate(inputs)},
        {f"x{i}": values.T @ values for i, values in enumerate(inputs)},
        {f"x{i}": len(values) for i, values in enumerate(inputs)},
        0.3,
        saturation_safe=True,
    )
    assert {"y1"} == found


def test_the_estimate_is_near_the_noise_of_rounding() -> None:
    """Products are ordered as their measured errors are, over inputs of very different spread."""
    graph, weights = _graph(32, 4)
    inputs = [np.random.default_rng(i).standard_t(df, size=(400, 32)) for i, df in enumerate((30, 2, 8, 3))]
    noise = []
    for values, weight in zip(inputs, weights, strict=True):
        step = (values.max() - values.min()) / 255
        rounded = np.rint(values / step) * step
        noise.append(float(np.mean((rounded @ weight - values @ weight) ** 2) / np.mean((values @ weight) ** 2)))
    order = [f"y{i}" for i in np.argsort(noise)[::-1]]
    ranges = {f"x{i}": (float(values.min()), float(values.max())) for i, values in enumerate(inputs)}
    moments = {f"x{i}": values.T @ values for i, values in enumerate(inputs)}
    tokens = {f"x{i}": len(values) for i, values in enumerate(inputs)}
    for count in (1, 2, 3):
        found = noisiest_products(graph, ranges, moments, tokens, count / 4, saturation_safe=False)
        assert set(order[:count]) == found
