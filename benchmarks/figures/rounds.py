"""Rounds: how long to measure, and how several measurements share a run.

A disturbance of a shared machine lasts from half a second to minutes. If measurements ran one after the other, it
would spoil most of one and nothing of the others. Here the rounds of all measurements alternate over the whole run, so
it spoils a few rounds of each, and an estimator that leaves out the extreme quarters ignores them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_QUICK_BELOW: Final = 0.1


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure. Longer runs have narrower intervals.

    Attributes:
        rounds: number of turns that each side of a comparison gets.
        seconds: of one turn. Ratios to the bare loop take as long in total, in more and shorter turns.
        scale: factor on all other durations; below 1 a promise is tried, not proved.
    """

    rounds: int
    seconds: float
    scale: float

    @property
    def quick(self) -> bool:
        """Whether the run only shows that everything works."""
        return self.scale < _QUICK_BELOW

    def scaled(self, seconds: float) -> float:
        """Return a duration at this scale."""
        return seconds * self.scale


FULL = Effort(rounds=12, seconds=1.2, scale=1.0)
QUICK = Effort(rounds=2, seconds=0.03, scale=0.01)


@dataclass(slots=True)
class Rounds:
    """The rounds of one measurement: the number of whole cycles that comes closest to a time, and one at least.

    Attributes:
        measure: measures one round and keeps the result.
        cycle: rounds that belong together, such as one for each order of the competitors.
        seconds: planned time of all rounds; 0: one cycle, however long it takes.
        past: rounds done.
        spent_s: time of the rounds done.
    """

    measure: Callable[[], None]
    cycle: int = 1
    seconds: float = 0.0
    past: int = field(default=0, init=False)
    spent_s: float = field(default=0.0, init=False)

    @property
    def planned(self) -> int:
        """The expected number of rounds, by the mean time of those done."""
        if not self.seconds or not self.spent_s:
            return self.cycle
        return max(round(self.seconds * self.past / self.spent_s / self.cycle), 1) * self.cycle

    @property
    def due(self) -> float:
        """The place of the next round in the whole run, from 0 to 1. A single round is due in the middle.

        Where the number of rounds depends on their time, the first one is due at once.
        """
        return 0.0 if self.seconds and not self.past else (self.past + 0.5) / self.planned

    @property
    def done(self) -> bool:
        """Whether all rounds are done. A cycle that has begun is always finished."""
        return self.past >= self.planned and self.past % self.cycle == 0


@dataclass(frozen=True, slots=True)
class Measurement(Generic[T]):
    """A result that is still being measured.

    Attributes:
        rounds: to be done for it.
        result: computes it from the rounds done so far.
    """

    rounds: Sequence[Rounds]
    result: Callable[[], T]


def alternate(
    measurements: Sequence[Rounds],
    *,
    clock: Callable[[], float] = time.perf_counter,
    report: Callable[[float], None] = lambda _: None,
) -> None:
    """Do all rounds of all measurements; the one that is due first is next.

    Args:
        measurements: their rounds.
        clock: seconds since any moment.
        report: gets the share of the run that is done, from 0 to 1, before every round.
    """
    while waiting := [rounds for rounds in measurements if not rounds.done]:
        rounds = min(waiting, key=lambda candidate: candidate.due)
        report(min(rounds.due, 1.0))
        began = clock()
        rounds.measure()
        rounds.spent_s += clock() - began
        rounds.past += 1
