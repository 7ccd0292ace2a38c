"""Int8 weights: close to what they stand for, and exact on CPUs that add in 16 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

pytest.importorskip("onnx")
from export.quantize.products import weight_steps
from export.quantize.weights import Feedback

pytestmark = pytest.mark.development

_WEIGHTS = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.floats(-4, 4, width=32)
)
_LOWEST, _HIGHEST = -(2**15), 2**15 - 1


def _product_in_16_bits(activations: NDArray[np.uint8], weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """Multiply as vpmaddubsw does: neighbouring rows' products are added with saturation to 16 bits."""
    rows = len(weights) + len(weights) % 2
    padded = np.zeros((rows, weights.shape[1]), np.int64)
    padded[: len(weights)] = weights
    values = np.zeros(rows, np.int64)
    values[: len(activations)] = activations
    products = values[:, None] * padded
    pairs = np.clip(products[0::2] + products[1::2], _LOWEST, _HIGHEST)
    result: NDArray[np.int64] = pairs.sum(axis=0)
    return result


@given(_WEIGHTS, st.booleans(), st.booleans())
def test_steps_stand_for_the_weights(weights: NDArray[np.float32], per_channel: bool, exact: bool) -> None:
    """Scale times step is at most half a step from the weight."""
    scales, values = weight_steps(weights, per_channel=per_channel, exact=exact)
    assert values.dtype == np.int8
    assert scales.shape == (weights.shape[1:] if per_channel else ())
    assert np.abs(values * scales - weights).max() <= scales.max() * 0.501 + 1e-9


@given(_WEIGHTS, st.booleans(), st.data())
def test_exact_weights_never_saturate_16_bit_sums(
    weights: NDArray[np.float32], per_channel: bool, data: st.DataObject
) -> None:
    """With the largest activations or any others, arithmetic in 16 bits gives what arithmetic in 32 bits gives."""
    _, values = weight_steps(weights, per_channel=per_channel, exact=True)
    drawn = data.draw(arrays(np.uint8, len(weights)))
    for activations in (np.full(len(weights), 255, np.uint8), drawn):
        expected = activations.astype(np.int64) @ values.astype(np.int64)
        assert (_product_in_16_bits(activations, values) == expected).all()


def test_full_range_weights_do_saturate() -> None:
    """Two neighbours at full range overflow 16 bits: what the exact scaling is for."""
    weights = np.ones((2, 1), np.float32)
    _, values = weight_steps(weights, per_channel=True, exact=False)
    activations = np.full(2, 255, np.uint8)
    assert (_product_in_16_bits(activations, values) != activations.astype(np.int64) @ values.astype(np.int64)).all()


def test_exact_weights_keep_more_than_seven_bits() -> None:
    """On weights like a transformer's, bounding pairs costs less precision than bounding each weight would."""
    weights = np.random.default_rng(0).normal(0, 0.05, (384, 64)).astype(np.float32)
    scales, _ = weight_steps(weights, per_channel=True, exact=True)
    seven_bits = np.abs(weights).max(axis=0) / 63
    assert scales.mean() < 0.85 * seven_bits.mean()


def test_feedback_makes_the_product_closer_and_keeps_the_bound() -> None:
    """On inputs that go together, rounding with feedback beats rounding to the nearest step, and never saturates."""
    draw = np.random.default_rng(4)
    inputs = draw.normal(0, 1, (500, 8)) @ draw.normal(0, 1, (8, 64)) + draw.normal(0, 0.1, (500, 64))
    weights = draw.normal(0, 0.05, (64, 32)).astype(np.float32)
    scales, nearest = weight_steps(weights, per_channel=True, exact=True)
    steps = Feedback().round(weights, scales, inputs.T @ inputs, exact=True)
    exact = inputs @ weights
    errors = [float(np.square(inputs @ (values * scales) - exact).mean()) for values in (steps, nearest)]
    assert errors[0] < errors[1] / 2
    activations = np.full(64, 255, np.uint8)
    assert (_product_in_16_bits(activations, steps) == activations.astype(np.int64) @ steps.astype(np.int64)).all()
