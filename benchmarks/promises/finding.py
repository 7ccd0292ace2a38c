"""Finding: one figure beside the bound that it must keep."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """A measured figure and its bound.

    Attributes:
        what: what was measured, in words.
        value: the figure.
        unit: of figure and bound.
        relation: how the figure must stand to the bound.
        bound: the figure that must be kept.
        note: what else one should know to judge it.
        limited: whether the load generator was the limit, so that the figure tells of it and not of the server.
        relative: the same as a ratio, where the figure is a difference: what two runs are to agree in.
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
        """Whether the figure keeps its bound; one that is no number does not. None if it was not really measured."""
        if self.limited:
            return None
        if self.relation == "at least":
            return self.value >= self.bound
        if self.relation == "at most":
            return self.value <= self.bound
        return self.value == self.bound
