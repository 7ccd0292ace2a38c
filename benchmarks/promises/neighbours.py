"""Neighbours: ordinary callers alone and beside others, in alternating rounds on one server."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from statistics import median
from typing import Any, Final

from benchmarks.figures.rounds import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.corpus import TextPool
from benchmarks.load.generator import Generator, run
from benchmarks.load.requests import single
from benchmarks.load.result import LoadResult
from benchmarks.processes.servers import Server
from benchmarks.promises.answers import alone, wrong_answers
from benchmarks.promises.finding import Finding

_CALLERS: Final = 10
_ROUNDS: Final = 6
_SECONDS: Final = 5.0

Load = Callable[[float], Coroutine[Any, Any, LoadResult]]
"""Sends a load for so many seconds."""


@dataclass(slots=True)
class Neighbourhood:
    """The rounds of ordinary callers.

    Attributes:
        expected: the answer to each of their texts, by an idle server.
        alone: their rounds without others.
        beside: their rounds beside others.
        others: the results of those others.
    """

    expected: Mapping[str, Mapping[str, Any]]
    alone: list[LoadResult] = field(default_factory=list)
    beside: list[LoadResult] = field(default_factory=list)
    others: list[LoadResult] = field(default_factory=list)

    def findings(self, name: str, slowdown: float) -> list[Finding]:
        """Return what the ordinary callers noticed of the others.

        Args:
            name: of the promise.
            slowdown: their p99 beside the others is at most so many times that alone, in the median of the rounds.
        """
        joined = LoadResult.joined(self.beside)
        tails = [
            [quantile(result.latencies_s(), 0.99) * 1000 for result in results] for results in (self.alone, self.beside)
        ]
        lost = sum(attempt.status != HTTPStatus.OK for attempt in joined.attempts)
        note = "; ".join(
            f"{what} p99 {median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})"
            for what, times in zip(("alone", "beside them"), tails, strict=True)
        )
        limited = any(result.generator_was_the_limit for result in (*self.alone, *self.beside))
        ratio = median(beside / alone for alone, beside in zip(*tails, strict=True))
        return [
            Finding(f"{name}: ordinary requests that were not answered", lost, "requests", "exactly", 0,
                    f"beside others {joined.statuses()}; {joined.generator_note}"),
            Finding(f"{name}: wrong answers to ordinary callers", wrong_answers(joined, self.expected), "answers",
                    "exactly", 0),
            Finding(f"{name}: p99 of ordinary callers", ratio, "x alone", "at most", slowdown, note, limited),
        ]  # fmt: skip


def compare_neighbours(server: Server, pool: TextPool, others: Load, effort: Effort) -> Neighbourhood:
    """Let ten callers send single texts in a closed loop, alone and beside others, six rounds of five seconds each.

    The order changes every round, so that a machine that becomes slower favours neither.
    """
    found = Neighbourhood(alone(server, set(pool.texts)))
    requests = itertools.cycle(single(pool.texts))
    duration_s = effort.scaled(_SECONDS)

    def ordinary() -> Coroutine[Any, Any, LoadResult]:
        return Generator(server.address).closed_loop(requests, _CALLERS, duration_s=duration_s)

    async def both() -> tuple[LoadResult, LoadResult]:
        ours, theirs = await asyncio.gather(ordinary(), others(duration_s))
        return ours, theirs

    def beside() -> None:
        ours, theirs = run(both())
        found.beside.append(ours)
        found.others.append(theirs)

    def by_themselves() -> None:
        found.alone.append(run(ordinary()))

    sides = (by_themselves, beside)
    for number in range(_ROUNDS):
        for side in reversed(sides) if number % 2 else sides:
            side()
    return found
