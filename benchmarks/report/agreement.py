"""Agreement: how far two runs of the same measurement differ, ratio by ratio.

Both sides of a ratio had the same core in turns, so a ratio must be reproducible. Rates are listed beside the ratios
but not judged: they change with the machine.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import BenchmarkError
from benchmarks.report.section import ReportColumns, ReportTable, Section

_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class FigurePair:
    """One figure in two runs."""

    what: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        """The excess of the larger figure over the smaller one: 0.1 for 10 %."""
        smaller, larger = sorted((self.first, self.second))
        return larger / smaller - 1 if smaller > 0 else math.inf


_COLUMNS: Final[ReportColumns[FigurePair]] = (
    ("the worst", lambda pair: pair.what),
    ("first", lambda pair: f"{pair.first:.3f}"),
    ("second", lambda pair: f"{pair.second:.3f}"),
    ("apart", lambda pair: f"{pair.difference:.1%}"),
)


def compare_runs(first: Path, second: Path, within: float) -> tuple[Section, bool]:
    """Return the largest differences of two runs, and whether all ratios agree.

    Args:
        first: JSON of ``bench``, ``baselines`` or ``ratios``.
        second: JSON of another run of the same command.
        within: the largest difference that counts as agreement.

    Raises:
        BenchmarkError: if the files are not such reports, or have different figures.
    """
    one, other = _read(first), _read(second)
    ratios, rates = _pairs(dict(_ratios(one)), dict(_ratios(other))), _pairs(dict(_rates(one)), dict(_rates(other)))
    if not ratios:
        raise BenchmarkError(f"{first} holds no ratios; give the JSON of bench, baselines or ratios")
    agreeing = sum(pair.difference <= within for pair in ratios)
    notes = [f"{agreeing} of {len(ratios)} ratios agree within {within:.0%}."]
    if rates:
        notes.append(f"Rates, which are not judged: at worst {rates[0].difference:.1%} ({rates[0].what}).")
    notes += [f"The runs differ in {name}: {a} and {b}." for name, a, b in _differences(one, other)]
    figures = [
        {"kind": kind, **asdict(pair), "difference": pair.difference}
        for kind, pairs in (("ratio", ratios), ("rate", rates))
        for pair in pairs
    ]
    table = ReportTable.of(_COLUMNS, ratios[:_SHOWN])
    return Section("agreement", "Two runs, ratio by ratio", figures, table, notes), agreeing == len(ratios)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document: Mapping[str, Any] = json.loads(path.read_text())
        if not {"machine", "artifact", "sections"} <= document.keys():
            raise BenchmarkError(f"{path} is no report of a benchmark: it has no machine, artifact or sections")
    except (OSError, ValueError, AttributeError) as error:
        raise BenchmarkError(f"{path} cannot be read as a report of a benchmark: {error}") from error
    return document


def _pairs(first: Mapping[str, float], second: Mapping[str, float]) -> list[FigurePair]:
    """Return the figures that both have, the largest difference first."""
    if first.keys() != second.keys():
        alone = ", ".join(sorted(first.keys() ^ second.keys())[:3])
        raise BenchmarkError(f"the runs measured different things; only one of them has: {alone}")
    pairs = [FigurePair(what, first[what], second[what]) for what in first]
    return sorted(pairs, key=lambda pair: pair.difference, reverse=True)


def _ratios(document: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for row in _figures(document, "engines"):
        if row["ratio"]["low"] != row["ratio"]["high"]:  # not the artifact over itself
            yield f"engines, {row['case']}: over {row['engine']}", row["ratio"]["estimate"]
    for row in _figures(document, "ratios"):
        yield f"server over bare loop: {row['what']}", row.get("relative") or row["value"]
    for row in _figures(document, "baselines"):
        for shape, duel in row.get("duels", {}).items():
            yield f"{row['name']}, {shape}", duel["ratio"]["estimate"]


def _rates(document: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for row in _figures(document, "closed_loops"):
        yield f"closed loop, {row['shape']}, {row['callers']} callers: texts/s", row["texts_per_s"]
    for row in _figures(document, "open_loops"):
        yield f"open loop at {row['load']:.0%}: answered/s", row["texts_per_s"]


def _figures(document: Mapping[str, Any], section: str) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = document["sections"].get(section, {}).get("figures", [])
    return figures


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return the conditions that must be equal for ratios to be equal, and are not."""
    for part, name in (("artifact", "model_sha256"), ("machine", "cpu"), ("machine", "cores")):
        a, b = str(one[part].get(name)), str(other[part].get(name))
        if a != b:
            yield f"{part} {name}", a, b
