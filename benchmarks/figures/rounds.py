"""Rounds: several measurements do theirs in between each other, each from the beginning of a run to its end.

What disturbs a shared machine lasts from half a second to minutes. Measured one after the other, it would spoil most of
one measurement and nothing of the others; spread like this it spoils a few rounds of each, which an estimator that
leaves out the outermost quarters does not see. Nothing is known here of what is measured.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Rounds:
    """The rounds of one measurement: as many whole cycles as come closest to a time, and one at least.

    Attributes:
        measure: measures one round and keeps what it found.
        cycle: rounds that belong together, such as one for each order of those that are compared.
        seconds: what all rounds are to take; 0 for one cycle, however long it is.
        past: how many there were.
        spent_s: what they took.
    """

    measure: Callable[[], None]
    cycle: int = 1
    seconds: float = 0.0
    past: int = field(default=0, init=False)
    spent_s: float = field(default=0.0, init=False)

    @property
    def planned(self) -> int:
        """How many there will be, as far as those in the past tell."""
        if not self.seconds or not self.spent_s:
            return self.cycle
        return max(round(self.seconds * self.past / self.spent_s / self.cycle), 1) * self.cycle

    @property
    def due(self) -> float:
        """Where in the whole run the next one belongs, from 0 to 1; a single one in the middle.

        At once where only the first one tells how many there will be.
        """
        return 0.0 if self.seconds and not self.past else (self.past + 0.5) / self.planned

    @property
    def done(self) -> bool:
        """Whether there are no more; a cycle that was begun is finished even where rounds have become slower."""
        return self.past >= self.planned and self.past % self.cycle == 0


def spread(
    measurements: Sequence[Rounds],
    *,
    clock: Callable[[], float] = time.perf_counter,
    tell: Callable[[float], None] = lambda _: None,
) -> None:
    """Do all rounds of all measurements, always the one that is due first.

    Args:
        measurements: whose rounds.
        clock: seconds since any moment.
        tell: is told before every round how much of the run has passed, from 0 to 1.
    """
    while waiting := [it for it in measurements if not it.done]:
        rounds = min(waiting, key=lambda it: it.due)
        tell(min(rounds.due, 1.0))
        began = clock()
        rounds.measure()
        rounds.spent_s += clock() - began
        rounds.past += 1
