"""A CPU without VNNI, in numpy: runs an exported graph with products that add in 16 bits and saturate.

For tests: the machine that runs them computes int8 right, so a wrong one has to be imitated. Everything but the
products is computed in float as onnx defines it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from scipy.special import erf

_LOWEST, _HIGHEST = -(2**15), 2**15 - 1


class MatMulIntegerToFloat(OpRun):
    """Products of neighbouring rows are added with saturation to 16 bits, as ``vpmaddubsw`` does."""

    op_domain = "com.microsoft"

    def _run(self, *inputs: Any) -> tuple[NDArray[np.float32]]:
        values, weights, scale, weight_scale, zero = inputs[:5]
        bias = inputs[6] if len(inputs) > 6 else 0
        left, right = values.astype(np.int32), weights.astype(np.int32)
        total = np.zeros((*left.shape[:-1], right.shape[1]), np.int64)
        for row in range(0, len(right), 2):
            pair = left[..., row : row + 2] @ right[row : row + 2]
            total += np.clip(pair, _LOWEST, _HIGHEST)
        exact = total - int(zero.item()) * right.sum(axis=0)
        return ((exact * (scale * weight_scale) + bias).astype(np.float32),)


class Gelu(OpRun):
    """The fused operator, exact."""

    op_domain = "com.microsoft"

    def _run(self, values: Any, **_: Any) -> tuple[NDArray[np.float32]]:
        return ((values * (1 + erf(values / np.sqrt(2))) / 2).astype(np.float32),)


class MultiHeadAttention(OpRun):
    """Attention with valid tokens per text as its mask."""

    op_domain = "com.microsoft"

    def _run(self, *inputs: Any, num_heads: int, mask_filter_value: float) -> tuple[NDArray[np.float32]]:
        query, key, value, _, lengths = inputs
        parts = [part.reshape(*part.shape[:2], num_heads, -1).transpose(0, 2, 1, 3) for part in (query, key, value)]
        scores = parts[0] @ parts[1].transpose(0, 1, 3, 2) / np.sqrt(parts[0].shape[-1])
        padding = np.arange(scores.shape[-1]) >= np.reshape(lengths, (-1, 1))
        scores = np.where(padding[:, None, None], mask_filter_value, scores)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = powers / powers.sum(axis=-1, keepdims=True) @ parts[2]
        return (mixed.transpose(0, 2, 1, 3).reshape(query.shape).astype(np.float32),)


def saturated_logits(model: ModelProto, batch: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
    """Return what a CPU that saturates would answer, (batch, labels) float32."""
    evaluator = ReferenceEvaluator(model, new_ops=[MatMulIntegerToFloat, Gelu, MultiHeadAttention])
    logits: NDArray[np.float32] = evaluator.run(None, batch)[0]
    return logits
