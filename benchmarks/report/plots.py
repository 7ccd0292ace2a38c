"""Plots: the figures of a report as pictures, one file each. Legends name the lines from the top down."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np

matplotlib.use("Agg")  # files, no windows; must be said before pyplot is imported
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

Figures = Sequence[Mapping[str, Any]]

_COLOURS: Final = ("#9a9a9a", "#5b8db8", "#d98841", "#2f7d4f")
_WIDTH, _HEIGHT = 7.0, 4.2


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
    shapes = _distinct(it["shape"] for it in figures)
    for shape, colour in zip(shapes, _COLOURS[1:], strict=False):
        rows = [it for it in figures if it["shape"] == shape]
        axes.plot([it["callers"] for it in rows], [it["texts_per_s"] for it in rows], "o-", color=colour, label=shape)
    axes.set_xscale("log", base=2)
    callers = _distinct(it["callers"] for it in figures)
    axes.set_xticks(callers, [str(count) for count in callers])
    axes.set(xlabel="callers", ylabel="texts per second", title="Throughput by concurrency", ylim=(0, None))
    _name_lines(axes)


def _latency(figure: Figure, figures: Figures) -> None:
    """The last load is far beyond the others: its points stand apart, no line leads there."""
    axes = _axes(figure)
    loads = [f"{it['load']:.0%}" for it in figures]
    for key, colour in zip(("p50_s", "p90_s", "p99_s"), _COLOURS[1:], strict=True):
        values = [it[key] * 1000 for it in figures]
        axes.plot(loads[:-1], values[:-1], "o-", color=colour, label=key.removesuffix("_s"))
        axes.plot(loads[-1:], values[-1:], "o", color=colour)
    axes.axvline(len(loads) - 1.5, color="#9a9a9a", linewidth=0.8, linestyle=":")
    _scale_by_decades(axes)
    axes.set(
        xlabel="offered load, share of capacity",
        ylabel="latency of what was answered, ms",
        title="Latency by load, from when a request was due",
    )
    _name_lines(axes)


def _lengths(figure: Figure, figures: Figures) -> None:
    axes = _axes(figure)
    rows = [it for it in figures if it["tokens"]]
    for engine, colour in zip(_distinct(it["engine"] for it in rows), _COLOURS, strict=False):
        mine = [it for it in rows if it["engine"] == engine]
        axes.plot([it["tokens"] for it in mine], [it["texts_per_s"] for it in mine], "o-", color=colour, label=engine)
    axes.set_xscale("log", base=2)
    lengths = _distinct(it["tokens"] for it in rows)
    axes.set_xticks(lengths, [str(length) for length in lengths])
    _scale_by_decades(axes)
    axes.set(
        xlabel="tokens in a text",
        ylabel="texts per CPU second",
        title="Engines by length, one text at a time, one thread",
    )
    _name_lines(axes)


def _baselines(figure: Figure, figures: Figures) -> None:
    """A panel for sentences and one for reviews, which are a tenth as many; the fastest on top, Verdict in green."""
    ours, *_ = figures
    ordered = sorted(figures, key=lambda it: it["sentences_per_s"], reverse=True)
    names, colours = [it["name"] for it in ordered], [_COLOURS[3] if it is ours else _COLOURS[0] for it in ordered]
    panels = figure.subplots(1, 2, sharey=True)
    for axes, shape in zip(panels, ("sentences", "reviews"), strict=True):
        bars = axes.barh(names, [it[f"{shape}_per_s"] for it in ordered], 0.6, color=colours)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
        axes.margins(x=0.16)  # room for the longest bar's label
        axes.set(xlabel=f"{shape} per second")
    panels[0].invert_yaxis()
    figure.suptitle("Server against what one would use instead, 16 callers")


def _axes(figure: Figure) -> Axes:
    axes = figure.subplots()
    axes.grid(axis="y", alpha=0.3)
    return axes


def _name_lines(axes: Axes) -> None:
    """Add a legend whose names stand in the order in which the lines end at the right."""
    named = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    axes.legend(handles=sorted(named, key=_end, reverse=True), frameon=False)


def _end(line: Line2D) -> float:
    return float(np.asarray(line.get_ydata())[-1])


def _scale_by_decades(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


_PLOTS: Final[Mapping[str, Callable[[Figure, Figures], None]]] = {
    "engines": _lengths,
    "closed_loops": _throughput,
    "open_loops": _latency,
    "baselines": _baselines,
}
