"""Compensate: round a product's weights so that later rows make up for the error of earlier ones.

Rounding each weight to the nearest step is best for the weight and not for the product. Rounded row by row, with what
each rounding gets wrong spread over the rows still to come, in proportion to how the inputs go together, the product
changes far less at no cost at run time (Frantar et al. 2022, "GPTQ").
"""

from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DAMPING: Final = 0.01
"""Share of the mean of the diagonal that is added to it, so that the matrix can be inverted (GPTQ's default)."""
TOP: Final = 127
"""Largest step of an int8 weight."""
PAIR: Final = 128
"""Largest sum of two neighbouring weights of one sign that 16-bit sums hold, see ``weight_steps``."""
_ROWS: Final = 64
"""Rows whose errors reach the rows behind them together, in one product."""


class Feedback:
    """Rounds weights, and remembers how: most variants of one model share most of their products."""

    def __init__(self) -> None:
        self._steps: dict[bytes, NDArray[np.int8]] = {}
        self._root: tuple[bytes, NDArray[np.float64]] | None = None

    def round(
        self, weights: NDArray[np.float32], scales: NDArray[np.float32], moments: NDArray[np.float64], *, exact: bool
    ) -> NDArray[np.int8]:
        """Return int8 steps of the shape of the weights.

        Args:
            weights: (rows, columns).
            scales: () or (columns,).
            moments: (rows, rows), the sum over calibration tokens of the outer product of the product's input.
            exact: keep the sum of two neighbours of one sign within what 16-bit sums hold, see ``weight_steps``.
        """
        source = _digest(moments)
        key = _digest(weights, scales, np.array(exact)) + source
        if key not in self._steps:
            if self._root is None or self._root[0] != source:  # queries, keys and values follow each other
                self._root = source, _inverse_root(moments)
            self._steps[key] = _round(weights / scales, self._root[1], exact=exact)
        return self._steps[key]


def _round(rest: NDArray[np.float32], root: NDArray[np.float64], *, exact: bool) -> NDArray[np.int8]:
    """Round weights in units of their steps, row by row."""
    rest = rest.astype(np.float64)
    steps = np.zeros(rest.shape, np.float64)
    for start in range(0, len(rest), _ROWS):
        end = min(start + _ROWS, len(rest))
        errors = np.empty((end - start, rest.shape[1]), np.float64)
        for row in range(start, end):
            low, high = -float(TOP), float(TOP)
            if exact and row % 2:
                before = steps[row - 1]
                high = np.minimum(high, PAIR - np.maximum(before, 0))
                low = np.maximum(low, np.maximum(-before, 0) - PAIR)
            steps[row] = np.clip(np.rint(rest[row]), low, high)
            error = errors[row - start] = (rest[row] - steps[row]) / root[row, row]
            rest[row + 1 : end] -= root[row, row + 1 : end, None] * error
        rest[end:] -= root[start:end, end:].T @ errors
    return steps.astype(np.int8)


def _inverse_root(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper Cholesky factor of the inverse of the damped moments.

    With the moments as U times its transpose, U upper, the factor is U's inverse; U is the Cholesky factor of the
    moments with rows and columns reversed. So one factorization does, and nothing is inverted twice.
    """
    diagonal = np.diag(moments)
    damped = moments + np.diag(np.where(diagonal > 0, 0.0, 1.0) + _DAMPING * diagonal.mean() + 1e-12)
    upper = np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1]
    root: NDArray[np.float64] = np.triu(np.linalg.inv(upper))
    return root


def _digest(*arrays: NDArray[np.generic]) -> bytes:
    digest = blake2b(digest_size=16)
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
