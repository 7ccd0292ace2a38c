"""Soak: ten minutes of callers as they are, after which the server must be what it was before."""

import itertools
import time
from typing import Final

from benchmarks.figures.effort import Effort
from benchmarks.load.capacity import measure_capacity
from benchmarks.load.generator import Generator, poisson_arrivals, run
from benchmarks.load.misbehaviour import callers
from benchmarks.load.outcome import Outcome
from benchmarks.processes.process import Usage
from benchmarks.processes.rig import Rig
from benchmarks.processes.servers import Server
from benchmarks.processes.watch import Watch
from benchmarks.promises.finding import Finding

_LOAD: Final = 0.5
_WARM_UP_S: Final = 20
_SETTLE_S: Final = 0.5
_DISTINCT_REQUESTS: Final = 20_000


def soak(rig: Rig, effort: Effort) -> list[Finding]:
    """Mixed lengths, batches, cancels, deadlines and bad input arrive for 10 minutes at half of capacity."""
    corpus = rig.texts.mixed(3000, seed=3)
    requests = callers(corpus, _DISTINCT_REQUESTS, seed=3)
    with rig.server() as server:
        generator = Generator(server.address)
        rate = _LOAD * measure_capacity(server, corpus, effort.lasting(10)).texts_per_s
        warm_up = poisson_arrivals(rate, effort.lasting(_WARM_UP_S), seed=4)
        run(generator.open_loop(list(reversed(requests)), warm_up))
        before = _settled(server)
        arrivals = poisson_arrivals(rate, effort.lasting(600), seed=5)
        with Watch(server, every_s=effort.lasting(2)) as watch:
            outcome = run(generator.open_loop(requests, arrivals))
        after = _settled(server)
    return [*_memory(watch), *_constant(before, after), _answers(outcome)]


def _settled(server: Server) -> Usage:
    """Return what the server takes once it has noticed that its callers have gone."""
    time.sleep(_SETTLE_S)
    return server.usage()


def _memory(watch: Watch) -> list[Finding]:
    megabytes = [[usage.resident_bytes / 1e6 for usage in watch.between(*span)] for span in ((0, 0.3), (0.7, 1))]
    peak = max(usage.resident_bytes for _, usage in watch.samples) / 1e6
    growth = max(megabytes[1]) - max(megabytes[0])
    note = f"from {max(megabytes[0]):.1f} to {max(megabytes[1]):.1f} MB"
    return [
        Finding("soak: largest resident memory", peak, "MB", "at most", 220),
        Finding("soak: memory, the first 30 % of the time against the last", growth, "MB", "at most", 3, note),
    ]


def _constant(before: Usage, after: Usage) -> list[Finding]:
    descriptors, threads = after.descriptors - before.descriptors, after.threads - before.threads
    return [
        Finding("soak: file descriptors more than before", descriptors, "descriptors", "at most", 0),
        Finding("soak: threads more than before", threads, "threads", "at most", 0),
    ]


def _answers(outcome: Outcome) -> Finding:
    wrong = [it for it in outcome.exchanges if not it.as_expected]
    examples = itertools.islice((f"{it.status} for {it.request.payload[-60:]!r}" for it in wrong), 3)
    note = f"{len(outcome.exchanges)} requests; {outcome.statuses()}; {outcome.generator_note}"
    return Finding(
        "soak: answers that were not the intended", len(wrong), "answers", "exactly", 0, "; ".join([note, *examples])
    )
