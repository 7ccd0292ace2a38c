"""Finding: one figure with the bound that it must keep."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from benchmarks.report.section import ReportColumns, ReportTable, Section


@dataclass(frozen=True, slots=True)
class Finding:
    """A measured figure and its bound.

    Attributes:
        what: was measured, in words.
        value: the figure.
        unit: of figure and bound.
        relation: of the figure to the bound.
        bound: the figure that must be kept.
        note: further facts to judge it by.
        limited: whether the load generator was the limit, so that the figure is not the server's.
        relative: a difference as a ratio, by which two runs are compared.
    """

    what: str
    value: float
    unit: str
    relation: Literal["at least", "at most", "exactly"]
    bound: float
    note: str = ""
    limited: bool = False
    relative: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the figure keeps its bound; NaN does not. None if the load generator was the limit."""
        if self.limited:
            return None
        if self.relation == "at least":
            return self.value >= self.bound
        if self.relation == "at most":
            return self.value <= self.bound
        return self.value == self.bound


_HOLDS: Final = {True: "yes", False: "NO", None: "not measured"}
_COLUMNS: Final[ReportColumns[Finding]] = (
    ("", lambda finding: finding.what),
    ("measured", lambda finding: f"{_short(finding.value)} {finding.unit}"),
    ("must be", lambda finding: f"{finding.relation} {_short(finding.bound)}"),
    ("holds", lambda finding: _HOLDS[finding.holds]),
)


def summarize(name: str, title: str, findings: Sequence[Finding]) -> Section:
    """Return findings as a section of a report."""
    figures = [{**asdict(finding), "holds": finding.holds} for finding in findings]
    notes = [f"{finding.what}: {finding.note}" for finding in findings if finding.note]
    return Section(name, title, figures, ReportTable.of(_COLUMNS, findings), notes)


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"  # noqa: PLR2004 - three digits are enough
