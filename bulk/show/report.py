"""The report of a run: ``_report.json`` for programs, a table for people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.table import Table

from bulk.job import Count, FileRecord, Options

_SHOWN: Final = 5
"""Refused files that the table names; the report names all."""
_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Attributes:
        options: of the job.
        files: finished, of this run and earlier ones.
        refused: why a file has no output, by URL.
        left_alone: files that hold no rows of a known format.
        scored: what this run scored; the rest was there already.
        seconds: that it took, start included.
        vcpus: that it scored on.
        price: of a vCPU for an hour; None if it was not given.
    """

    options: Options
    files: Sequence[FileRecord]
    refused: dict[str, str]
    left_alone: Sequence[str]
    scored: Count
    seconds: float
    vcpus: int
    price: float | None

    @property
    def total(self) -> Count:
        """Rows, errors and tokens of all finished files."""
        return sum((record.count for record in self.files), Count())

    @property
    def rate(self) -> float:
        """Rows per second of this run."""
        return self.scored.rows / self.seconds if self.seconds else 0.0

    @property
    def cost(self) -> float | None:
        """Of this run: price x vCPUs x hours."""
        return None if self.price is None else self.price * self.vcpus * self.seconds / _HOUR_S

    def document(self) -> dict[str, Any]:
        """Return what ``_report.json`` holds."""
        return {
            **asdict(self.total),
            "scored_by_this_run": asdict(self.scored),
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rate, 1),
            "vcpus": self.vcpus,
            "price_per_vcpu_hour": self.price,
            "cost": self.cost if self.cost is None else round(self.cost, 6),
            "labels": dict(self._labels()),
            "refused": [{"input": url, "reason": reason} for url, reason in sorted(self.refused.items())],
            "left_alone": list(self.left_alone),
            "options": asdict(self.options),
            "files": [asdict(record) for record in self.files],
        }

    def table(self, output: str) -> Table:
        """Return the summary that a person reads."""
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        total = self.total
        for name, value in {
            "output": output,
            "files": f"{len(self.files):,}" + (f", {len(self.refused):,} refused" if self.refused else ""),
            "rows": f"{total.rows:,}" + (f", {total.errors:,} with an error" if total.errors else ""),
            "labels": ", ".join(f"{label} {count:,}" for label, count in self._labels().most_common()),
            "this run": f"{self.scored.rows:,} rows, {self.scored.tokens:,} tokens in {self.seconds:,.1f} s",
            "rate": f"{self.rate:,.1f} rows/s on {self.vcpus} vCPU" + ("s" if self.vcpus > 1 else ""),
            "cost": "" if self.cost is None else f"{self.cost:,.4f} at {self.price:g} per vCPU-hour",
        }.items():
            if value:
                table.add_row(name, value)
        for url in sorted(self.refused)[:_SHOWN]:
            table.add_row("refused", self.refused[url])
        if len(self.refused) > _SHOWN:
            table.add_row("", f"and {len(self.refused) - _SHOWN} more; the report names all")
        for note, count in Counter(note for record in self.files for note in record.notes).most_common(_SHOWN):
            table.add_row("note", f"{count:,} file{'s' if count > 1 else ''}: {note}")
        if self.left_alone:
            named = ", ".join(self.left_alone[:_SHOWN]) + (", …" if len(self.left_alone) > _SHOWN else "")
            table.add_row("left alone", f"{len(self.left_alone):,} without rows: {named}")
        return table

    def _labels(self) -> Counter[str]:
        return sum((Counter(record.labels) for record in self.files), Counter())
