"""Build: a variant's graph as a file.

Work that variants share is done once: fusions and float rewrites, the pass over the calibration texts, and the
rounding of weights with equal scales and inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic

from artifact.manifest import SessionOptions
from artifact.runtime import Batch, OnnxEngine
from export.graph.fuse import Fusions, fuse
from export.graph.graph import Graph
from export.measure.memory import return_free_pages
from export.progress import Progress
from export.quantize.activations import Observer, Range
from export.quantize.outliers import Tamed, tame_outliers
from export.quantize.products import quantize_embeddings, quantize_products
from export.quantize.sensitivity import noisiest_products
from export.quantize.weights import Feedback
from export.rewrites.apply import Check, Rewrite, RewriteResult, apply
from export.rewrites.embeddings import trim_positions
from export.rewrites.rotate import fix_rotations
from export.variants import FP32, DynamicInt8, StaticInt8, Variant

_FLOAT_TOLERANCE: Final = 1e-5
"""Largest change of a probability that a rewrite may cause: the rounding of fp32 sums in another order."""
_QUANTIZED_TOLERANCE: Final = 0.0
"""The same on a quantized graph, where a difference in rounding can move a value into the next step."""
_PADDED: Final = Batch.of([(1, 2, 3), (1, 2)], 0)
"""Some graphs load and then fail on a batch."""
CheckAgainst = Callable[[Path, SessionOptions | None], Check]
"""A graph file and its session options -> a check of other graphs against the answers of that graph."""


@dataclass(frozen=True)
class Built:
    """A variant's graph file, and which rewrites were kept in it."""

    variant: Variant
    path: Path
    rewrites: tuple[RewriteResult, ...]


class Builder:
    """Builds variants of one fp32 graph.

    Args:
        fp32: the converted graph.
        directory: where graphs are written.
        observer: has the calibration texts.
        check_against: compares answers.
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
        self._graphs: dict[tuple[Fusions, tuple[Rewrite, ...]], tuple[onnx.ModelProto, tuple[RewriteResult, ...]]] = {}

    def build(self, variant: Variant) -> Built:
        """Write a variant's graph.

        Raises:
            Exception: of any class that a library raises about a graph it does not understand.
        """
        path = self._directory / f"{variant.name}.onnx"
        model, results = self._float(variant)
        if isinstance(variant.quantization, DynamicInt8):
            _quantize_dynamic(model, path)
        elif variant.quantization is None:
            onnx.save(model, path)
        else:
            quantized = self._static(model, variant.quantization)
            onnx.save(quantized, path)
            check = self._check_against(path, variant.session)
            rewritten, more = apply(quantized, variant.quantized_rewrites, check, tolerance=_QUANTIZED_TOLERANCE)
            onnx.save(rewritten, path)
            results += tuple(more)
        return Built(variant, path, results)

    def _float(self, variant: Variant) -> tuple[onnx.ModelProto, tuple[RewriteResult, ...]]:
        key = (variant.fusions, variant.float_rewrites)
        if key not in self._graphs:
            fused = fuse(self._fp32, variant.fusions)
            model, results = apply(fused, variant.float_rewrites, self._check, tolerance=_FLOAT_TOLERANCE)
            self._graphs[key] = (model, tuple(results))
        return self._graphs[key]

    def _static(self, model: onnx.ModelProto, recipe: StaticInt8) -> onnx.ModelProto:
        ranges, moments = self._observer.ranges(model), self._observer.moments(model)
        graph = Graph(model)
        tamed = tame_outliers(graph, self._observer.channels(model), ratio=recipe.outlier_ratio)
        graph = Graph(graph.finish())
        for name, row in tamed.items():
            ranges[name] = row.limits
            moments[name] = moments[row.source] / np.outer(row.factors, row.factors)
        kept = self._kept_in_float(graph, ranges, moments, tamed, recipe)
        quantize_products(
            graph, ranges, moments, self._feedback, saturation_safe=recipe.saturation_safe, kept_in_float=kept
        )
        quantize_embeddings(graph)
        graph = Graph(graph.finish())
        trim_positions(graph, self._max_length)
        fix_rotations(graph, self._max_length)
        return graph.finish()

    def _kept_in_float(
        self,
        graph: Graph,
        ranges: Mapping[str, Range],
        moments: Mapping[str, NDArray[np.float64]],
        tamed: Mapping[str, Tamed],
        recipe: StaticInt8,
    ) -> set[str]:
        if not recipe.float_share:
            return set()
        tokens = self._observer.tokens()
        tokens |= {name: tokens[row.source] for name, row in tamed.items()}
        return noisiest_products(
            graph, ranges, moments, tokens, recipe.float_share, saturation_safe=recipe.saturation_safe
        )


def build_all(builder: Builder, variants: Sequence[Variant], progress: Progress) -> tuple[list[Built], dict[str, str]]:
    """Build variants; one that a library cannot build, load or run is reported with the reason, not fatal.

    Raises:
        Exception: of any class, if it is the converted graph itself.
    """
    unbuilt: dict[str, str] = {}
    built = []
    with progress.step("build variants", len(variants)) as tick:
        for variant in variants:
            try:
                row = builder.build(variant)
                OnnxEngine(row.path, variant.session).run(_PADDED)
            except Exception as error:  # onnx and onnxruntime raise many classes
                if variant.name == FP32:
                    raise
                unbuilt[variant.name] = str(error).splitlines()[0][:200]
            else:
                built.append(row)
            return_free_pages()
            tick()
    return built, unbuilt


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
