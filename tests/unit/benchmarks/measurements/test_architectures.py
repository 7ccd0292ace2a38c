"""The tables and bounds of architectures."""

import math
from dataclasses import replace
from typing import Final

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from benchmarks.architectures.classifiers import ARCHITECTURES
from benchmarks.architectures.figures import CASES, ArchitectureFigures, GraphFigures, TriedRewrite
from benchmarks.measurements.architectures import findings, sections

pytestmark = pytest.mark.development

ENCODERS: Final = [name for name, architecture in ARCHITECTURES.items() if architecture.encoder]


def graph(*ms: float, variance: float = 0.0) -> GraphFigures:
    """Return a graph of 2 MB that takes some milliseconds at each case."""
    return GraphFigures(dict(zip(CASES, ms, strict=True)), 2_000_000, 0.01, variance)


def row(name: str, *, gain: float = 1.5, over_fp32: float = 2.0, variance: float = 0.0) -> ArchitectureFigures:
    """Return an architecture on which int8 gains."""
    graphs = {
        "fp32": graph(10, 40, 80),
        "fp32-rewritten": graph(4 * over_fp32, 100, 200),
        "usual": graph(10, 40, 20 * gain, variance=0.02),
        "static": graph(4, 16, 20, variance=variance),
    }
    tried = [TriedRewrite("mask_keys", True, ""), TriedRewrite("skip_padding", False, "its pattern is missing")]
    return ArchitectureFigures(name, ARCHITECTURES[name].encoder, 1000, graphs, tried, 50_000_000, 3.0)


FAILED = ArchitectureFigures("qwen2", False, error="no kernel")


def test_a_table_compares_the_graphs_of_each_architecture() -> None:
    """Ratios at the three cases, then figures of int8; one that failed has its reason."""
    speed, rewrites, _ = sections([row("bert"), FAILED], 384, 6, None)
    assert [
        "bert", "2.50, 2.50, 1.50", "2.00, 6.25, 10.00", "10.0, 40.0, 80.0", "4.0, 16.0, 20.0",
        "400", "2.0", "2.0", "50", "0.0100", "0e+00",
    ] == list(speed.table.rows[0])  # fmt: skip
    assert ["qwen2", "failed: no kernel", ""] == list(speed.table.rows[1][:3])
    assert [["bert", "`mask_keys`"]] == list(rewrites.table.rows)
    assert "384 wide, 6 layers: static int8" == speed.title
    assert 1.5 == speed.figures[0]["times_as_fast_as"]["usual"]["mixed"]
    assert speed.figures[1]["times_as_fast_as"]["usual"]["mixed"] is None


def test_eight_of_ten_encoders_must_gain_a_tenth() -> None:
    """Two may gain less; three may not."""
    rows = [row(name, gain=1.0 if place < 2 else 1.1) for place, name in enumerate(ENCODERS)]
    first, *_ = findings(rows)
    assert (8, True) == (first.value, first.holds)
    first, *_ = findings([*rows[:2], row(ENCODERS[2], gain=1.09), *rows[3:]])
    assert (7, False) == (first.value, first.holds)


def test_a_part_of_the_encoders_has_no_bound_on_their_number() -> None:
    """The other bounds are judged on every row."""
    found = list(findings([row("bert"), row("mpnet", over_fp32=0.99, variance=2e-6)]))
    assert [(0.99, False, "mpnet"), (2e-6, False, "mpnet")] == [(each.value, each.holds, each.note) for each in found]


def test_an_architecture_without_int8_keeps_no_bound() -> None:
    """It is named, whatever the others measured."""
    found = list(findings([row("bert"), FAILED, replace(row("mpnet"), graphs={})]))
    assert [("qwen2", False)] * 2 == [(each.note, each.holds) for each in found]
    assert all(math.isnan(each.value) for each in found)
