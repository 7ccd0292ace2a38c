"""The page of the report: tables and pictures in one HTML file.

Owns the page and the files. ``analysis`` makes the numbers, ``plots`` the pictures.
"""

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from artifact.figures import MAIN, NAMES, show_figure
from artifact.manifest import Truncation
from training.checkpoint.classifier import TorchClassifier
from training.data.targets import Example
from training.report import plots
from training.report.analysis import analyse

_SHOWN_CHARS: Final = 600
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
img { max-width: 100%; height: auto } figure { margin: 0 }
table { border-collapse: collapse } td, th { padding: .3rem .7rem; text-align: left; vertical-align: top }
tr { border-bottom: 1px solid #ddd } td.number { text-align: right; font-variant-numeric: tabular-nums }
pre { white-space: pre-wrap; background: #f5f5f5; padding: .7rem; border-radius: .3rem }
"""


def write_report(
    directory: Path,
    classifier: TorchClassifier,
    examples: Sequence[Example],
    logits: NDArray[np.float32],
    *,
    metrics: dict[str, Any],
    recipe: dict[str, Any],
) -> None:
    """Write PNG files, ``report.json`` and ``index.html``.

    Args:
        directory: created if it is missing.
        classifier: that made the logits.
        examples: the held-out rows.
        logits: (texts, labels), in the order of the examples.
        metrics: the document ``metrics.json``.
        recipe: the document ``recipe.json``.
    """
    texts = [example.content for example in examples]
    whole: Truncation = "head" if recipe.get("pairs") else "window"
    tokens = [text.tokens for text in classifier.tokenization.encode(texts, whole)]
    analysis = analyse(logits, examples, tokens, classifier.labels, classifier.problem)
    pictures = {"Learning curve": plots.learning_curve(metrics.get("history", []), MAIN[classifier.problem])}
    if classifier.problem == "single_label":
        pictures |= {
            "Confusion matrix": plots.confusion_matrix(analysis["confusion"], classifier.labels),
            "Reliability": plots.reliability_diagram(analysis["reliability"]),
            "Accuracy by length": plots.accuracy_by_length(analysis["accuracy_by_length"]),
        }
    elif classifier.problem == "regression":
        pictures["Values"] = plots.values(analysis["values"])
    directory.mkdir(exist_ok=True)
    for title, picture in pictures.items():
        (directory / f"{title.lower().replace(' ', '-')}.png").write_bytes(picture)
    numbers = json.dumps(analysis, indent=2, ensure_ascii=False)
    (directory / "report.json").write_text(numbers + "\n", encoding="utf-8")
    page = _page(recipe, metrics, pictures, analysis)
    (directory / "index.html").write_text(page, encoding="utf-8")


def _page(recipe: dict[str, Any], metrics: dict[str, Any], pictures: dict[str, bytes], analysis: dict[str, Any]) -> str:
    title = html.escape(f"{recipe['name']}: how the training went")
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>",
        f"<h1>{title}</h1><p>{html.escape(_summary(recipe))}</p>",
        f"<pre>{html.escape(recipe['command'])}</pre>",
        _evaluation_table(metrics["evaluations"]),
        *(_picture(name, picture) for name, picture in pictures.items()),
        _label_table(analysis.get("by_label", [])),
        "<h2>Worst errors</h2><p>Held-out texts that are the furthest from their labels. "
        "Some of them are labelled wrongly.</p>",
        _error_table(analysis["worst_errors"]),
        "</html>",
    ]
    return "\n".join(parts)


def _summary(recipe: dict[str, Any]) -> str:
    rows = sum(source["rows_train"] for source in recipe["data"])
    minutes = recipe["duration_s"] / 60
    return (
        f"{recipe['base_model']} on {rows} rows for {recipe['steps']} steps, {minutes:.0f} minutes on "
        f"{recipe['hardware']}, started {recipe['started_at']}. All figures are of rows held out of the training data."
    )


def _evaluation_table(evaluations: Sequence[dict[str, Any]]) -> str:
    if evaluations and "accuracy" not in evaluations[0]:
        return _other_table(evaluations)
    head = "<tr><th>data<th>texts<th>accuracy<th>macro F1<th>log loss<th>calibration error</tr>"
    rows = [
        f"<tr><td>{html.escape(entry['dataset'])}<td class='number'>{entry['n']}"
        f"<td class='number'>{100 * entry['accuracy']:.2f} %<td class='number'>{100 * entry['macro_f1']:.2f} %"
        f"<td class='number'>{entry['log_loss']:.4f}"
        f"<td class='number'>{100 * entry['expected_calibration_error']:.2f} %</tr>"
        for entry in evaluations
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def _other_table(evaluations: Sequence[dict[str, Any]]) -> str:
    names = [name for name in NAMES if name in evaluations[0]]
    head = "<tr><th>data<th>texts" + "".join(f"<th>{NAMES[name]}" for name in names) + "</tr>"
    rows = [
        f"<tr><td>{html.escape(entry['dataset'])}<td class='number'>{entry['n']}"
        + "".join(f"<td class='number'>{show_figure(name, entry[name]) if name in entry else '-'}" for name in names)
        + "</tr>"
        for entry in evaluations
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def _label_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of a multi-label model's labels; nothing for other models."""
    if not rows:
        return ""
    head = "<tr><th>label<th>texts<th>chosen<th>right<th>F1<th>average precision</tr>"
    cells = [
        f"<tr><td>{html.escape(row['label'])}<td class='number'>{row['n']}<td class='number'>{row['chosen']}"
        f"<td class='number'>{row['right']}<td class='number'>{row['f1']:.2%}"
        f"<td class='number'>{_share(row['average_precision'])}</tr>"
        for row in rows
    ]
    return f"<h2>Labels</h2><p>With thresholds of 0.5; export fits them.</p><table>{head}{''.join(cells)}</table>"


def _picture(title: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    return f"<h2>{title}</h2><figure><img alt='{title}' src='data:image/png;base64,{data}'></figure>"


def _error_table(errors: Sequence[dict[str, Any]]) -> str:
    head = "<tr><th>text<th>label<th>predicted<th>probability, or difference</tr>"
    rows = [
        f"<tr><td>{html.escape(_shortened(error['text']))}<td>{html.escape(error['label'])}"
        f"<td>{html.escape(error['predicted'])}<td class='number'>{_distance(error):.3f}</tr>"
        for error in errors
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _distance(error: dict[str, Any]) -> float:
    return float(error["probability"] if "probability" in error else error["difference"])


def _shortened(text: str) -> str:
    half = _SHOWN_CHARS // 2
    return text if len(text) <= _SHOWN_CHARS else f"{text[:half]} […] {text[-half:]}"
