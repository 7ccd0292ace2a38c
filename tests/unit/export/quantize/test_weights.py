"""Int8 weights: close to the float ones, and right on CPUs that add in 16 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

pytest.importorskip("onnx")
from export.quantize.weights import Feedback, weight_scales

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


def _nearest(weights: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.int8]:
    """Round each weight to its nearest step."""
    return np.rint(weights / scales).astype(np.int8)


def _feedback(weights: NDArray[np.float32], draw: np.random.Generator, **options: bool) -> NDArray[np.int8]:
    """Round with feedback on random inputs that correlate."""
    inputs = draw.normal(0, 1, (40, 2)) @ draw.normal(0, 1, (2, len(weights)))
    return Feedback().round(weights, weight_scales(weights, **options), inputs.T @ inputs, **options)


@given(_WEIGHTS, st.booleans())
def test_every_weight_has_a_step(weights: NDArray[np.float32], saturation_safe: bool) -> None:
    """The nearest step is within int8 and at most half a step from the weight."""
    scales = weight_scales(weights, saturation_safe=saturation_safe)
    assert scales.shape == weights.shape[1:]
    assert np.abs(np.rint(weights / scales)).max() <= 127
    assert np.abs(_nearest(weights, scales) * scales - weights).max() <= scales.max() * 0.501 + 1e-9


@pytest.mark.parametrize("feedback", [False, True], ids=["nearest step", "with feedback"])
@given(weights=_WEIGHTS, data=st.data())
def test_safe_weights_never_saturate_16_bit_sums(
    weights: NDArray[np.float32], feedback: bool, data: st.DataObject
) -> None:
    """With the largest activations or any others, arithmetic in 16 bits gives the same as in 32 bits."""
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    if feedback:
        values = _feedback(weights, draw, saturation_safe=True)
    else:
        values = _nearest(weights, weight_scales(weights, saturation_safe=True))
    drawn = data.draw(arrays(np.uint8, len(weights)))
    for activations in (np.full(len(weights), 255, np.uint8), drawn):
        expected = activations.astype(np.int64) @ values.astype(np.int64)
        assert (_product_in_16_bits(activations, values) == expected).all()


def test_full_range_weights_do_saturate() -> None:
    """Two neighbours at full range overflow 16 bits: the reason for the bound."""
    weights = np.ones((2, 1), np.float32)
    values = _nearest(weights, weight_scales(weights, saturation_safe=False))
    activations = np.full(2, 255, np.uint8)
    assert (_product_in_16_bits(activations, values) != activations.astype(np.int64) @ values.astype(np.int64)).all()


def test_safe_weights_keep_more_than_seven_bits() -> None:
    """On weights like a transformer's, bounding pairs costs less precision than bounding each weight would."""
    weights = np.random.default_rng(0).normal(0, 0.05, (384, 64)).astype(np.float32)
    scales = weight_scales(weights, saturation_safe=True)
    seven_bits = np.abs(weights).max(axis=0) / 63
    assert scales.mean() < 0.85 * seven_bits.mean()


@pytest.mark.parametrize("rows", [64, 700])
def test_feedback_makes_the_product_closer(rows: int) -> None:
    """On inputs that go together it beats the nearest step; the moments of 700 rows are inverted by parts."""
    draw = np.random.default_rng(4)
    inputs = draw.normal(0, 1, (500, 8)) @ draw.normal(0, 1, (8, rows)) + draw.normal(0, 0.1, (500, rows))
    weights = draw.normal(0, 0.05, (rows, 32)).astype(np.float32)
    scales = weight_scales(weights, saturation_safe=True)
    steps = Feedback().round(weights, scales, inputs.T @ inputs, saturation_safe=True)
    product = inputs @ weights
    rounded = (steps, _nearest(weights, scales))
    errors = [float(np.square(inputs @ (values * scales) - product).mean()) for values in rounded]
    assert errors[0] < errors[1] / 2
