"""Steady load below capacity: no errors, and a tail that is bounded by the time of one long text."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.generator import Generator, measure_rate, poisson_arrivals, run
from benchmarks.load.requests import single
from benchmarks.load.result import LoadResult
from benchmarks.processes.servers import Rig
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
    """A part of the load, with the speed of the machine right before and after it.

    Attributes:
        capacity: texts per second, measured right before; the load is a share of it.
        review_s: seconds per review in the bare loop, mean of right before and right after.
        result: of the load.
    """

    capacity: float
    review_s: float
    result: LoadResult

    def review_times(self) -> list[float]:
        """Return the latencies in units of a review's time."""
        return [latency / self.review_s for latency in self.result.latencies_s()]


def open_loop(rig: Rig, effort: Effort) -> list[Finding]:
    """Sentences and reviews, 9 : 1, arrive for 60 s at 70 % of capacity.

    The capacity is measured before each stretch: on a machine that has become a fifth slower, the load would be 88 %.
    """
    reviews = rig.texts.reviews.take(_REVIEWS)
    stretches = []
    with rig.server() as server, rig.bare() as bare:
        for seed in range(1, _STRETCHES + 1):
            pool = rig.texts.mixed(_TEXTS, seed)
            capacity = measure_rate(server.address, pool.texts, effort.scaled(_CAPACITY_S))
            before = bare.run(reviews).wall_s
            arrivals = poisson_arrivals(_LOAD * capacity, effort.scaled(_SECONDS / _STRETCHES), seed)
            result = run(Generator(server.address).open_loop(single(pool.texts), arrivals))
            after = bare.run(reviews).wall_s
            stretches.append(Stretch(capacity, (before + after) / 2 / len(reviews), result))
    result = LoadResult.joined([stretch.result for stretch in stretches])
    tail = quantile([times for stretch in stretches for times in stretch.review_times()], 0.99)
    errors, limited = len(result.unexpected), result.generator_was_the_limit
    what = "open loop at 70 %"
    return [
        Finding(f"{what}: requests without a right answer", errors, "requests", "exactly", 0),
        Finding(
            f"{what}: p99 latency", tail, "x a review's service time", "at most", _SERVICE_TIMES,
            _note(stretches, result), limited,
        ),
    ]  # fmt: skip


def _note(stretches: Sequence[Stretch], result: LoadResult) -> str:
    latencies = result.latencies_s()
    capacities = ", ".join(f"{stretch.capacity:.0f}" for stretch in stretches)
    return (
        f"p50 {quantile(latencies, 0.5) * 1000:.1f}, p90 {quantile(latencies, 0.9) * 1000:.1f}, "
        f"p99 {quantile(latencies, 0.99) * 1000:.1f} ms; a review takes "
        f"{statistics.fmean(stretch.review_s for stretch in stretches) * 1000:.1f} ms; "
        f"capacities of {_STRETCHES} stretches {capacities} texts/s; {result.generator_note}"
    )
