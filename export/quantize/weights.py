"""Weights: int8 steps and scales, rounded so that later rows make up for the errors of earlier ones.

Rounding each weight to its nearest step is best for the weight but not for the product. Feedback rounds row by row and
spreads each row's error over the rows that are still to come, in proportion to how the inputs correlate. The product
then changes far less, at no cost at run time (Frantar et al. 2022, "GPTQ").
"""

from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

TOP: Final = 127
"""Largest step of an int8 weight."""
SMALLEST_SCALE: Final = 1e-12
"""Keeps the scale of a column of zeros above 0."""
_PAIR: Final = 128
"""Largest sum of two neighbouring weights of one sign that 16-bit sums hold, see ``weight_scales``."""
_DAMPING: Final = 0.01
"""Share of the mean of the diagonal that is added to it, so that the matrix can be inverted (GPTQ's default)."""
_INVERTED_AT_ONCE: Final = 256
"""Largest triangular matrix that is inverted as any other."""
_ROWS: Final = 64
"""Rows in a block: their errors reach the rows below the block in one product."""


def weight_scales(weights: NDArray[np.float32], *, saturation_safe: bool) -> NDArray[np.float32]:
    """Return one symmetric scale per column, (columns,) float32.

    Args:
        weights: (rows, columns).
        saturation_safe: x86 without VNNI multiplies unsigned activations with the weights of two neighbouring rows and
            adds the two products in 16 bits, saturating (vpmaddubsw). While the two weights of one sign add up to at
            most 128, 255 times their sum stays within 32,767, so such CPUs compute the same as all others.
    """
    bound = np.abs(weights) / TOP
    if saturation_safe:
        even = np.vstack([weights, np.zeros((len(weights) % 2, weights.shape[1]), np.float32)])
        pairs = [np.maximum(side[0::2], 0) + np.maximum(side[1::2], 0) for side in (even, -even)]
        bound = np.vstack([bound, *(pair / (_PAIR - 1) for pair in pairs)])  # rounding may add one half twice
    scales: NDArray[np.float32] = np.maximum(bound.max(axis=0), SMALLEST_SCALE).astype(np.float32)
    return scales


class Feedback:
    """Rounds weights, and keeps the result: variants of one model share most of their products."""

    def __init__(self) -> None:
        self._steps: dict[bytes, NDArray[np.int8]] = {}
        self._root: tuple[bytes, NDArray[np.float64]] | None = None

    def round(
        self,
        weights: NDArray[np.float32],
        scales: NDArray[np.float32],
        moments: NDArray[np.float64],
        *,
        saturation_safe: bool,
    ) -> NDArray[np.int8]:
        """Return int8 steps of the shape of the weights.

        Args:
            weights: (rows, columns).
            scales: (columns,).
            moments: (rows, rows), the sum over calibration tokens of the outer product of the product's input.
            saturation_safe: keep the sum of two neighbours of one sign at 128 or less, see ``weight_scales``.
        """
        source = _digest(moments)
        key = _digest(weights, scales, np.array(saturation_safe)) + source
        if key not in self._steps:
            if self._root is None or self._root[0] != source:  # queries, keys and values follow each other
                self._root = source, _inverse_root(moments)
            self._steps[key] = _round(weights / scales, self._root[1], saturation_safe=saturation_safe)
        return self._steps[key]


def _round(rest: NDArray[np.float32], root: NDArray[np.float64], *, saturation_safe: bool) -> NDArray[np.int8]:
    """Round weights in units of their steps, row by row."""
    rest = rest.astype(np.float64)
    steps = np.zeros(rest.shape, np.float64)
    for start in range(0, len(rest), _ROWS):
        end = min(start + _ROWS, len(rest))
        errors = np.empty((end - start, rest.shape[1]), np.float64)
        for row in range(start, end):
            low, high = -float(TOP), float(TOP)
            if saturation_safe and row % 2:
                before = steps[row - 1]
                high = np.minimum(high, _PAIR - np.maximum(before, 0))
                low = np.maximum(low, np.maximum(-before, 0) - _PAIR)
            steps[row] = np.clip(np.rint(rest[row]), low, high)
            error = errors[row - start] = (rest[row] - steps[row]) / root[row, row]
            rest[row + 1 : end] -= root[row, row + 1 : end, None] * error
        rest[end:] -= root[start:end, end:].T @ errors
    return steps.astype(np.int8)


def _inverse_root(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper Cholesky factor of the inverse of the damped moments.

    If the moments are U times its transpose, U upper, the factor is the inverse of U. U is the Cholesky factor of the
    moments with rows and columns reversed, so one factorization and one inversion are enough.
    """
    diagonal = np.diag(moments)
    damped = moments + np.diag(np.where(diagonal > 0, 0.0, 1.0) + _DAMPING * diagonal.mean() + 1e-12)
    upper = np.ascontiguousarray(np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1])
    return _inverse(upper)


def _inverse(upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of an upper triangular matrix by halves: a third of the work of a general inversion."""
    rows = len(upper)
    if rows <= _INVERTED_AT_ONCE:
        whole: NDArray[np.float64] = np.triu(np.linalg.inv(upper))
        return whole
    half = rows // 2
    result = np.zeros_like(upper)
    result[:half, :half] = _inverse(upper[:half, :half])
    result[half:, half:] = _inverse(upper[half:, half:])
    result[:half, half:] = -result[:half, :half] @ (upper[:half, half:] @ result[half:, half:])
    return result


def _digest(*arrays: NDArray[np.generic]) -> bytes:
    digest = blake2b(digest_size=16)
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
