"""Duel: two running servers under the same load, taking turns on the same core.

The waiting server takes no CPU. The order changes every round, so that a machine that becomes slower favours neither.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures.rounds import Effort
from benchmarks.figures.statistics import Interval, ratio_interval
from benchmarks.load.generator import Generator, run
from benchmarks.load.requests import HttpRequest
from benchmarks.processes.servers import Server


@dataclass(frozen=True, slots=True)
class Workload:
    """A closed loop.

    Attributes:
        name: for tables.
        requests: sent in this order, over and over.
        callers: how many send them.
    """

    name: str
    requests: Sequence[HttpRequest]
    callers: int


@dataclass(frozen=True, slots=True)
class Duel:
    """The results of two servers at one load.

    Attributes:
        load: its name.
        first_per_s: texts per second of the first server, mean over the rounds.
        second_per_s: texts per second of the second server.
        ratio: second over first by wall time, with its interval over the rounds.
        cpu_ratio: the same per CPU second of either server.
    """

    load: str
    first_per_s: float
    second_per_s: float
    ratio: Interval
    cpu_ratio: Interval


def duel(first: Server, second: Server, load: Workload, effort: Effort) -> Duel:
    """Let two servers take turns at a load.

    Args:
        first: the one that is divided by.
        second: the one that is divided.
        load: for both; its requests continue from round to round.
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
            result = run(Generator(server.address).closed_loop(requests, load.callers))
            answered = result.texts_per_s * result.wall_s
            rates[server].append(result.texts_per_s)
            efficiencies[server].append(answered / max(server.usage().cpu_s - before, 1e-3))
    return Duel(
        load=load.name,
        first_per_s=statistics.fmean(rates[first]),
        second_per_s=statistics.fmean(rates[second]),
        ratio=ratio_interval(rates[second], rates[first]),
        cpu_ratio=ratio_interval(efficiencies[second], efficiencies[first]),
    )


def join(duels: Sequence[Duel], confidence: float) -> Duel:
    """Return several duels at one load, each between restarted servers, as one with an interval over the duels.

    Rounds of one pair of processes are not independent: each keeps what it measured at its start and the place of its
    memory. Only other processes show how much of a difference that is.
    """
    ones = [1.0] * len(duels)
    return Duel(
        load=duels[0].load,
        first_per_s=statistics.fmean(part.first_per_s for part in duels),
        second_per_s=statistics.fmean(part.second_per_s for part in duels),
        ratio=ratio_interval([part.ratio.estimate for part in duels], ones, confidence),
        cpu_ratio=ratio_interval([part.cpu_ratio.estimate for part in duels], ones, confidence),
    )


def _same_if_close(counts: dict[Server, int]) -> dict[Server, int]:
    """Give servers of similar speed the same requests; a server that is more than twice as slow gets fewer."""
    few, many = sorted(counts.values())
    return dict.fromkeys(counts, few) if many < 2 * few else counts


def _warm_up(server: Server, load: Workload, seconds: float) -> int:
    """Return how many requests the server answers in about ``seconds``: a multiple of the callers."""
    result = run(Generator(server.address).closed_loop(load.requests, load.callers, duration_s=seconds / 2))
    rounds = len(result.attempts) / result.wall_s * seconds / load.callers
    return max(round(rounds), 1) * load.callers
