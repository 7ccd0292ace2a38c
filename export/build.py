"""Build: a variant's graph as a file.

Graphs that share fusions and rewrites are made once, weights that are rounded alike are rounded once, and calibration
texts run through each tensor once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_dynamic
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from artifact.manifest import SessionOptions
from export.graph.fuse import Fusions, fuse
from export.graph.graph import Graph
from export.quantize.activations import Observer, Range
from export.quantize.outliers import tame_outliers
from export.quantize.products import quantize_embeddings, quantize_products
from export.quantize.weights import Feedback
from export.rewrites import Check, Outcome, Rewrite, apply
from export.rewrites.embeddings import trim_positions
from export.rewrites.gelu import approximate_gelu
from export.rewrites.padding import skip_padding
from export.variants import DynamicInt8, StaticInt8, Variant

REWRITE_TOLERANCE = 1e-5
"""Largest change of a probability that a rewrite may cause: the rounding of fp32 sums in another order."""
UNCHANGED = 0.0
"""The same of a quantized graph, where any other rounding can move a value into the next step."""
CheckAgainst = Callable[[Path, SessionOptions | None], Check]
"""A file and the options of its session -> how far another graph's answers are from those of the graph in it."""


@dataclass(frozen=True)
class Built:
    """A variant's graph and what became of its rewrites."""

    variant: Variant
    path: Path
    outcomes: tuple[Outcome, ...]


class Builder:
    """Builds variants of one fp32 graph.

    Args:
        fp32: the converted graph.
        directory: where graphs are written.
        observer: sees the calibration texts.
        check_against: how answers are compared.
        max_length: tokens of the longest text.
    """

    def __init__(
        self,
        fp32: Path,
        directory: Path,
        observer: Observer,
        check_against: CheckAgainst,
        *,
        max_length: int,
    ) -> None:
        self._fp32 = fp32
        self._max_length = max_length
        self._directory = directory
        self._observer = observer
        self._check_against = check_against
        self._check = check_against(fp32, None)
        self._feedback = Feedback()
        self._graphs: dict[tuple[Fusions, tuple[Rewrite, ...]], tuple[onnx.ModelProto, tuple[Outcome, ...]]] = {}

    def build(self, variant: Variant) -> Built:
        """Write a variant's graph.

        Raises:
            Exception: whatever the library raises about a graph that it does not understand.
        """
        path = self._directory / f"{variant.name}.onnx"
        model, outcomes = self._float(variant)
        if isinstance(variant.quantization, DynamicInt8):
            _quantize_dynamic(model, path)
        elif variant.quantization is None:
            onnx.save(model, path)
        elif variant.quantization.library:
            _quantize_with_library(model, path, self._observer.ranges(model, variant.quantization.method))
        else:
            quantized = self._static(model, variant.quantization)
            onnx.save(quantized, path)
            if not variant.quantization.padding:
                quantized, more = apply(
                    quantized, (skip_padding,), self._check_against(path, variant.session), tolerance=UNCHANGED
                )
                onnx.save(quantized, path)
                outcomes += tuple(more)
        return Built(variant, path, outcomes)

    def _float(self, variant: Variant) -> tuple[onnx.ModelProto, tuple[Outcome, ...]]:
        key = (variant.fusions, variant.rewrites)
        if key not in self._graphs:
            fused = fuse(self._fp32, variant.fusions)
            model, outcomes = apply(fused, variant.rewrites, self._check, tolerance=REWRITE_TOLERANCE)
            self._graphs[key] = (model, tuple(outcomes))
        return self._graphs[key]

    def _static(self, model: onnx.ModelProto, recipe: StaticInt8) -> onnx.ModelProto:
        ranges = self._observer.ranges(model, recipe.method)
        moments = self._observer.moments(model) if recipe.feedback else None
        graph = Graph(model)
        if recipe.fast_gelu:
            approximate_gelu(graph)
        if recipe.outlier_ratio is not None:
            tamed = tame_outliers(graph, self._observer.channels(model), ratio=recipe.outlier_ratio)
            graph = Graph(graph.finish())
            ranges |= {name: row.limits for name, row in tamed.items()}
            if moments is not None:
                moments |= {
                    name: moments[row.source] / np.outer(row.factors, row.factors) for name, row in tamed.items()
                }
        quantize_products(
            graph,
            ranges,
            per_channel=recipe.per_channel,
            exact=recipe.exact,
            moments=moments,
            feedback=self._feedback,
        )
        if recipe.embeddings:
            quantize_embeddings(graph)
            trim_positions(graph, self._max_length)
        return graph.finish()


def _quantize_dynamic(model: onnx.ModelProto, path: Path) -> None:
    """Quantize as optimum's ``avx512_vnni`` preset does: uint8 activations, int8 weights per tensor."""
    source = path.with_suffix(".float.onnx")
    onnx.save(model, source)
    quantize_dynamic(
        source,
        path,
        per_channel=False,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # outputs of fused operators have no shape
    )
    source.unlink()


def _quantize_with_library(model: onnx.ModelProto, path: Path, ranges: dict[str, Range]) -> None:
    """Write quantize/dequantize pairs around products, their outputs left in float."""
    found = {name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in ranges.items()}
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, found),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=["MatMul"],
        extra_options={
            "OpTypesToExcludeOutputQuantization": ["MatMul"],
            "DefaultTensorType": onnx.TensorProto.FLOAT,
        },
    )
    quantizer.quantize_model()
    quantizer.model.save_model_to_file(str(path))
