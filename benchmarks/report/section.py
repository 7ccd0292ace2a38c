"""Section: one part of a report: tables for people, figures for programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures.rounds import Rounds


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Attributes:
        columns: names; those after the first are aligned to the right.
        rows: as many texts as there are columns.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """What one measurement gave.

    Attributes:
        name: its key in the JSON.
        title: its headline.
        figures: ready for JSON.
        table: the same for people.
        notes: what one must know to judge the figures.
    """

    name: str
    title: str
    figures: list[dict[str, Any]]
    table: Table
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """A section while it is measured.

    Attributes:
        rounds: what is still to do for it.
        section: what the rounds so far gave.
    """

    rounds: Sequence[Rounds]
    section: Callable[[], Section]
