"""Compensate: round a product's weights so that later rows make up for the error of earlier ones.

Rounding each weight to the nearest step is best for the weight and not for the product. Rounded row by row, with what
each rounding gets wrong spread over the rows still to come, in proportion to how the inputs go together, the product
changes far less at no cost at run time (Frantar et al. 2022, "GPTQ"; the inverse by Cholesky as there).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_DAMPING: Final = 0.01
"""Share of the mean of the diagonal that is added to it, so that the matrix can be inverted (GPTQ's default)."""
_TOP: Final = 127
_PAIR: Final = 128


def round_with_feedback(
    weights: NDArray[np.float32], scales: NDArray[np.float32], moments: NDArray[np.float64], *, exact: bool
) -> NDArray[np.int8]:
    """Return int8 steps of the shape of the weights.

    Args:
        weights: (rows, columns).
        scales: () or (columns,).
        moments: (rows, rows), the sum over calibration tokens of the outer product of the product's input.
        exact: keep the sum of two neighbours of one sign within what 16-bit sums hold, see ``weight_steps``.
    """
    rest = (weights / scales).astype(np.float64)
    steps = np.zeros(weights.shape, np.float64)
    feedback = _inverse_root(moments)
    for row in range(len(rest)):
        low, high = -float(_TOP), float(_TOP)
        if exact and row % 2:
            before = steps[row - 1]
            high = np.minimum(high, _PAIR - np.maximum(before, 0))
            low = np.maximum(low, np.maximum(-before, 0) - _PAIR)
        steps[row] = np.clip(np.rint(rest[row]), low, high)
        error = (rest[row] - steps[row]) / feedback[row, row]
        rest[row + 1 :] -= feedback[row, row + 1 :, None] * error
    return steps.astype(np.int8)


def _inverse_root(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper Cholesky factor of the inverse of the damped moments."""
    size = len(moments)
    diagonal = np.diag(moments)
    damped = moments + np.diag(np.where(diagonal > 0, 0.0, 1.0)) + np.eye(size) * (_DAMPING * diagonal.mean() + 1e-12)
    factor: NDArray[np.float64] = np.linalg.cholesky(np.linalg.inv(damped)).T
    return factor
