"""Variants: the table of graphs that export builds and compares. Adding one is adding an entry.

A reference is measured in the same run but never chosen: it says what the choice is worth.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from artifact.manifest import SessionOptions
from export.graph.fuse import REWRITES, Fusions
from export.quantize.activations import Method
from export.rewrites import Rewrite
from export.rewrites.attention import merge_projections
from export.rewrites.first_token import read_first_token
from export.rewrites.mask import mask_keys

Target = Literal["portable", "x86-vnni", "x86-avx2", "arm64"]
_FUSIONS: Final = Fusions()
_PLAIN: Final = SessionOptions(disabled_optimizers=("SkipLayerNormFusion",))
"""The runtime would fuse what was left apart, into a slower kernel."""


@dataclass(frozen=True, slots=True)
class StaticInt8:
    """Int8 products with fixed activation scales.

    Attributes:
        method: how activation ranges are chosen.
        per_channel: one weight scale per output channel, or one per matrix.
        exact: weights scaled so that no CPU saturates, see ``weight_steps``.
        outlier_ratio: see ``tame_outliers``; None leaves outliers.
        embeddings: whether lookup tables are int8 too.
        feedback: weights rounded so that errors make up for each other, or each to the nearest step.
        fast_gelu: GELU by tanh.
        padding: computed as if it were tokens; left out where False, see ``skip_padding``.
        library: let onnxruntime write quantize/dequantize pairs, outputs not quantized, instead of this project.
    """

    method: Method = "min-max"
    per_channel: bool = True
    exact: bool = True
    outlier_ratio: float | None = 1.6
    embeddings: bool = True
    feedback: bool = True
    fast_gelu: bool = False
    padding: bool = False
    library: bool = False


@dataclass(frozen=True, slots=True)
class DynamicInt8:
    """Int8 products whose activation scales are computed per run: the usual way."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One graph to build and measure.

    Attributes:
        name: short, unique.
        why: what its row of the table answers.
        reference: measured, never chosen.
    """

    name: str
    why: str
    quantization: StaticInt8 | DynamicInt8 | None = StaticInt8()
    fusions: Fusions = _FUSIONS
    rewrites: tuple[Rewrite, ...] = REWRITES
    session: SessionOptions = _PLAIN
    reference: bool = False


PYTORCH: Final = "pytorch"
FP32: Final = "fp32"
USUAL: Final = "usual"
_EVERYTHING: Final = Fusions(bias_gelu=True, skip_layer_norm=True, embed_layer_norm=True)
_NOTHING: Final = Fusions(attention=False, gelu=False)

_UNSIGNED: Final = _PLAIN.model_copy(update={"config": {"session.x64quantprecision": "1"}})


def _without(rewrite: Rewrite) -> tuple[Rewrite, ...]:
    return tuple(other for other in REWRITES if other is not rewrite)


REFERENCES: Final = (
    Variant(FP32, "the converted model as it is", None, _NOTHING, (), SessionOptions(), reference=True),
    Variant("fp32-rewritten", "what the rewrites gain by themselves", None, reference=True),
    Variant(
        USUAL,
        "O2 fusions, then dynamic int8: everybody's recipe",
        DynamicInt8(),
        _EVERYTHING,
        (),
        SessionOptions(),
        reference=True,
    ),
)

CANDIDATES: Final = (
    Variant("static", "all rewrites, outliers tamed"),
    Variant("static-nearest", "each weight to its nearest step", StaticInt8(feedback=False)),
    Variant("static-less-tame", "fewer tensors tamed", StaticInt8(outlier_ratio=2.5)),
    Variant("static-raw", "outliers left", StaticInt8(outlier_ratio=None)),
    Variant("static-per-tensor", "one weight scale per matrix", StaticInt8(per_channel=False)),
    Variant("static-percentile", "outliers left, ranges cut at 99.99 %", StaticInt8("percentile", outlier_ratio=None)),
    Variant("static-entropy", "outliers left, ranges by entropy", StaticInt8("entropy", outlier_ratio=None)),
    Variant("static-library", "quantize/dequantize pairs by the library", StaticInt8(outlier_ratio=None, library=True)),
    Variant("float-embeddings", "lookup tables left in fp32", StaticInt8(embeddings=False)),
    Variant("fast-gelu", "GELU by tanh", StaticInt8(fast_gelu=True)),
    Variant("padding-computed", "one way for all batches", StaticInt8(padding=True)),
    Variant("all-tokens", "last layer computed for every token", rewrites=_without(read_first_token)),
    Variant("mask-apart", "attention is given its mask", rewrites=_without(mask_keys)),
    Variant("merged-qkv", "queries, keys and values in one product", rewrites=(*REWRITES, merge_projections)),
    Variant("unfused-attention", "the attention as it was exported", fusions=Fusions(attention=False)),
    Variant("skip-layer-norm", "SkipLayerNormalization fused", fusions=Fusions(skip_layer_norm=True)),
    Variant("bias-gelu", "BiasGelu fused before quantizing", fusions=Fusions(bias_gelu=True)),
    Variant("default-session", "the runtime fuses what it likes", session=SessionOptions()),
    Variant("unsigned-at-load", "the runtime's own remedy for saturation", session=_UNSIGNED),
    Variant("dynamic", "dynamic int8 on the plain graph", DynamicInt8(), _NOTHING, ()),
)


def candidates(target: Target) -> tuple[Variant, ...]:
    """Return the candidates for a kind of CPU.

    Where int8 sums can not saturate (VNNI, Arm), weights may use all of their range.
    """
    if target in ("portable", "x86-avx2"):
        return CANDIDATES
    config = {"mlas.enable_gemm_fastmath_arm64_bfloat16": "1"} if target == "arm64" else {}
    return tuple(_wider(variant, config) for variant in CANDIDATES)


def is_bounded(variant: Variant) -> bool:
    """Whether its int8 weights, if it has any, are bounded so that no CPU saturates."""
    recipe = variant.quantization
    return recipe is None or (isinstance(recipe, StaticInt8) and recipe.exact and not recipe.library)


def _wider(variant: Variant, config: dict[str, str]) -> Variant:
    session = variant.session.model_copy(update={"config": variant.session.config | config})
    if isinstance(variant.quantization, StaticInt8):
        variant = replace(variant, quantization=replace(variant.quantization, exact=False))
    return replace(variant, session=session)
