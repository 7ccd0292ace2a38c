"""Agreement: how far two runs of the same measurement differ, ratio by ratio.

Ratios are what a run promises: both of their sides had the same core in turns, so they must come out the same another
time. Rates are listed beside them and not judged: they move with the machine.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.report.section import Section, Table

_SHOWN: Final = 8


class AgreementError(Exception):
    """Two files can not be compared; the message says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure as two runs found it."""

    what: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        """By how much the larger is above the smaller: 0.1 for 10 %."""
        smaller, larger = sorted((self.first, self.second))
        return larger / smaller - 1 if smaller > 0 else math.inf


def compare_runs(first: Path, second: Path, within: float) -> tuple[Section, bool]:
    """Return the worst disagreements of two runs, and whether all ratios agree.

    Args:
        first: JSON that ``bench``, ``baselines`` or ``ratios`` wrote.
        second: likewise, by the same command.
        within: the largest difference that is called agreement.

    Raises:
        AgreementError: if they are no such files, or measured different things.
    """
    one, other = _read(first), _read(second)
    ratios, rates = _pair(dict(_ratios(one)), dict(_ratios(other))), _pair(dict(_rates(one)), dict(_rates(other)))
    if not ratios:
        raise AgreementError(f"{first} holds no ratios; give the JSON of bench, baselines or ratios")
    agreeing = sum(pair.difference <= within for pair in ratios)
    notes = [f"{agreeing} of {len(ratios)} ratios agree within {within:.0%}."]
    if rates:
        notes.append(f"Rates, which are not judged: at worst {_row(rates[0])[-1]} ({rates[0].what}).")
    notes += [f"The runs differ in {name}: {a} and {b}." for name, a, b in _differences(one, other)]
    figures = [{"kind": kind, **asdict(it), "difference": it.difference} for kind, pairs in
               (("ratio", ratios), ("rate", rates)) for it in pairs]  # fmt: skip
    table = Table(["the worst", "first", "second", "apart"], [_row(pair) for pair in ratios[:_SHOWN]])
    return Section("agreement", "Two runs, ratio by ratio", figures, table, notes), agreeing == len(ratios)


def _row(pair: Pair) -> list[str]:
    return [pair.what, f"{pair.first:.3f}", f"{pair.second:.3f}", f"{pair.difference:.1%}"]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document: Mapping[str, Any] = json.loads(path.read_text())
        if not {"machine", "artifact", "sections"} <= document.keys():
            raise AgreementError(f"{path} is no report of a benchmark: it has no machine, artifact or sections")
    except (OSError, ValueError, AttributeError) as error:
        raise AgreementError(f"{path} can not be read as a report of a benchmark: {error}") from error
    return document


def _pair(first: Mapping[str, float], second: Mapping[str, float]) -> list[Pair]:
    """Return what both found, the worst first."""
    if first.keys() != second.keys():
        alone = ", ".join(sorted(first.keys() ^ second.keys())[:3])
        raise AgreementError(f"the runs measured different things; only one of them has: {alone}")
    pairs = [Pair(what, first[what], second[what]) for what in first]
    return sorted(pairs, key=lambda pair: pair.difference, reverse=True)


def _ratios(document: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for it in _figures(document, "engines"):
        if it["ratio"]["low"] != it["ratio"]["high"]:  # the artifact over itself
            yield f"engines, {it['case']}: over {it['engine']}", it["ratio"]["estimate"]
    for it in _figures(document, "ratios"):
        yield f"server over bare loop: {it['what']}", it.get("relative") or it["value"]
    for it in _figures(document, "baselines"):
        for shape, duel in it.get("duels", {}).items():
            yield f"{it['name']}, {shape}", duel["ratio"]["estimate"]


def _rates(document: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for it in _figures(document, "closed_loops"):
        yield f"closed loop, {it['shape']}, {it['callers']} callers: texts/s", it["texts_per_s"]
    for it in _figures(document, "open_loops"):
        yield f"open loop at {it['load']:.0%}: answered/s", it["texts_per_s"]


def _figures(document: Mapping[str, Any], section: str) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = document["sections"].get(section, {}).get("figures", [])
    return figures


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return what should be the same where ratios are to be."""
    for part, name in (("artifact", "model_sha256"), ("machine", "cpu"), ("machine", "cores")):
        a, b = str(one[part].get(name)), str(other[part].get(name))
        if a != b:
            yield f"{part} {name}", a, b
