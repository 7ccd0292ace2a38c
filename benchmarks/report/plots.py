"""Plots: the figures of a report as pictures, one file per section. Legends list the lines from top to bottom."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np

matplotlib.use("Agg")  # files, no windows; must be chosen before pyplot is imported
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

Figures = Sequence[Mapping[str, Any]]

_GREY, _BLUE, _ORANGE, _GREEN = _COLOURS = ("#9a9a9a", "#5b8db8", "#d98841", "#2f7d4f")
_WIDTH, _HEIGHT = 7.0, 4.2
_BAR_HEIGHT: Final = 0.48


def draw(name: str, figures: Figures, directory: Path) -> Path | None:
    """Draw a section's picture and return its file; None if the section has none."""
    plot = _PLOTS.get(name)
    if plot is None:
        return None
    figure = plt.figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    try:
        plot(figure, figures)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        path = directory / f"{name}.png"
        figure.savefig(path, dpi=140)
    finally:
        plt.close(figure)
    return path


def _throughput(figure: Figure, figures: Figures) -> None:
    axes = _axes(figure)
    for shape, colour in zip(_distinct(figures, "shape"), _COLOURS[1:], strict=False):
        rows = [row for row in figures if row["shape"] == shape]
        axes.plot(
            [row["callers"] for row in rows], [row["texts_per_s"] for row in rows], "o-", color=colour, label=shape
        )
    axes.set_xscale("log", base=2)
    callers = _distinct(figures, "callers")
    axes.set_xticks(callers, [str(count) for count in callers])
    axes.set(xlabel="callers", ylabel="texts per second", title="Throughput by concurrency", ylim=(0, None))
    _name_lines(axes)


def _latency(figure: Figure, figures: Figures) -> None:
    """The last load is far above the others, so its points are not connected to theirs."""
    axes = _axes(figure)
    loads = [f"{row['load']:.0%}" for row in figures]
    for key, colour in zip(("p50_s", "p90_s", "p99_s"), _COLOURS[1:], strict=True):
        values = [row[key] * 1000 for row in figures]
        axes.plot(loads[:-1], values[:-1], "o-", color=colour, label=key.removesuffix("_s"))
        axes.plot(loads[-1:], values[-1:], "o", color=colour)
    axes.axvline(len(loads) - 1.5, color=_GREY, linewidth=0.8, linestyle=":")
    _scale_by_decades(axes)
    axes.set(
        xlabel="offered load, share of capacity",
        ylabel="latency of answered requests, ms",
        title="Latency by load, from when a request was due",
    )
    _name_lines(axes)


def _lengths(figure: Figure, figures: Figures) -> None:
    axes = _axes(figure)
    rows = [row for row in figures if row["tokens"]]
    for engine, colour in zip(_distinct(rows, "engine"), _COLOURS, strict=False):
        mine = [row for row in rows if row["engine"] == engine]
        axes.plot(
            [row["tokens"] for row in mine], [row["texts_per_s"] for row in mine], "o-", color=colour, label=engine
        )
    axes.set_xscale("log", base=2)
    lengths = _distinct(rows, "tokens")
    axes.set_xticks(lengths, [str(length) for length in lengths])
    _scale_by_decades(axes)
    axes.set(
        xlabel="tokens in a text",
        ylabel="texts per CPU second",
        title="Engines by length, one text at a time, one thread",
    )
    _name_lines(axes)


def _baselines(figure: Figure, figures: Figures) -> None:
    """One panel for sentences, one for reviews, which are ten times as long. The fastest on top, Verdict in green."""
    ours, *_ = figures
    ordered = sorted(figures, key=lambda row: row["sentences_per_s"], reverse=True)
    names = [row["name"] for row in ordered]
    colours = [_GREEN if row is ours else _GREY for row in ordered]
    figure.set_size_inches(_WIDTH, _BAR_HEIGHT * len(ordered) + 0.6)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, shape in zip(panels, ("sentences", "reviews"), strict=True):
        bars = axes.barh(names, [row[f"{shape}_per_s"] for row in ordered], 0.66, color=colours)
        labels = axes.bar_label(bars, labels=[_short(row[f"{shape}_per_s"]) for row in ordered], padding=4)
        labels[ordered.index(ours)].set_fontweight("bold")
        axes.margins(x=0.2)  # space for the label of the longest bar
        axes.set_title(f"{shape} per second", fontsize="medium")
        axes.set_xticks([])
        axes.spines[["bottom"]].set_visible(False)
        axes.tick_params(left=False)
    panels[0].invert_yaxis()
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    panels[0].get_yticklabels()[ordered.index(ours)].set_fontweight("bold")


def _short(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004 - two digits at least


def _axes(figure: Figure) -> Axes:
    axes = figure.subplots()
    axes.grid(axis="y", alpha=0.3)
    return axes


def _line(axes: Axes, rows: Figures, key: str, colour: str, label: str) -> None:
    axes.plot([row[key] for row in rows], [row["texts_per_s"] for row in rows], "o-", color=colour, label=label)


def _name_lines(axes: Axes) -> None:
    """Add a legend in the order in which the lines end at the right."""
    named = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    axes.legend(handles=sorted(named, key=_end, reverse=True), frameon=False)


def _end(line: Line2D) -> float:
    return float(np.asarray(line.get_ydata())[-1])


def _scale_by_decades(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _distinct(figures: Iterable[Mapping[str, Any]], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in figures))


_PLOTS: Final[Mapping[str, Callable[[Figure, Figures], None]]] = {
    "engines": _lengths,
    "closed_loops": _throughput,
    "open_loops": _latency,
    "baselines": _baselines,
}
