"""Soak: after ten minutes of mixed callers the server must use no more resources than before."""

import itertools
import time
from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.load.generator import Generator, measure_rate, poisson_arrivals, run
from benchmarks.load.misbehaviour import mixed_callers
from benchmarks.load.result import LoadResult
from benchmarks.processes.process import Usage, UsageSampler
from benchmarks.processes.servers import Rig, Server
from benchmarks.promises.finding import Finding

_LOAD: Final = 0.5
_WARM_UP_S: Final = 20
_SETTLE_S: Final = 0.5
_DISTINCT_REQUESTS: Final = 20_000


def soak(rig: Rig, effort: Effort) -> list[Finding]:
    """Mixed lengths, batches, cancels, deadlines and bad input arrive for 10 minutes at half of capacity."""
    pool = rig.texts.mixed(3000, seed=3)
    requests = mixed_callers(pool, _DISTINCT_REQUESTS, seed=3)
    with rig.server() as server:
        generator = Generator(server.address)
        rate = _LOAD * measure_rate(server.address, pool.texts, effort.scaled(10))
        warm_up = poisson_arrivals(rate, effort.scaled(_WARM_UP_S), seed=4)
        run(generator.open_loop(list(reversed(requests)), warm_up))
        before = _settled(server)
        arrivals = poisson_arrivals(rate, effort.scaled(600), seed=5)
        with UsageSampler(server, every_s=effort.scaled(2)) as sampler:
            result = run(generator.open_loop(requests, arrivals))
        after = _settled(server)
    return [*_memory(sampler), *_constant(before, after), _answers(result)]


def _settled(server: Server) -> Usage:
    """Return the server's usage after it has noticed that its callers have gone."""
    time.sleep(_SETTLE_S)
    return server.usage()


def _memory(sampler: UsageSampler) -> list[Finding]:
    first, last = (max(usage.resident_bytes for usage in sampler.between(*span)) / 1e6 for span in ((0, 0.3), (0.7, 1)))
    peak = max(usage.resident_bytes for _, usage in sampler.samples) / 1e6
    note = f"from {first:.1f} to {last:.1f} MB"
    return [
        Finding("soak: largest resident memory", peak, "MB", "at most", 220),
        Finding("soak: memory, the first 30 % of the time against the last", last - first, "MB", "at most", 3, note),
    ]


def _constant(before: Usage, after: Usage) -> list[Finding]:
    descriptors, threads = after.descriptors - before.descriptors, after.threads - before.threads
    return [
        Finding("soak: file descriptors more than before", descriptors, "descriptors", "at most", 0),
        Finding("soak: threads more than before", threads, "threads", "at most", 0),
    ]


def _answers(result: LoadResult) -> Finding:
    wrong = result.unexpected
    examples = itertools.islice((f"{each.status} for {each.request.payload[-60:]!r}" for each in wrong), 3)
    note = "; ".join([f"{len(result.attempts)} requests", str(result.statuses()), result.generator_note, *examples])
    return Finding("soak: answers that were not the intended", len(wrong), "answers", "exactly", 0, note)
