"""Summary: findings as a section of a report."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from benchmarks.promises.finding import Finding
from benchmarks.report.section import Section, Table

_HELD: Final = {True: "yes", False: "NO", None: "not measured"}


def summarize(name: str, title: str, findings: Sequence[Finding]) -> Section:
    """Return a table of figures and bounds; how each came about stands in the notes."""
    rows = [
        [it.what, f"{_short(it.value)} {it.unit}", f"{it.relation} {_short(it.bound)}", _HELD[it.holds]]
        for it in findings
    ]
    return Section(
        name,
        title,
        [{**asdict(it), "holds": it.holds} for it in findings],
        Table(["", "measured", "must be", "holds"], rows),
        [f"{it.what}: {it.note}" for it in findings if it.note],
    )


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"  # noqa: PLR2004 - three digits are enough
