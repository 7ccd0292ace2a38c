"""Plots: the figures of a report as pictures, one file each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")  # files, no windows; must be said before pyplot is imported
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

Figures = Sequence[Mapping[str, Any]]

_COLOURS: Final = ("#9a9a9a", "#5b8db8", "#d98841", "#2f7d4f")
_WIDTH, _HEIGHT = 7.0, 4.2


def draw(name: str, figures: Figures, directory: Path) -> Path | None:
    """Draw a section's picture and return its file; None if the section has none."""
    plot = _PLOTS.get(name)
    if plot is None:
        return None
    figure, axes = plt.subplots(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    try:
        plot(axes, figures)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        path = directory / f"{name}.png"
        figure.savefig(path, dpi=140)
    finally:
        plt.close(figure)
    return path


def _throughput(axes: Axes, figures: Figures) -> None:
    shapes = _distinct(it["shape"] for it in figures)
    for shape, colour in zip(shapes, _COLOURS[1:], strict=False):
        rows = [it for it in figures if it["shape"] == shape]
        axes.plot([it["callers"] for it in rows], [it["texts_per_s"] for it in rows], "o-", color=colour, label=shape)
    axes.set_xscale("log", base=2)
    callers = _distinct(it["callers"] for it in figures)
    axes.set_xticks(callers, [str(count) for count in callers])
    axes.set(xlabel="callers", ylabel="texts per second", title="Throughput by concurrency, one core", ylim=(0, None))
    axes.legend(frameon=False)


def _latency(axes: Axes, figures: Figures) -> None:
    loads = [f"{it['load']:.0%}" for it in figures]
    for key, colour in zip(("p99_s", "p90_s", "p50_s"), reversed(_COLOURS), strict=False):
        axes.plot(loads, [it[key] * 1000 for it in figures], "o-", color=colour, label=key.removesuffix("_s"))
    _scale_by_decades(axes)
    axes.set(xlabel="load, share of capacity", ylabel="latency, ms", title="Latency by load, from when it was due")
    axes.legend(frameon=False)


def _lengths(axes: Axes, figures: Figures) -> None:
    rows = [it for it in figures if it["tokens"]]
    for engine, colour in zip(_distinct(it["engine"] for it in rows), _COLOURS, strict=False):
        mine = [it for it in rows if it["engine"] == engine]
        axes.plot([it["tokens"] for it in mine], [it["texts_per_s"] for it in mine], "o-", color=colour, label=engine)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    lengths = _distinct(it["tokens"] for it in rows)
    axes.set_xticks(lengths, [str(length) for length in lengths])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="tokens", ylabel="texts per CPU second", title="Engines by length, one text at a time, one core")
    axes.legend(frameon=False)


def _baselines(axes: Axes, figures: Figures) -> None:
    names = [it["name"] for it in figures]
    for offset, (shape, colour) in enumerate((("sentences", _COLOURS[1]), ("reviews", _COLOURS[2]))):
        places = [index + (offset - 0.5) * 0.38 for index in range(len(names))]
        bars = axes.barh(places, [it[f"{shape}_per_s"] for it in figures], 0.36, color=colour, label=shape)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="texts per second, 16 callers, one core", title="Server against what one would use instead")
    axes.grid(visible=False)
    axes.legend(frameon=False, loc="lower right")


def _scale_by_decades(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


_PLOTS: Final[Mapping[str, Callable[[Axes, Figures], None]]] = {
    "engines": _lengths,
    "closed_loops": _throughput,
    "open_loops": _latency,
    "baselines": _baselines,
}
