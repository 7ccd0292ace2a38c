"""Steady load below capacity: no errors, and a tail that is bounded by the time of one long text."""

from typing import Final

from benchmarks.capacity import measure_capacity
from benchmarks.client import predict
from benchmarks.effort import Effort
from benchmarks.load import Generator, poisson_arrivals, run
from benchmarks.promises.finding import Finding
from benchmarks.rig import Rig
from benchmarks.statistics import quantile

_LOAD: Final = 0.7
_SERVICE_TIMES: Final = 6.0
_REVIEWS: Final = 40


def open_loop(rig: Rig, effort: Effort) -> list[Finding]:
    """Sentences and reviews, 9 : 1, arrive for 60 s at 70 % of capacity."""
    corpus = rig.texts.mixed(2000, seed=1)
    with rig.server() as server, rig.bare() as bare:
        capacity = measure_capacity(server, corpus, effort.lasting(10))
        arrivals = poisson_arrivals(_LOAD * capacity.texts_per_s, effort.lasting(60), seed=1)
        outcome = run(Generator(server.address).open_loop([predict(text) for text in corpus.texts], arrivals))
        service_s = bare.run(rig.texts.reviews.take(_REVIEWS)).wall_s / _REVIEWS
    latencies = outcome.latencies_s()
    note = (
        f"p50 {quantile(latencies, 0.5) * 1000:.1f}, p90 {quantile(latencies, 0.9) * 1000:.1f}, "
        f"p99 {quantile(latencies, 0.99) * 1000:.1f} ms; a review takes {service_s * 1000:.1f} ms; "
        f"capacity {capacity.texts_per_s:.1f} texts/s; {outcome.generator_note}"
    )
    limited = outcome.generator_was_the_limit
    failed = sum(not it.as_expected for it in outcome.exchanges)
    tail = quantile(latencies, 0.99) / service_s
    return [
        Finding("open loop at 70 %: requests without a right answer", failed, "requests", "exactly", 0),
        Finding(
            "open loop at 70 %: p99 latency",
            tail,
            "x a review's service time",
            "at most",
            _SERVICE_TIMES,
            note,
            limited,
        ),
    ]
