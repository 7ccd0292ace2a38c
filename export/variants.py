"""Variants: the table of graphs that export builds and compares. To add a candidate, add an entry to ``CANDIDATES``.

A baseline is measured in the same run and never chosen: it shows what the chosen candidate gains.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from artifact.manifest import SessionOptions
from export.graph.fuse import Fusions
from export.rewrites import FLOAT, QUANTIZED
from export.rewrites.apply import Rewrite

Target = Literal["portable", "x86-vnni", "x86-avx2", "arm64"]
_FUSIONS: Final = Fusions(attention=True, gelu=True)
_ALL_FUSIONS: Final = Fusions(attention=True, gelu=True, bias_gelu=True, skip_layer_norm=True, embed_layer_norm=True)
_SESSION: Final = SessionOptions(disabled_optimizers=("SkipLayerNormFusion",))
"""The runtime would fuse additions and LayerNormalization into a slower kernel."""


@dataclass(frozen=True, slots=True)
class StaticInt8:
    """Int8 products with activation scales that are fixed at export.

    Attributes:
        saturation_safe: scale weights so that no CPU saturates, see ``weight_scales``.
        outlier_ratio: see ``tame_outliers``.
        float_share: share of the products that stay in fp32, those that int8 changes most.
    """

    saturation_safe: bool = True
    outlier_ratio: float = 1.6
    float_share: float = 0.0


@dataclass(frozen=True, slots=True)
class DynamicInt8:
    """Int8 products whose activation scales are computed in each run, as most guides recommend."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One graph to build and measure.

    Attributes:
        name: short, unique.
        why: what its row of the table shows.
        quantization: None leaves the graph in float.
        fusions: of onnxruntime's optimizer.
        float_rewrites: applied before quantization.
        quantized_rewrites: applied after static quantization.
        session: options that the graph is measured with; they are written into the manifest.
        baseline: measured, never chosen.
    """

    name: str
    why: str
    quantization: StaticInt8 | DynamicInt8 | None = StaticInt8()
    fusions: Fusions = _FUSIONS
    float_rewrites: tuple[Rewrite, ...] = FLOAT
    quantized_rewrites: tuple[Rewrite, ...] = QUANTIZED
    session: SessionOptions = _SESSION
    baseline: bool = False


PYTORCH: Final = "pytorch"
FP32: Final = "fp32"
FP32_REWRITTEN: Final = "fp32-rewritten"
USUAL: Final = "usual"

BASELINES: Final = (
    Variant(
        FP32,
        "the converted model as it is",
        quantization=None,
        fusions=Fusions(),
        float_rewrites=(),
        session=SessionOptions(),
        baseline=True,
    ),
    Variant(FP32_REWRITTEN, "what the rewrites gain without quantization", quantization=None, baseline=True),
    Variant(
        USUAL,
        "all fusions, then dynamic int8: the usual recipe",
        quantization=DynamicInt8(),
        fusions=_ALL_FUSIONS,
        float_rewrites=(),
        session=SessionOptions(),
        baseline=True,
    ),
)

CANDIDATES: Final = (
    Variant("static", "all rewrites, outliers tamed"),
    Variant("static-less-tame", "fewer tensors tamed", StaticInt8(outlier_ratio=2.5)),
)

FALLBACKS: Final = (
    Variant("static-mixed", "an eighth of the products in fp32", StaticInt8(float_share=0.125)),
    Variant("static-more-mixed", "three eighths of the products in fp32", StaticInt8(float_share=0.375)),
)
"""Built where no candidate passes, before the export falls back to fp32."""


def candidates(target: Target, table: tuple[Variant, ...] = CANDIDATES) -> tuple[Variant, ...]:
    """Return the candidates, or other variants, for a kind of CPU.

    Where int8 sums cannot saturate (VNNI, Arm), weights may use all of their range.
    """
    if target in ("portable", "x86-avx2"):
        return table
    config = {"mlas.enable_gemm_fastmath_arm64_bfloat16": "1"} if target == "arm64" else {}
    return tuple(_full_range(variant, config) for variant in table)


def is_saturation_safe(variant: Variant) -> bool:
    """Return whether every CPU computes the variant's int8 products right, if it has any."""
    recipe = variant.quantization
    return recipe is None or (isinstance(recipe, StaticInt8) and recipe.saturation_safe)


def _full_range(variant: Variant, config: dict[str, str]) -> Variant:
    session = variant.session.model_copy(update={"config": variant.session.config | config})
    if isinstance(variant.quantization, StaticInt8):
        variant = replace(variant, quantization=replace(variant.quantization, saturation_safe=False))
    return replace(variant, session=session)
