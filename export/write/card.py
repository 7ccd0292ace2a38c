"""Card: the artifact's README, the model card, written from its manifest and figures."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from artifact.figures import NAMES, show_figure
from artifact.manifest import Evaluation, Manifest
from export.checkpoint import Checkpoint
from export.source.recipe import TrainingRun
from export.write.table import Columns
from export.write.table import markdown as markdown_table

_BEGIN: Final = "<!-- evaluations -->"
_END: Final = "<!-- end of evaluations -->"


def render(manifest: Manifest, checkpoint: Checkpoint, quality: Mapping[str, str], texts: str) -> str:
    """Return the model card as Markdown.

    Args:
        manifest: of the artifact; its evaluations are filled in by ``export.evaluate``.
        checkpoint: from which it was exported.
        quality: figures compared with fp32, formatted, by name.
        texts: on which they were measured, such as ``held-out texts``.
    """
    scheme = manifest.quantization.scheme
    precision = "kept in fp32" if scheme == "fp32" else f"quantized to {scheme}"
    lines = [
        f"# {manifest.name}",
        "",
        f"{_kind(manifest)} ({', '.join(manifest.labels)}), fine-tuned from {checkpoint.base_model}, "
        f"{precision} and served by Verdict. Version {manifest.version}.",
        "",
        f"- Reads at most {manifest.max_length} tokens, {_reading(manifest)}.",
        f"- Weights: {manifest.quantization.weights}; activations: {manifest.quantization.activations}.",
        _calibration(manifest, quality),
        "",
        f"## Against the same model in fp32, on {texts}",
        "",
        *(f"- {name}: {value}" for name, value in quality.items()),
        "",
        *_evaluations(manifest),
        "",
        *_training(checkpoint),
        "## Limits",
        "",
        "It knows the language and the kinds of text it was trained on; sarcasm and mixed opinions mislead it. Its "
        "probabilities are calibrated on average over texts of that kind, not for each text.",
        "",
        "How the graph was chosen is in [report/report.md](report/report.md).",
    ]
    return "\n".join(lines) + "\n"


_KINDS: Final = {
    "single_label": "A text classifier",
    "multi_label": "A multi-label text classifier",
    "regression": "A regression",
}


def _kind(manifest: Manifest) -> str:
    return _KINDS[manifest.problem] + (" of pairs of texts" if manifest.pairs else "")


def _calibration(manifest: Manifest, quality: Mapping[str, str]) -> str:
    if manifest.problem == "regression":
        return (
            f"- Its value is the {manifest.head.activation} of its one logit; no temperature or threshold is applied."
        )
    if manifest.problem == "multi_label":
        limits = ", ".join(
            f"{label} {limit:g}" for label, limit in zip(manifest.labels, manifest.thresholds, strict=True)
        )
        return (
            f"- Each label's probability is the sigmoid of its logit; a label is chosen from its threshold: {limits}."
        )
    if "expected calibration error" not in quality:
        return (
            "- Probabilities are the model's own: without labels neither their calibration nor accuracy was measured."
        )
    return f"- Probabilities are calibrated with temperature {manifest.temperature:.3f}, fitted on held-out texts."


def _training(checkpoint: Checkpoint) -> list[str]:
    """Return the runs of training that the checkpoint records."""
    if not checkpoint.runs:
        return []
    return [
        "## Training",
        "",
        *(line for run in checkpoint.runs for line in _run(run)),
    ]


def _run(run: TrainingRun) -> list[str]:
    took = f", in {run.minutes:.0f} minutes on {run.hardware}" if run.minutes else ""
    return [
        f"From {run.base_model}, with the code of commit {run.source_commit[:12]}{took}:",
        "",
        *(f"- {source}" for source in run.data),
        "",
        "```",
        run.command,
        "```",
        "",
    ]


def render_evaluations(card: str, manifest: Manifest, details: Sequence[str] = ()) -> str:
    """Return the card with a new section of evaluations, ``details`` below its table; at its end where it had none."""
    before, marker, rest = card.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (marker and end):
        before, after = f"{card.rstrip()}\n\n", "\n"
    *table, end_line = _evaluations(manifest)
    return before + "\n".join([*table, *details, end_line]) + after


def _evaluations(manifest: Manifest) -> list[str]:
    if not manifest.evaluations:
        return [_BEGIN, _END]
    return [_BEGIN, "## Accuracy", "", *markdown_table(_columns(manifest), manifest.evaluations), _END]


def _columns(manifest: Manifest) -> Columns[Evaluation]:
    """Return the columns of the table of evaluations: those of all, with the figures that any of them has."""
    found = {name for row in manifest.evaluations for name in figures_of(row)}
    return [
        ("data set", lambda row: row.dataset),
        ("split", lambda row: row.split),
        ("n", lambda row: f"{row.n:,}"),
        *((NAMES[name], partial(_cell, name)) for name in NAMES if name in found),
        ("measured on", lambda row: row.measured_on),
    ]


def _cell(name: str, row: Evaluation) -> str:
    value = figures_of(row).get(name)
    return "-" if value is None else show_figure(name, value)


def figures_of(row: Evaluation) -> dict[str, float]:
    """Return all figures of an evaluation by name."""
    own = {"accuracy": row.accuracy, "expected_calibration_error": row.expected_calibration_error}
    return {name: value for name, value in own.items() if value is not None} | (row.figures or {})


def _reading(manifest: Manifest) -> str:
    if manifest.truncation == "head_tail":
        rest = manifest.max_length - manifest.head_tokens
        return f"of longer texts the first {manifest.head_tokens} and the last {rest} (special tokens included)"
    return "of longer texts the first" if manifest.truncation == "head" else "longer texts window by window"
