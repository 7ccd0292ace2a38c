"""Section: one part of a report, with a table for people and figures for programs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

T = TypeVar("T")

ReportColumns = Sequence[tuple[str, Callable[[T], str]]]
"""Names of columns, each with the function that renders its cell of a row."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of texts.

    Attributes:
        columns: names; those after the first are aligned to the right.
        rows: one text per column.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of(cls, columns: ReportColumns[T], rows: Iterable[T]) -> Self:
        """Render rows of any type."""
        return cls([name for name, _ in columns], [[cell(row) for _, cell in columns] for row in rows])


@dataclass(frozen=True, slots=True)
class Section:
    """The result of one measurement.

    Attributes:
        name: its key in the JSON.
        title: its headline.
        figures: ready for JSON.
        table: the same for people.
        notes: facts that one needs to judge the figures.
    """

    name: str
    title: str
    figures: list[dict[str, Any]]
    table: ReportTable
    notes: list[str] = field(default_factory=list)
