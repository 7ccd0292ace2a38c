"""Saturation: the answers of an exported graph on an x86 CPU without VNNI, and whether this CPU is one.

Such a CPU adds the products of two neighbouring rows in 16 bits and saturates (``vpmaddubsw``). The int8 products are
simulated in numpy, all other operators are computed as onnx defines them. This is slow: for a few short texts.
"""

from collections.abc import Callable
from functools import cache
from math import erf
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from artifact.runtime import Batch

_LOWEST: Final = -(2**15)
_HIGHEST: Final = 2**15 - 1
_SIDE: Final = 64
_erf = np.vectorize(erf, otypes=[np.float32])

Sums = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.int64]]
"""Values and weights of a product -> its integer sums."""


def _product(sums: Sums) -> type[OpRun]:
    """Return the operator with the given sums; onnx finds it by the name of its class."""

    class MatMulIntegerToFloat(OpRun):  # type: ignore[misc]  # onnx has no types here
        op_domain = "com.microsoft"

        def _run(self, *inputs: Any) -> tuple[NDArray[np.float32]]:  # noqa: ANN401 - onnx passes the node's inputs
            values, weights, scale, weight_scale, zero = inputs[:5]
            bias = inputs[6] if len(inputs) > 6 else 0  # noqa: PLR2004 - the bias is optional
            total = sums(values.astype(np.float32), weights.astype(np.float32))
            exact = total - int(zero.item()) * weights.astype(np.int64).sum(axis=0)
            return ((exact * (scale * weight_scale) + bias).astype(np.float32),)

    return MatMulIntegerToFloat


def _exact_sums(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.int64]:
    result: NDArray[np.int64] = np.rint(left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
    return result


def _saturating_sums(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.int64]:
    """Add the products of neighbouring rows with saturation to 16 bits."""
    total = np.zeros((*left.shape[:-1], right.shape[1]), np.int64)
    for row in range(0, len(right), 2):
        pair = left[..., row : row + 2] @ right[row : row + 2]  # exact: a pair stays below 2^24
        total += np.clip(pair, _LOWEST, _HIGHEST).astype(np.int64)
    return total


class Gelu(OpRun):  # type: ignore[misc]  # onnx has no types here
    """The fused operator, by the error function."""

    op_domain = "com.microsoft"

    def _run(self, values: Any, **_: Any) -> tuple[NDArray[np.float32]]:  # noqa: ANN401 - as above
        return ((values * (1 + _erf(values / np.sqrt(2))) / 2).astype(np.float32),)


class FastGelu(OpRun):  # type: ignore[misc]  # onnx has no types here
    """The fused operator, by tanh."""

    op_domain = "com.microsoft"

    def _run(self, values: Any, *_: Any) -> tuple[NDArray[np.float32]]:  # noqa: ANN401 - as above
        inner = np.sqrt(2 / np.pi) * (values + 0.044715 * values**3)
        return ((values * (1 + np.tanh(inner)) / 2).astype(np.float32),)


class MultiHeadAttention(OpRun):  # type: ignore[misc]  # onnx has no types here
    """Attention, with valid tokens per text or one flag per token as its mask, or none."""

    op_domain = "com.microsoft"

    def _run(self, *inputs: Any, num_heads: int, **attributes: Any) -> tuple[NDArray[np.float32]]:  # noqa: ANN401 - onnx
        parts = [part.reshape(*part.shape[:2], num_heads, -1).transpose(0, 2, 1, 3) for part in inputs[:3]]
        scale = attributes.get("scale") or 1 / np.sqrt(parts[0].shape[-1])
        scores = parts[0] @ parts[1].transpose(0, 1, 3, 2) * scale
        if len(inputs) > 4:  # noqa: PLR2004 - the mask is optional
            mask = inputs[4]
            valid = mask > 0 if mask.ndim > 1 else np.arange(scores.shape[-1]) < mask[:, None]
            scores = np.where(valid[:, None, None], scores, attributes["mask_filter_value"])
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = powers / powers.sum(axis=-1, keepdims=True) @ parts[2]
        return (mixed.transpose(0, 2, 1, 3).reshape(*inputs[0].shape[:2], -1).astype(np.float32),)


def saturated_logits(model: ModelProto, batch: Batch) -> NDArray[np.float32]:
    """Return the logits of a CPU that saturates, (batch, labels) float32.

    Raises:
        Exception: of any class that onnx raises about an operator that it does not know.
    """
    return _logits(model, batch, _saturating_sums)


def exact_logits(model: ModelProto, batch: Batch) -> NDArray[np.float32]:
    """Return the logits of any other CPU, (batch, labels) float32; raises as ``saturated_logits``."""
    return _logits(model, batch, _exact_sums)


def _logits(model: ModelProto, batch: Batch, sums: Sums) -> NDArray[np.float32]:
    evaluator = ReferenceEvaluator(model, new_ops=[_product(sums), Gelu, FastGelu, MultiHeadAttention])
    logits: NDArray[np.float32] = evaluator.run(None, batch.feeds(evaluator.input_names))[0]
    return logits


@cache
def this_cpu_saturates() -> bool:
    """Return whether onnxruntime computes int8 products of full-range weights wrong on this CPU, by running one."""
    weights = numpy_helper.from_array(np.full((_SIDE, _SIDE), 127, np.int8), "weights")
    values = helper.make_tensor_value_info("values", TensorProto.UINT8, [_SIDE, _SIDE])
    sums = helper.make_tensor_value_info("sums", TensorProto.INT32, [_SIDE, _SIDE])
    node = helper.make_node("MatMulInteger", ["values", "weights"], ["sums"])
    graph = helper.make_graph([node], "saturation", [values], [sums], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"values": np.full((_SIDE, _SIDE), 255, np.uint8)})
    return bool((found != 255 * 127 * _SIDE).any())
