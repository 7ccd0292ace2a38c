"""Artifact: fills a directory with the chosen graph, the tokenizer, the card and the report, and describes them."""

import shutil
from pathlib import Path
from typing import Final

import onnx

from artifact.manifest import CARD, MODEL, TOKENIZER, Manifest, Quantization, Tensor, describe_file
from artifact.runtime import OnnxEngine
from export.measure.quality import Quality
from export.measure.select import Measured
from export.pipeline import Findings
from export.samples import Samples
from export.variants import StaticInt8, is_saturation_safe
from export.write import probes
from export.write.card import render
from export.write.report import write

_VERSION_CHARS: Final = 12


def fill(findings: Findings, directory: Path, durations_s: dict[str, float]) -> Manifest:
    """Write every file of the artifact except the manifest, and return the manifest.

    Args:
        findings: with a chosen candidate.
        directory: exists and is empty.
        durations_s: of the steps, for the report.

    Raises:
        ValueError: if no candidate was chosen.
    """
    chosen, checkpoint = findings.chosen, findings.checkpoint
    if chosen is None:
        raise ValueError("nothing was chosen. This is a bug.")
    shutil.copyfile(chosen.built.path, directory / MODEL)
    (directory / TOKENIZER).write_text(checkpoint.tokenizer.document, encoding="utf-8")
    write(findings, directory / "report", durations_s)
    manifest = _manifest(findings, chosen, directory)
    (directory / CARD).write_text(
        render(manifest, checkpoint, _figures(chosen.quality), _texts(findings.samples)), encoding="utf-8"
    )
    return manifest


def _manifest(findings: Findings, chosen: Measured, directory: Path) -> Manifest:
    checkpoint = findings.checkpoint
    model = onnx.load(chosen.built.path, load_external_data=False)
    files = tuple(describe_file(directory / name) for name in (MODEL, TOKENIZER))
    engine = OnnxEngine(chosen.built.path, chosen.built.variant.session)
    samples = probes.choose(
        findings.samples.measurement,
        engine,
        len(checkpoint.labels),
        checkpoint.pad_token_id,
        probes.saturation_shift(model, checkpoint.pad_token_id) if _can_saturate(findings, chosen) else None,
    )
    return Manifest(
        name=checkpoint.name,
        version=files[0].sha256[:_VERSION_CHARS],
        labels=checkpoint.labels,
        max_length=checkpoint.max_length,
        truncation=checkpoint.truncation,
        head_tokens=checkpoint.head_tokens,
        pad_token_id=checkpoint.pad_token_id,
        temperature=chosen.quality.temperature,
        inputs=tuple(Tensor(name=v.name, dtype="int64", axes=("batch", "tokens")) for v in model.graph.input),
        outputs=(Tensor(name=model.graph.output[0].name, dtype="float32", axes=("batch", "labels")),),
        opset=next(entry.version for entry in model.opset_import if not entry.domain),
        quantization=_quantization(chosen),
        session=chosen.built.variant.session,
        files=files,
        probes=probes.build(
            samples,
            engine,
            OnnxEngine(findings.fp32),
            checkpoint.pad_token_id,
            chosen.quality.temperature,
        ),
        probe_tolerance=probes.TOLERANCE,
        source_commit=checkpoint.source_commit,
    )


def _texts(samples: Samples) -> str:
    if samples.are_general:
        return "texts that the project ships"
    return "held-out texts" if samples.labels is not None else "texts without labels"


def _can_saturate(findings: Findings, chosen: Measured) -> bool:
    """Return whether the artifact would answer wrong on an x86 CPU without VNNI."""
    return findings.target == "x86-vnni" and not is_saturation_safe(chosen.built.variant)


def _quantization(chosen: Measured) -> Quantization:
    recipe = chosen.built.variant.quantization
    if recipe is None:
        return Quantization(scheme="fp32", weights="fp32", activations="fp32")
    if not isinstance(recipe, StaticInt8):
        raise TypeError(f"{chosen.name} is a baseline and was chosen. This is a bug.")
    kept = f", {recipe.float_share:.1%} of the products in fp32" if recipe.float_share else ""
    safe = ", scaled so that 16-bit sums cannot saturate" if recipe.saturation_safe else ""
    return Quantization(
        scheme="static-int8",
        weights=f"int8 per channel{safe}{kept}",
        activations="uint8 per tensor, min-max of calibration texts, outlying channels scaled down",
    )


def _figures(quality: Quality) -> dict[str, str]:
    return {
        "texts": f"{quality.n:,}",
        "labels that changed": f"{quality.flipped:.2%}",
        "largest change of a probability": f"{quality.largest_change:.3f}",
        "mean change of a probability": f"{quality.mean_change:.4f}",
        **(
            _accuracy(quality)
            if quality.accuracy is not None
            else {"accuracy": "not measured, the texts have no labels"}
        ),
    }


def _accuracy(quality: Quality) -> dict[str, str]:
    return {
        "accuracy": f"{quality.accuracy:.2%}",
        "expected calibration error": f"{quality.calibration_error:.2%}",
    }
