"""Variants: the table of graphs that export builds and compares. Adding one is adding an entry.

A reference is measured in the same run but never chosen: it says what the choice is worth.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from export.activations import Method
from export.optimize import REWRITES, Fusions
from export.rewrites import Rewrite
from export.rewrites.first_token import read_first_token
from server.artifact import SessionOptions

Target = Literal["portable", "x86-vnni", "x86-avx2", "arm64"]
_DEFAULT: Final = SessionOptions()
_FUSIONS: Final = Fusions()


@dataclass(frozen=True, slots=True)
class StaticInt8:
    """Int8 products with fixed activation scales.

    Attributes:
        method: how activation ranges are chosen.
        per_channel: one weight scale per output channel, or one per matrix.
        bits: of the weights.
        outlier_ratio: see ``tame_outliers``; None leaves outliers.
        embeddings: whether lookup tables are int8 too.
        library: let onnxruntime write quantize/dequantize pairs, outputs not quantized, instead of this project.
    """

    method: Method = "min-max"
    per_channel: bool = True
    bits: int = 8
    outlier_ratio: float | None = 2.5
    embeddings: bool = True
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
    session: SessionOptions = _DEFAULT
    reference: bool = False


PYTORCH: Final = "pytorch"
FP32: Final = "fp32"
USUAL: Final = "usual"
_EVERYTHING: Final = Fusions(bias_gelu=True, skip_layer_norm=True, embed_layer_norm=True)
_NOTHING: Final = Fusions(attention=False, gelu=False)
_EXACT_ON_AVX2: Final = SessionOptions(config={"session.x64quantprecision": "1"})
"""Where int8 sums would saturate (x86 without VNNI), onnxruntime makes the weights unsigned at load."""
_ARM: Final = SessionOptions(config={"mlas.enable_gemm_fastmath_arm64_bfloat16": "1"})

REFERENCES: Final = (
    Variant(FP32, "the converted model as it is", None, _NOTHING, (), reference=True),
    Variant("fp32-rewritten", "what the rewrites gain by themselves", None, reference=True),
    Variant(USUAL, "O2 fusions, then dynamic int8: everybody's recipe", DynamicInt8(), _EVERYTHING, (), reference=True),
)

CANDIDATES: Final = (
    Variant("static", "all rewrites, outliers tamed"),
    Variant("static-raw", "outliers left", StaticInt8(outlier_ratio=None)),
    Variant("static-tamer", "more tensors tamed", StaticInt8(outlier_ratio=1.6)),
    Variant("static-per-tensor", "one weight scale per matrix", StaticInt8(per_channel=False)),
    Variant("static-percentile", "ranges cut at 99.99 %", StaticInt8("percentile", outlier_ratio=None)),
    Variant("static-entropy", "ranges by entropy", StaticInt8("entropy", outlier_ratio=None)),
    Variant("static-7bit", "weights of 7 bits: no saturation anywhere", StaticInt8(bits=7)),
    Variant("static-library", "quantize/dequantize pairs by the library", StaticInt8(outlier_ratio=None, library=True)),
    Variant("float-embeddings", "lookup tables left in fp32", StaticInt8(embeddings=False)),
    Variant(
        "all-tokens",
        "last layer computed for every token",
        rewrites=tuple(rewrite for rewrite in REWRITES if rewrite is not read_first_token),
    ),
    Variant(
        "separate-qkv",
        "three projections, attention unfused",
        fusions=Fusions(attention=False),
        rewrites=tuple(rewrite for rewrite in REWRITES if rewrite.__name__ != "merge_projections"),
    ),
    Variant("merged-qkv", "one projection, attention unfused", fusions=Fusions(attention=False)),
    Variant("skip-layer-norm", "SkipLayerNormalization fused", fusions=Fusions(skip_layer_norm=True)),
    Variant("bias-gelu", "BiasGelu fused before quantizing", fusions=Fusions(bias_gelu=True)),
    Variant("fast-gelu", "GELU by tanh", fusions=Fusions(fast_gelu=True)),
    Variant("dynamic", "dynamic int8 on the plain graph", DynamicInt8(), _NOTHING, ()),
    Variant("dynamic-attention", "dynamic int8, attention fused, nothing else", DynamicInt8(), Fusions(), ()),
)


def candidates(target: Target) -> tuple[Variant, ...]:
    """Return the candidates for a kind of CPU, with the session options that it needs.

    Only 7-bit weights are exact on AVX2 at full speed; elsewhere they are one row of many.
    """
    if target == "x86-avx2":
        narrow = [v for v in CANDIDATES if isinstance(v.quantization, StaticInt8) and not v.quantization.library]
        return tuple(
            replace(v, quantization=replace(v.quantization, bits=7))
            for v in narrow
            if isinstance(v.quantization, StaticInt8) and v.name != "static-7bit"
        )
    session = {"portable": _EXACT_ON_AVX2, "x86-vnni": SessionOptions(), "arm64": _ARM}[target]
    listed = [replace(variant, session=session) for variant in CANDIDATES]
    plain = session.model_copy(update={"disabled_optimizers": ("SkipLayerNormFusion",)})
    extended = session.model_copy(update={"graph_optimization_level": "extended"})
    return (
        *listed,
        replace(listed[0], name="static-no-skip", why="session without SkipLayerNormFusion", session=plain),
        replace(listed[0], name="static-extended", why="session optimizes less: extended", session=extended),
    )
