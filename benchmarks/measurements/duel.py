"""Duel: two running servers under the same load, taking turns on the same core.

Both run the whole time; the one whose turn it is not waits and takes no CPU. Who begins changes every round, so
that a machine that becomes slower favours neither.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures.effort import Effort
from benchmarks.figures.statistics import Interval, ratio_interval
from benchmarks.load.client import Request
from benchmarks.load.generator import Generator, run
from benchmarks.processes.servers import Server


@dataclass(frozen=True, slots=True)
class Load:
    """A closed loop.

    Attributes:
        name: what tables call it.
        requests: sent in turn.
        callers: how many send them.
    """

    name: str
    requests: Sequence[Request]
    callers: int


@dataclass(frozen=True, slots=True)
class Duel:
    """What two servers made of one load.

    Attributes:
        load: its name.
        first_per_s: texts per second of the first server, mean over the rounds.
        second_per_s: likewise of the second.
        ratio: second over first by the clock, with its interval over the rounds.
        cpu_ratio: the same per CPU second of either server.
    """

    load: str
    first_per_s: float
    second_per_s: float
    ratio: Interval
    cpu_ratio: Interval


def duel(first: Server, second: Server, load: Load, effort: Effort) -> Duel:
    """Let two servers take turns at a load.

    Args:
        first: the one that is divided by.
        second: the one that is divided.
        load: what both get; the requests go on from round to round.
        effort: rounds, and seconds of each server in one.
    """
    rates: dict[Server, list[float]] = {first: [], second: []}
    efficiencies: dict[Server, list[float]] = {first: [], second: []}
    per_round = _same_if_close({server: _warm_up(server, load, effort.seconds) for server in (first, second)})
    for number in range(effort.rounds):
        for server in (first, second) if number % 2 else (second, first):
            count = per_round[server]
            requests = [load.requests[(number * count + i) % len(load.requests)] for i in range(count)]
            before = server.usage().cpu_s
            outcome = run(Generator(server.address).closed_loop(requests, load.callers))
            answered = outcome.texts_per_s * outcome.wall_s
            rates[server].append(outcome.texts_per_s)
            efficiencies[server].append(answered / max(server.usage().cpu_s - before, 1e-3))
    return Duel(
        load=load.name,
        first_per_s=statistics.fmean(rates[first]),
        second_per_s=statistics.fmean(rates[second]),
        ratio=ratio_interval(rates[second], rates[first]),
        cpu_ratio=ratio_interval(efficiencies[second], efficiencies[first]),
    )


def join(blocks: Sequence[Duel], confidence: float) -> Duel:
    """Return several duels at one load, each between servers started anew, as one, with an interval over the duels.

    Rounds of one pair of processes are not independent: what a process measured at its start, and where its memory
    lies, goes with it. Only other processes tell how much of a difference that is.
    """
    ones = [1.0] * len(blocks)
    return Duel(
        load=blocks[0].load,
        first_per_s=statistics.fmean(it.first_per_s for it in blocks),
        second_per_s=statistics.fmean(it.second_per_s for it in blocks),
        ratio=ratio_interval([it.ratio.estimate for it in blocks], ones, confidence),
        cpu_ratio=ratio_interval([it.cpu_ratio.estimate for it in blocks], ones, confidence),
    )


def _same_if_close(counts: dict[Server, int]) -> dict[Server, int]:
    """Give servers that are about as fast the same requests; one that is many times slower gets fewer."""
    few, many = sorted(counts.values())
    return dict.fromkeys(counts, few) if many < 2 * few else counts


def _warm_up(server: Server, load: Load, seconds: float) -> int:
    """Return how many requests the server answers in about so many seconds, a multiple of the callers."""
    outcome = run(Generator(server.address).closed_loop(load.requests, load.callers, duration_s=seconds / 2))
    rounds = len(outcome.exchanges) / outcome.wall_s * seconds / load.callers
    return max(round(rounds), 1) * load.callers
