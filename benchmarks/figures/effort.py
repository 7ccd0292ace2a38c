"""Effort: how long to measure."""

from dataclasses import dataclass
from typing import Final

_QUICK_BELOW: Final = 0.1


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure; longer runs have narrower intervals.

    Attributes:
        rounds: turns of each side in a comparison.
        seconds: of each side in a round. Ratios to the bare loop take as long as so many rounds, in shorter turns.
        scale: durations of everything else are multiplied by it; below 1 a promise is tried, not proved.
    """

    rounds: int
    seconds: float
    scale: float

    @property
    def quick(self) -> bool:
        """Whether the run shows only that everything works."""
        return self.scale < _QUICK_BELOW

    def lasting(self, seconds: float) -> float:
        """Return a duration at this scale."""
        return seconds * self.scale


FULL = Effort(rounds=12, seconds=1.2, scale=1.0)
QUICK = Effort(rounds=2, seconds=0.1, scale=0.01)
