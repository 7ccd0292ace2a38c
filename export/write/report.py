"""Report: the measurements, as a table for people and as JSON for programs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import onnxruntime
from rich.table import Table

from artifact.cpu import cpu_model
from artifact.figures import MAIN, NAMES, show_figure
from artifact.scores import TEMPERATURES, Head
from export.measure.quality import Quality
from export.measure.select import Measured, by_speed
from export.pipeline import Findings
from export.variants import CANDIDATES, FALLBACKS, FP32, FP32_REWRITTEN, PYTORCH, USUAL
from export.write.frontier import draw
from export.write.table import Columns
from export.write.table import markdown as markdown_table

_AT_BOUND: Final = 1e-3
_FIGURES: Final[Columns[Measured]] = (
    ("mix ms", lambda row: f"{row.latency.mix_ms:.2f}"),
    ("sentence", lambda row: _ms(row.latency.sentences_ms)),
    ("review", lambda row: _ms(row.latency.reviews_ms)),
    ("in eights", lambda row: _ms(row.latency.together_ms)),
    ("texts", lambda row: f"{row.quality.n:,}"),
    ("accuracy", lambda row: _share(row.quality.main)),
    ("over fp32", lambda row: "-" if row.accuracy_gain is None else f"{100 * row.accuracy_gain:+.2f}"),
    ("ECE", lambda row: _share(row.quality.calibration_error)),
    ("max Δp", lambda row: f"{row.quality.largest_change:.3f}"),
    ("mean Δp", lambda row: f"{row.quality.mean_change:.4f}"),
    ("flips", lambda row: f"{row.quality.flipped:.2%}"),
    ("batch Δp", lambda row: f"{row.batch_variance:.0e}" if row.batch_variance else "0"),
    ("MB", lambda row: f"{row.size_bytes / 1e6:.1f}"),
    ("peak MB", lambda row: f"{row.peak_bytes / 1e6:.0f}"),
)


def _figures(head: Head) -> Columns[Measured]:
    """Return the columns of figures; accuracy stands for the main figure of the head's problem."""
    main = NAMES[MAIN[head.problem]]
    return [(main if heading == "accuracy" else heading, cell) for heading, cell in _FIGURES]


def table(findings: Findings) -> Table:
    """Return the table for the terminal, the fastest variant first."""
    columns: Columns[Measured] = (
        ("variant", lambda row: row.name),
        *_figures(findings.head),
        ("verdict", lambda row: verdict(row, findings.chosen)),
    )
    shown = Table(title="milliseconds a text on one core, alone and in eights; the fastest first")
    for heading, _ in columns:
        shown.add_column(heading, justify="left" if heading in ("variant", "verdict") else "right")
    for row in by_speed(findings.rows):
        style = "bold green" if row is findings.chosen else "dim" if row.built.variant.baseline else None
        shown.add_row(*(cell(row) for _, cell in columns), style=style)
    return shown


def verdict(row: Measured, chosen: Measured | None) -> str:
    """Return the outcome of a variant in a few words."""
    if row is chosen:
        return "chosen"
    if row.built.variant.baseline:
        return "baseline"
    if row.failures:
        return row.failures[0] + (f" (+{len(row.failures) - 1})" if len(row.failures) > 1 else "")
    return "passes" if row.proved else "not proved"


def ratios(findings: Findings) -> dict[str, dict[str, float]]:
    """Return how many times as fast the choice is as each baseline, by kind of text and in micro-batches."""
    if findings.chosen is None:
        return {}
    chosen = findings.chosen.latency
    baselines = {row.name: row.latency for row in findings.rows if row.name in (FP32, USUAL)}
    baselines[PYTORCH] = findings.pytorch
    found: dict[str, dict[str, float]] = {}
    for name, other in baselines.items():
        pairs = (
            ("sentences", other.sentences_ms, chosen.sentences_ms),
            ("reviews", other.reviews_ms, chosen.reviews_ms),
            ("mix", other.mix_ms, chosen.mix_ms),
            ("sentences in eights", other.together_ms, chosen.together_ms),
        )
        found[name] = {kind: theirs / ours for kind, theirs, ours in pairs if theirs and ours}
    return found


