"""The pictures of the report: learning curve, confusion matrix, reliability diagram, accuracy by length.

Each function returns one PNG. pyplot is not used, because it keeps state between figures. The colours are those of
Okabe and Ito, which people with any colour vision can tell apart.
"""

import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from artifact.figures import NAMES

_BLUE: Final = "#0072B2"
_ORANGE: Final = "#E69F00"
_GREEN: Final = "#009E73"
_GREY: Final = "#999999"
_DARK: Final = 0.5  # share of a row above which white text is easier to read than black
_DPI: Final = 110


def learning_curve(history: Sequence[dict[str, Any]], figure_name: str = "accuracy") -> bytes:
    """Return training loss, held-out loss and a held-out figure over steps, as PNG.

    Args:
        history: the Trainer's log: entries with ``step`` and ``loss`` or ``eval_…`` figures.
        figure_name: of the held-out figure, a share.
    """
    name = NAMES[figure_name]
    figure, axes = _blank(width=7.2)
    trained = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    held_out = [entry for entry in history if "eval_log_loss" in entry]
    if trained:
        axes.plot(*zip(*trained, strict=True), color=_GREY, linewidth=1, label="training loss")
    steps = [entry["step"] for entry in held_out]
    axes.plot(steps, [entry["eval_log_loss"] for entry in held_out], "o-", color=_BLUE, label="held-out loss")
    axes.set(xlabel="optimizer step", ylabel="loss")
    axes.set_ylim(bottom=0)
    right = axes.twinx()
    shares = [100 * entry[f"eval_{figure_name}"] for entry in held_out]
    right.plot(steps, shares, "s--", color=_ORANGE, label=f"held-out {name}")
    right.set_ylabel(f"{name}, %")
    right.spines[["top", "left"]].set_visible(False)
    handles = [pair for part in (axes, right) for pair in zip(*part.get_legend_handles_labels(), strict=True)]
    axes.legend(*zip(*handles, strict=True), frameon=False, loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.14))
    return _png(figure)


def confusion_matrix(table: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """Return the confusion table as PNG: true labels in rows, coloured by their share of the row."""
    counts = np.asarray(table)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.7 * len(labels)
    figure, axes = _blank(width=side + 0.6, height=side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        share = shares[row, column]
        color = "white" if share > _DARK else "black"
        text = f"{counts[row, column]}\n{100 * share:.1f} %"
        axes.text(column, row, text, ha="center", va="center", color=color)
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels, rotation=30, ha="right")
    axes.set_yticks(ticks, labels)
    axes.set(xlabel="predicted", ylabel="label")
    axes.spines[:].set_visible(False)
    return _png(figure)


def reliability_diagram(bins: Sequence[dict[str, Any]]) -> bytes:
    """Return accuracy over confidence as PNG; larger dots stand for more texts."""
    figure, axes = _blank(width=4.6, height=4.2)
    texts = sum(entry["n"] for entry in bins)
    lowest = min(min(entry["confidence"], entry["accuracy"]) for entry in bins)
    start = max(0.0, lowest - 0.05)
    axes.plot([start, 1], [start, 1], color=_GREY, linewidth=1, label="as accurate as confident")
    confidence = [entry["confidence"] for entry in bins]
    sizes = [20 + 400 * entry["n"] / texts for entry in bins]
    axes.plot(confidence, [entry["accuracy"] for entry in bins], color=_BLUE, linewidth=1)
    axes.scatter(confidence, [entry["accuracy"] for entry in bins], s=sizes, color=_BLUE, alpha=0.7)
    axes.set(xlabel="mean confidence", ylabel="accuracy", xlim=(start, 1.03), ylim=(start, 1.03))
    axes.legend(frameon=False, loc="lower right")
    return _png(figure)


def accuracy_by_length(buckets: Sequence[dict[str, Any]]) -> bytes:
    """Return accuracy per bucket of length as PNG, with the number of texts at each dot."""
    figure, axes = _blank()
    places = range(len(buckets))
    heights = [100 * bucket["accuracy"] for bucket in buckets]
    axes.plot(places, heights, "o--", color=_GREEN, markersize=9, linewidth=1)
    for place, height, bucket in zip(places, heights, buckets, strict=True):
        label = f"{height:.1f} %\nn={bucket['n']}"
        axes.annotate(label, (place, height), (0, 9), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xticks(places, [bucket["tokens"] for bucket in buckets])
    axes.set(xlabel="tokens of the text, before truncation", ylabel="accuracy, %")
    axes.margins(x=0.1, y=0.35)
    return _png(figure)


def values(pairs: Sequence[Sequence[float]]) -> bytes:
    """Return predicted values over true ones as PNG: (prediction, truth) of each text."""
    figure, axes = _blank(width=4.6, height=4.2)
    predicted, truth = zip(*pairs, strict=True)
    ends = [min(*predicted, *truth), max(*predicted, *truth)]
    axes.plot(ends, ends, color=_GREY, linewidth=1, label="right")
    axes.scatter(truth, predicted, s=12, color=_BLUE, alpha=0.5)
    axes.set(xlabel="true value", ylabel="predicted value")
    axes.legend(frameon=False, loc="upper left")
    return _png(figure)


def _blank(width: float = 6.0, height: float = 3.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})  # the same bytes on every machine
    return stream.getvalue()
