"""Frontier: a picture of accuracy against latency, with the chosen candidate marked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from export.measure.select import Measured, by_speed

_PASSES: Final = "#1b7f4d"
_FAILS: Final = "#b3402a"
_BASELINE: Final = "#555555"
_TICKS: Final = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 7)
_LINE: Final = 0.028
"""Height of a line of names, as a share of the figure's height."""


def draw(rows: Sequence[Measured], chosen: Measured | None, path: Path) -> None:
    """Write a small PNG: the main figure and the change against fp32 over milliseconds per text.

    Without labels, flipped decisions stand in place of the figure.

    Args:
        rows: every measured variant.
        chosen: marked with a circle.
        path: of the PNG.
    """
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    ordered = by_speed(rows)
    gains = [100 * row.accuracy_gain for row in ordered if row.accuracy_gain is not None]
    flips = [100 * row.quality.flipped for row in ordered]
    _scatter(above, ordered, chosen, gains or flips)
    _scatter(below, ordered, chosen, [100 * row.quality.mean_change for row in ordered])
    above.set_ylabel(
        "main figure over fp32 on\nthe same texts, points" if gains else "decisions that differ\nfrom fp32, %"
    )
    below.set_ylabel("mean change of a\nscore against fp32, points")
    below.set_xlabel("ms per text on the real mix of lengths, one core")
    above.set_title("Candidates: numbers are ranks by speed")
    below.xaxis.set_major_locator(LogLocator(subs=_TICKS))
    below.xaxis.set_major_formatter("{x:g}")
    below.xaxis.set_minor_locator(NullLocator())
    _name(figure, ordered)
    figure.savefig(path, dpi=90, bbox_inches="tight", pad_inches=0.15)


def _name(figure: Figure, rows: Sequence[Measured]) -> None:
    """List the variants at the right by rank, in the colours of their points, and the meaning of the colours."""
    lines = [(f"{place:>2}  {row.name}", _colour(row)) for place, row in enumerate(rows, 1)]
    lines += [("", _BASELINE), ("fails no gate so far", _PASSES), ("fails one", _FAILS), ("baseline", _BASELINE)]
    for place, (words, colour) in enumerate(lines):
        height = 0.5 + _LINE * (len(lines) / 2 - place)
        figure.text(1.0, height, words, fontsize=7, va="center", ha="left", family="monospace", color=colour)


def _colour(row: Measured) -> str:
    return _BASELINE if row.built.variant.baseline else _FAILS if row.failures else _PASSES


def _scatter(axes: Axes, rows: Sequence[Measured], chosen: Measured | None, heights: Sequence[float]) -> None:
    for place, (row, height) in enumerate(zip(rows, heights, strict=True), 1):
        x = row.latency.mix_ms
        axes.plot(x, height, "o", color=_colour(row), markersize=5)
        beside = (4, 4) if place % 2 else (4, -9)  # so that neighbours in speed do not cover each other's numbers
        axes.annotate(str(place), (x, height), xytext=beside, textcoords="offset points", fontsize=7)
        if row is chosen:
            axes.plot(x, height, "o", markersize=13, markerfacecolor="none", markeredgecolor=_PASSES, markeredgewidth=2)
    axes.set_xscale("log")
    axes.grid(visible=True, which="both", alpha=0.25)