def write(findings: Findings, directory: Path, durations_s: dict[str, float]) -> None:
    """Write ``report.md``, ``report.json`` and ``frontier.png``; they are part of the artifact, so they are small."""
    directory.mkdir(parents=True, exist_ok=True)
    document = _document(findings, durations_s)
    (directory / "report.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (directory / "report.md").write_text(markdown(findings), encoding="utf-8")
    draw(findings.rows, findings.chosen, directory / "frontier.png")


def markdown(findings: Findings) -> str:
    """Return the report as Markdown: the choice, the ratios, every variant, and the rewrites."""
    rows = by_speed(findings.rows)
    columns: Columns[Measured] = (
        ("variant", lambda row: row.name),
        ("what", lambda row: row.built.variant.why),
        *_figures(findings.head),
        *((f"ms at {tokens} tokens", _at(tokens)) for tokens in rows[0].latency.by_length_ms),
        ("verdict", lambda row: "; ".join(row.failures) or verdict(row, findings.chosen)),
    )
    lines = ["# Export report", "", *_summary(findings), "", *markdown_table(columns, rows)]
    lines += ["", "![accuracy and latency](frontier.png)", "", "## Rewrites", "", *_rewrites(rows)]
    lines += [f"- `{name}` could not be built: {why}" for name, why in findings.unbuilt.items()]
    return "\n".join(lines) + "\n"


def _summary(findings: Findings) -> list[str]:
    texts, head = findings.samples, findings.head
    lines = [
        f"Target `{findings.target}`; {machine()}. Calibrated on {len(texts.calibration)} texts, measured "
        f"on {len(texts.measurement)} others (the choice) and a part of them (the rest). Milliseconds are of one "
        "core's processor time per text, alone or in a micro-batch of eight sentences; a sentence has at most 64 "
        "tokens.",
        "",
        f"fp32 ONNX differs from PyTorch by at most {findings.parity:.1e} in a score.",
        "",
        *(f"- {note}" for note in findings.checkpoint.notes),
        *(f"- {note}" for note in texts.notes),
    ]
    if not texts.are_labelled:
        lines += [
            "",
            f"**Accuracy and calibration were not measured**: the texts have no labels. {_uncalibrated(head)}",
        ]
    if findings.chosen is None:
        return [*lines, "", "**No candidate passes the gates.**"]
    lines += _steps(findings)
    lines += _calibration(head, findings.chosen.quality)
    lines += ["", f"**Chosen: `{findings.chosen.name}`** ({findings.chosen.built.variant.why}). Times as fast as:", ""]
    for name, kinds in ratios(findings).items():
        lines.append(f"- {name}: " + ", ".join(f"{value:.2f} on {kind}" for kind, value in kinds.items()))
    return lines


def _steps(findings: Findings) -> list[str]:
    """Return what each step of a fallback cost and gained; nothing where an int8 candidate passed."""
    steps = (*(variant.name for variant in (*CANDIDATES, *FALLBACKS)), FP32_REWRITTEN, FP32)
    rows = sorted((row for row in findings.rows if row.name in steps), key=lambda row: steps.index(row.name))
    if findings.chosen is None or findings.chosen.name in {variant.name for variant in CANDIDATES}:
        return []
    lines = ["", "**int8 does not pass its gates on this checkpoint.** The steps towards fp32:", ""]
    for row in rows:
        outcome = "chosen" if row is findings.chosen else "; ".join(row.failures) or "not needed"
        lines.append(
            f"- `{row.name}`: {row.latency.mix_ms:.2f} ms per text, {row.size_bytes / 1e6:.1f} MB, "
            f"a score changes by {row.quality.largest_change:.3f}: {outcome}"
        )
    return lines


def _uncalibrated(head: Head) -> str:
    return {"single_label": "The temperature is 1.", "multi_label": "Every threshold is 0.5."}.get(head.problem, "")


def _calibration(head: Head, chosen: Quality) -> list[str]:
    """Return what was fitted, and the figures of the choice that the table does not have."""
    if not chosen.figures:
        return []
    lines = ["", "Figures of the choice:", ""]
    lines += [f"- {NAMES[name]}: {show_figure(name, value)}" for name, value in chosen.figures.items()]
    if any(abs(chosen.temperature - bound) < _AT_BOUND for bound in TEMPERATURES):
        lines.append(
            f"- The temperature is at its bound, {chosen.temperature:.2f}: nearly all of these rows are right, or "
            "nearly all are wrong, so they do not say how sure the model should be."
        )
    if head.thresholds:
        fitted = ", ".join(f"{label} {limit:g}" for label, limit in zip(head.labels, head.thresholds, strict=True))
        lines.append(f"- Thresholds, fitted on the calibration texts where a label has ten or more of them: {fitted}")
    return lines


def _rewrites(rows: Sequence[Measured]) -> list[str]:
    """Return a line for each rewrite and result, with the variants that it concerns."""
    groups: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: row.name):
        for result in row.built.rewrites:
            state = "applied" if result.applied else "**not applied**"
            groups.setdefault(f"- `{result.name}` {state} ({result.note})", []).append(row.name)
    return [f"{words}: {', '.join(names)}" for words, names in sorted(groups.items())]


def _document(findings: Findings, durations_s: dict[str, float]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "chosen": findings.chosen.name if findings.chosen else None,
        "head": asdict(findings.head) | {"pairs": findings.checkpoint.pairs},
        "target": findings.target,
        "machine": machine(),
        "gates": asdict(findings.gates),
        "parity_with_pytorch": findings.parity,
        "texts": {"calibration": len(findings.samples.calibration), "measurement": len(findings.samples.measurement)},
        "times_as_fast_as": ratios(findings),
        "pytorch": asdict(findings.pytorch),
        "durations_s": durations_s,
        "unbuilt": findings.unbuilt,
        "rows": [_row(row, findings.chosen) for row in by_speed(findings.rows)],
    }


def _row(row: Measured, chosen: Measured | None) -> dict[str, Any]:
    return {
        "name": row.name,
        "what": row.built.variant.why,
        "verdict": verdict(row, chosen),
        "failures": row.failures,
        "proved": row.proved,
        "latency": asdict(row.latency),
        "quality": asdict(row.quality),
        "accuracy_gain": row.accuracy_gain,
        "batch_variance": row.batch_variance,
        "size_bytes": row.size_bytes,
        "peak_bytes": row.peak_bytes,
        "rewrites": {result.name: result.applied for result in row.built.rewrites},
    }


def machine() -> str:
    """Return the processor and the runtime on which the figures were measured."""
    return f"{cpu_model()}, onnxruntime {onnxruntime.__version__}"


def _at(tokens: int) -> Callable[[Measured], str]:
    return lambda row: f"{row.latency.by_length_ms[tokens]:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
