"""Card: the artifact's README, the model card, written from its manifest and figures alone."""

from collections.abc import Mapping, Sequence

from artifact.manifest import Manifest
from export.checkpoint import Checkpoint, Run

_BEGIN = "<!-- evaluations -->"
_END = "<!-- end of evaluations -->"


def render(manifest: Manifest, checkpoint: Checkpoint, quality: Mapping[str, str]) -> str:
    """Return the model card as Markdown.

    Args:
        manifest: of the artifact; its evaluations are filled in by ``export.evaluate``.
        checkpoint: what it was exported from.
        quality: figures against fp32 on held-out texts, in words.
    """
    lines = [
        f"# {manifest.name}",
        "",
        f"A text classifier ({', '.join(manifest.labels)}), fine-tuned from {checkpoint.base_model}, quantized to "
        f"{manifest.quantization.scheme} and served by Verdict. Version {manifest.version}.",
        "",
        f"- Reads at most {manifest.max_length} tokens, {_reading(manifest)}.",
        f"- Weights: {manifest.quantization.weights}; activations: {manifest.quantization.activations}.",
        f"- Probabilities are calibrated with temperature {manifest.temperature:.3f}, fitted on held-out texts.",
        "",
        "## Against the same model in fp32, on held-out texts",
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


def _training(checkpoint: Checkpoint) -> list[str]:
    """Return how it was trained, as far as the checkpoint tells."""
    if not checkpoint.runs:
        return []
    return [
        "## Training",
        "",
        *(line for run in checkpoint.runs for line in _run(run)),
    ]


def _run(run: Run) -> list[str]:
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
    """Return a card with its section of figures on whole splits written anew, ``details`` below the table."""
    before, marker, rest = card.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (marker and end):
        raise ValueError("the card has no place for evaluations. This is a bug.")
    *table, end_line = _evaluations(manifest)
    return before + "\n".join([*table, *details, end_line]) + after


def _evaluations(manifest: Manifest) -> list[str]:
    lines = [_BEGIN]
    if manifest.evaluations:
        lines += [
            "## Accuracy",
            "",
            "| data set | split | n | accuracy | expected calibration error | measured on |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
    for row in manifest.evaluations:
        error = f"{row.expected_calibration_error:.2%}"
        lines.append(f"| {row.dataset} | {row.split} | {row.n:,} | {row.accuracy:.2%} | {error} | {row.measured_on} |")
    return [*lines, _END]


def _reading(manifest: Manifest) -> str:
    if manifest.truncation == "head_tail":
        rest = manifest.max_length - manifest.head_tokens
        return f"of longer texts the first {manifest.head_tokens} and the last {rest} (special tokens included)"
    return "of longer texts the first" if manifest.truncation == "head" else "longer texts window by window"
