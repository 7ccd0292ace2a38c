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
    """

    what: str
    value: float
    unit: str
    relation: Literal["at least", "at most", "exactly"]
    bound: float
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its bound; a figure that is no number does not."""
        if self.relation == "at least":
            return self.value >= self.bound
        if self.relation == "at most":
            return self.value <= self.bound
        return self.value == self.bound
