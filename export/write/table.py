"""Table: rows as Markdown. A column is its heading and a function that returns the cell of a row."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Columns = Sequence[tuple[str, Callable[[T], str]]]


def markdown(columns: Columns[T], rows: Iterable[T]) -> list[str]:
    """Return the lines of a Markdown table."""
    cells = [[cell(row) for _, cell in columns] for row in rows]
    lines = [[heading for heading, _ in columns], ["---"] * len(columns), *cells]
    return [f"| {' | '.join(line)} |" for line in lines]
