"""Architectures: static int8 against the usual recipe and fp32, for classifiers of any width with random weights."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks.architectures.classifiers import ARCHITECTURES, MAX_LENGTH
from benchmarks.architectures.figures import CASES, INT8, ArchitectureFigures
from benchmarks.promises.finding import Finding, summarize
from benchmarks.report.section import ReportColumns, ReportTable, Section

_USUAL: Final = "usual"
_FP32_REWRITTEN: Final = "fp32-rewritten"
_LEAST_GAIN: Final = 1.1
_GAINING: Final = 8
_LARGEST_VARIANCE: Final = 1e-6

Cell = Callable[[ArchitectureFigures], str]


def _ratios(other: str) -> Cell:
    return lambda row: ", ".join(f"{row.ratio(other, case):.2f}" for case in CASES) if other in row.graphs else "-"


def _unless_failed(cell: Cell) -> Cell:
    return lambda row: "" if row.error else cell(row)


_FIGURES: Final[ReportColumns[ArchitectureFigures]] = (
    ("the usual recipe", lambda row: f"failed: {row.error}" if row.error else _ratios(_USUAL)(row)),
    *(
        (heading, _unless_failed(cell))
        for heading, cell in (
            ("fp32 rewritten", _ratios(_FP32_REWRITTEN)),
            ("fp32 ms", lambda row: _ms(row, "fp32")),
            ("int8 ms", lambda row: _ms(row, INT8)),
            ("texts/s", lambda row: f"{row.texts_per_s:.0f}"),
            ("fp32 MB", lambda row: f"{row.graphs['fp32'].size_bytes / 1e6:.1f}"),
            ("int8 MB", lambda row: f"{row.graphs[INT8].size_bytes / 1e6:.1f}"),
            ("memory MB", lambda row: f"{row.peak_bytes / 1e6:.0f}"),
            ("largest change", lambda row: f"{row.graphs[INT8].largest_change:.4f}"),
            ("batch variance", lambda row: f"{row.graphs[INT8].batch_variance:.0e}"),
        )
    ),
)
_COLUMNS: Final[ReportColumns[ArchitectureFigures]] = (("architecture", lambda row: row.architecture), *_FIGURES)
_REWRITE_COLUMNS: Final[ReportColumns[ArchitectureFigures]] = (
    ("architecture", lambda row: row.architecture),
    ("rewrites", lambda row: ", ".join(f"`{name}`" for name in row.applied) or "none"),
)


def sections(rows: Sequence[ArchitectureFigures], width: int, layers: int, vocabulary: int | None) -> list[Section]:
    """Return figures, rewrites and bounds of the architectures that were measured so far."""
    size = f"{width} wide, {layers} layers"
    words = "its best-known checkpoint's" if vocabulary is None else f"{vocabulary:,} tokens"
    notes = [
        f"{', '.join(CASES)}: one text of that many tokens, and eight texts of 6 to 64 tokens in one micro-batch. The "
        "first two columns say how many times as fast static int8 is.",
        "Processor time of one pinned thread; the graphs take turns. Texts/s: mixed micro-batches on one core.",
        f"Random weights; each architecture's vocabulary: {words}. Vocabularies decide most of the size.",
        f"Memory: peak of a process that loads the int8 graph and runs a text of {MAX_LENGTH} tokens.",
        "The usual recipe (all fusions, then dynamic int8) changes a probability by up to "
        f"{max((row.graphs[_USUAL].batch_variance for row in rows if _USUAL in row.graphs), default=0):.3f} with its "
        "batch.",
    ]
    figures = [_document(row) for row in rows]
    return [
        Section("architectures", f"{size}: static int8", figures, ReportTable.of(_COLUMNS, rows), notes),
        Section(
            "rewrites",
            f"{size}: rewrites that apply",
            [{"architecture": row.architecture, "applied": row.applied} for row in rows],
            ReportTable.of(_REWRITE_COLUMNS, [row for row in rows if not row.error]),
        ),
        summarize("bounds", f"{size}: bounds", list(findings(rows))),
    ]


def findings(rows: Sequence[ArchitectureFigures]) -> Iterator[Finding]:
    """Yield what must hold; the bound on the encoders only where all of them were measured."""
    encoders = [row for row in rows if row.encoder]
    if len(encoders) == sum(architecture.encoder for architecture in ARCHITECTURES.values()):
        gains = {row.architecture: row.least_ratio(_USUAL) for row in encoders}
        yield Finding(
            f"encoders on which static int8 is {_LEAST_GAIN} times as fast as the usual recipe in every case",
            sum(gain >= _LEAST_GAIN for gain in gains.values()),
            f"of {len(encoders)}",
            "at least",
            _GAINING,
            ", ".join(f"{name} {gain:.2f}" for name, gain in gains.items()) + " in the case of the smallest gain",
        )
    if rows:
        least, name = _extreme([(row.least_ratio(_FP32_REWRITTEN), row.architecture) for row in rows], min)
        yield Finding("static int8 over fp32 rewritten, smallest gain", least, "times as fast", "at least", 1.0, name)
        largest, name = _extreme([(_variance(row, INT8), row.architecture) for row in rows], max)
        yield Finding("batch variance of static int8", largest, "", "at most", _LARGEST_VARIANCE, name)


def _extreme(
    figures: Sequence[tuple[float, str]], choose: Callable[[Sequence[tuple[float, str]]], tuple[float, str]]
) -> tuple[float, str]:
    """Return the extreme figure; one that is missing is the worst."""
    missing = [figure for figure in figures if math.isnan(figure[0])]
    return missing[0] if missing else choose(figures)


def _variance(row: ArchitectureFigures, graph: str) -> float:
    return row.graphs[graph].batch_variance if graph in row.graphs else math.nan


def _ms(row: ArchitectureFigures, graph: str) -> str:
    return ", ".join(f"{row.graphs[graph].ms[case]:.1f}" for case in CASES)


def _document(row: ArchitectureFigures) -> dict[str, Any]:
    """Return a row ready for JSON, with its ratios."""
    ratios = {
        name: {case: None if math.isnan(ratio := row.ratio(name, case)) else ratio for case in CASES}
        for name in (_USUAL, _FP32_REWRITTEN)
    }
    return {**asdict(row), "times_as_fast_as": ratios}
