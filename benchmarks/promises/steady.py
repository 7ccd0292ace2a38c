"""Steady load below capacity: no errors, and a tail that is bounded by the time of one long text."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures.effort import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.capacity import measure_rate
from benchmarks.load.client import predict
from benchmarks.load.generator import Generator, poisson_arrivals, run
from benchmarks.load.outcome import Outcome
from benchmarks.processes.rig import Rig
from benchmarks.promises.finding import Finding

_LOAD: Final = 0.7
_SERVICE_TIMES: Final = 6.0
_STRETCHES: Final = 6
_SECONDS: Final = 60.0
_CAPACITY_S: Final = 3.0
_REVIEWS: Final = 16
_TEXTS: Final = 2000


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the load, with what the machine did right before and after it.

    Attributes:
        capacity: texts per second, right before; the load is a share of it.
        review_s: seconds that a review takes in the bare loop, mean of right before and right after.
        outcome: of the load.
    """

    capacity: float
    review_s: float
    outcome: Outcome

    def review_times(self) -> list[float]:
        """Return the latencies in times that a review takes."""
        return [latency / self.review_s for latency in self.outcome.latencies_s()]


def open_loop(rig: Rig, effort: Effort) -> list[Finding]:
    """Sentences and reviews, 9 : 1, arrive for 60 s at 70 % of capacity.

    In stretches, each at 70 % of what the machine gives then: one that has become a fifth slower would have 88 % of it.
    """
    reviews = rig.texts.reviews.take(_REVIEWS)
    stretches = []
    with rig.server() as server, rig.bare() as bare:
        for seed in range(1, _STRETCHES + 1):
            corpus = rig.texts.mixed(_TEXTS, seed)
            capacity = measure_rate(server, corpus, effort.lasting(_CAPACITY_S))
            before = bare.run(reviews).wall_s
            arrivals = poisson_arrivals(_LOAD * capacity, effort.lasting(_SECONDS / _STRETCHES), seed)
            outcome = run(Generator(server.address).open_loop([predict(text) for text in corpus.texts], arrivals))
            after = bare.run(reviews).wall_s
            stretches.append(Stretch(capacity, (before + after) / 2 / len(reviews), outcome))
    outcome = _join([it.outcome for it in stretches])
    tail = quantile([times for it in stretches for times in it.review_times()], 0.99)
    return [
        Finding(
            "open loop at 70 %: requests without a right answer",
            sum(not it.as_expected for it in outcome.exchanges),
            "requests",
            "exactly",
            0,
        ),
        Finding(
            "open loop at 70 %: p99 latency",
            tail,
            "x a review's service time",
            "at most",
            _SERVICE_TIMES,
            _note(stretches, outcome),
            outcome.generator_was_the_limit,
        ),
    ]


def _join(outcomes: Sequence[Outcome]) -> Outcome:
    """Return several loads as one."""
    wall_s = sum(it.wall_s for it in outcomes)
    exchanges = [exchange for it in outcomes for exchange in it.exchanges]
    return Outcome(exchanges, wall_s, sum(it.generator_share * it.wall_s for it in outcomes) / wall_s)


def _note(stretches: Sequence[Stretch], outcome: Outcome) -> str:
    latencies = outcome.latencies_s()
    capacities = ", ".join(f"{it.capacity:.0f}" for it in stretches)
    return (
        f"p50 {quantile(latencies, 0.5) * 1000:.1f}, p90 {quantile(latencies, 0.9) * 1000:.1f}, "
        f"p99 {quantile(latencies, 0.99) * 1000:.1f} ms; a review takes "
        f"{statistics.fmean(it.review_s for it in stretches) * 1000:.1f} ms; "
        f"capacities of {_STRETCHES} stretches {capacities} texts/s; {outcome.generator_note}"
    )
