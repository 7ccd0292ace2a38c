"""Artifact: fills a directory with the chosen graph, the tokenizer, the card and the report, and describes them."""

import shutil
from dataclasses import replace
from pathlib import Path

import onnx

from artifact.figures import MAIN, NAMES, show_figure
from artifact.manifest import CARD, MODEL, TOKENIZER, Manifest, Quantization, Tensor, describe_file
from artifact.runtime import OnnxEngine
from artifact.scores import Head
from export.measure.quality import Quality
from export.measure.select import Measured
from export.pipeline import Findings
from export.samples import Samples
from export.variants import StaticInt8, is_saturation_safe
from export.write import probes
from export.write.card import render
from export.write.package import versioned
from export.write.report import write


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
        render(manifest, checkpoint, _figures(chosen.quality, findings.head), _texts(findings.samples)),
        encoding="utf-8",
    )
    return manifest


def _manifest(findings: Findings, chosen: Measured, directory: Path) -> Manifest:
    checkpoint = findings.checkpoint
    model = onnx.load(chosen.built.path, load_external_data=False)
    files = tuple(describe_file(directory / name) for name in (MODEL, TOKENIZER))
    engine = OnnxEngine(chosen.built.path, chosen.built.variant.session)
    head = replace(findings.head, temperature=chosen.quality.temperature)
    shift = None
    if _can_saturate(findings, chosen):
        shift = probes.saturation_shift(model, findings.head, checkpoint.pad_token_id)
    samples = probes.choose(findings.samples.measurement, engine, findings.head, checkpoint.pad_token_id, shift)
    known = probes.build(samples, engine, OnnxEngine(findings.fp32), checkpoint.pad_token_id, head)
    manifest = Manifest(
        name=checkpoint.name,
        version="not yet",
        problem=head.problem,
        pairs=checkpoint.pairs,
        labels=checkpoint.labels,
        thresholds=head.thresholds,
        activation=head.activation,
        max_length=checkpoint.max_length,
        truncation=checkpoint.truncation,
        head_tokens=checkpoint.head_tokens,
        pad_token_id=checkpoint.pad_token_id,
        temperature=head.temperature,
        inputs=tuple(Tensor(name=v.name, dtype="int64", axes=("batch", "tokens")) for v in model.graph.input),
        outputs=(Tensor(name=model.graph.output[0].name, dtype="float32", axes=("batch", "labels")),),
        opset=next(entry.version for entry in model.opset_import if not entry.domain),
        quantization=_quantization(chosen),
        session=chosen.built.variant.session,
        files=files,
        probes=known,
        probe_tolerance=probes.tolerance(head, known),
        source_commit=checkpoint.source_commit,
    )
    return versioned(manifest)


def _texts(samples: Samples) -> str:
    if samples.are_general:
        return "texts that the project ships"
    return "held-out texts" if samples.are_labelled else "texts without labels"


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


def _figures(quality: Quality, head: Head) -> dict[str, str]:
    """Return the figures of the card, formatted, by name."""
    kind = "value" if head.activation == "identity" else "probability"
    flipped = "1 - rank correlation" if head.problem == "regression" else "labels that changed"
    return {
        "texts": f"{quality.n:,}",
        flipped: f"{quality.flipped:.2%}",
        f"largest change of a {kind}": f"{quality.largest_change:.3f}",
        f"mean change of a {kind}": f"{quality.mean_change:.4f}",
        **{NAMES[name]: show_figure(name, value) for name, value in quality.figures.items()},
        **({} if quality.figures else {NAMES[MAIN[head.problem]]: "not measured, the texts have no labels"}),
    }
