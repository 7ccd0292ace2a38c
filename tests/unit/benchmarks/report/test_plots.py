"""Pictures are readable: no words overlap, and legends follow the lines."""

import itertools
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmarks.report import plots

pytestmark = pytest.mark.development

BASELINES: list[dict[str, Any]] = [
    {"name": "Verdict", "sentences_per_s": 411.0, "reviews_per_s": 48.4},
    {"name": "replaced: DistilBERT in PyTorch, padded", "sentences_per_s": 1.7, "reviews_per_s": 1.7},
    {"name": "transformers pipeline, fp32", "sentences_per_s": 66.2, "reviews_per_s": 14.6},
    {"name": "optimum pipeline, usual int8", "sentences_per_s": 250.7, "reviews_per_s": 33.8},
    {"name": "by hand: onnxruntime, this artifact", "sentences_per_s": 315.0, "reviews_per_s": 45.3},
]


def drawn(name: str, figures: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Figure:
    """Return a section's picture as it is saved."""
    kept: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: kept.append(figure))
    monkeypatch.setattr(plt, "close", lambda _: None)
    plots.draw(name, figures, plots.Path())
    return kept[0]


def test_words_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No legend, axis or figure covers another word."""
    figure = drawn("baselines", BASELINES, monkeypatch)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    words = [word for word in figure.findobj(Text) if word.get_text() and word.get_visible()]
    boxes = [(word.get_text(), word.get_window_extent(canvas.get_renderer())) for word in words]
    assert [] == [(a, b) for (a, one), (b, other) in itertools.combinations(boxes, 2) if one.overlaps(other)]
    at_bars = [label for axes in figure.axes for label in axes.texts]
    assert 2 * len(BASELINES) == len(at_bars)
    assert [] == [label for label in at_bars if label.get_window_extent(canvas.get_renderer()).x1 > figure.bbox.width]


def test_the_fastest_server_stands_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both panels share the order."""
    figure = drawn("baselines", BASELINES, monkeypatch)
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert [BASELINES[index]["name"] for index in (0, 4, 3, 2, 1)] == names
    assert figure.axes[0].yaxis_inverted()


def test_a_legend_names_the_lines_from_the_top_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line can be found by its place, not by its colour alone."""
    figures = [
        {"shape": shape, "callers": callers, "texts_per_s": rate * callers}
        for shape, rate in (("slow", 1.0), ("fast", 3.0), ("middling", 2.0))
        for callers in (1, 4)
    ]
    legend = drawn("closed_loops", figures, monkeypatch).axes[0].get_legend()
    assert legend is not None
    assert ["fast", "middling", "slow"] == [text.get_text() for text in legend.get_texts()]
