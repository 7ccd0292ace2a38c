"""Overload: at three times the capacity the server refuses at once what it cannot take, and answers the rest."""

import http.client
import itertools
import json
from bisect import bisect_left
from collections.abc import Sequence
from http import HTTPStatus
from statistics import fmean
from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.client import Address
from benchmarks.load.generator import Generator, measure_rate, poisson_arrivals, run
from benchmarks.load.requests import batches, single
from benchmarks.load.result import LoadResult
from benchmarks.processes.process import UsageSampler
from benchmarks.processes.servers import Rig
from benchmarks.promises.finding import Finding

_LOAD: Final = 3.0
_QUEUE_TOLERANCE: Final = 1.25
_SAMPLE: Final = 128


def overload(rig: Rig, effort: Effort) -> list[Finding]:
    """Sentences and reviews, 9 : 1, arrive for 30 s at 300 % of capacity, which is measured before and after."""
    pool = rig.texts.large_mix(seed=2)
    duration_s = effort.scaled(30)
    with rig.server() as server:
        before = measure_rate(server.address, pool.texts, effort.scaled(10))
        text_tokens = _mean_tokens(server.address, pool.take(_SAMPLE))
        arrivals = poisson_arrivals(_LOAD * before, duration_s, seed=2)
        with UsageSampler(server, every_s=0.25) as sampler:
            result = run(Generator(server.address).open_loop(single(pool.texts), arrivals))
        limit = queue_tokens(server.address)
        capacity = (before + measure_rate(server.address, pool.texts, effort.scaled(10))) / 2
    # The queue fills first. From then on memory must not grow until the load ends.
    early, late = (max(usage.resident_bytes for usage in sampler.between(*span)) for span in ((0, 0.4), (0.6, 1)))
    growth = Finding(
        "overload: memory, the first 40 % of the time against the last", (late - early) / 1e6, "MB", "at most", 5
    )
    wait = _wait(result, limit, limit / (text_tokens * capacity))
    return [*_answers(result, capacity, duration_s), wait, growth]


def _answers(result: LoadResult, capacity: float, duration_s: float) -> list[Finding]:
    in_time = sum(attempt.status == HTTPStatus.OK and attempt.done_s <= duration_s for attempt in result.attempts)
    refusals = [attempt for attempt in result.attempts if attempt.status == HTTPStatus.TOO_MANY_REQUESTS]
    mute = sum("retry-after" not in refusal.response.headers for refusal in refusals if refusal.response)
    other = len(result.attempts) - len(refusals) - len(result.latencies_s())
    times_s = [refusal.done_s - refusal.sent_s for refusal in refusals]
    note = f"capacity {capacity:.1f} texts/s; answers {result.statuses()}; {result.generator_note}"
    limited = result.generator_was_the_limit
    goodput = in_time / duration_s / capacity
    median = f"p50 {quantile(times_s, 0.5) * 1000:.1f} ms"
    return [
        Finding("overload: goodput", goodput, "x capacity", "at least", 0.9, note, limited),
        Finding("overload: answers other than 200 and 429", other, "answers", "exactly", 0),
        Finding("overload: refusals without Retry-After", mute, "answers", "exactly", 0),
        Finding("overload: slowest refusal", max(times_s, default=0.0) * 1000, "ms", "at most", 50, median, limited),
    ]


def _wait(result: LoadResult, limit: int, queue_s: float) -> Finding:
    """An accepted text waits for a full queue at most.

    The wait is counted in tokens answered meanwhile: their time depends on the machine and on the mix of the load.
    """
    note = (
        f"a queue of {limit} tokens, and a quarter more; p99 {quantile(result.latencies_s(), 0.99):.2f} s, "
        f"at capacity it would be {queue_s:.2f} s"
    )
    tail = quantile(tokens_waited_for(result), 0.99)
    bound, limited = _QUEUE_TOLERANCE * limit, result.generator_was_the_limit
    return Finding("overload: answered before one that waits, p99", tail, "tokens", "at most", bound, note, limited)


def tokens_waited_for(result: LoadResult) -> list[int]:
    """Return, for each accepted single text, the tokens answered between its due time and its own answer."""
    accepted = sorted(
        (attempt for attempt in result.attempts if attempt.status == HTTPStatus.OK), key=lambda attempt: attempt.done_s
    )
    ends = [attempt.done_s for attempt in accepted]
    tokens = [json.loads(attempt.response.body)["tokens"] for attempt in accepted if attempt.response]
    sums = list(itertools.accumulate(tokens, initial=0))
    return [sums[index] - sums[bisect_left(ends, attempt.due_s)] for index, attempt in enumerate(accepted)]


def _mean_tokens(address: Address, texts: Sequence[str]) -> float:
    """Return the mean tokens that the model reads of a text, special tokens included."""
    result = run(Generator(address).closed_loop(batches(texts), callers=1))
    bodies = [json.loads(attempt.response.body) for attempt in result.attempts if attempt.response]
    return fmean(prediction["tokens"] for body in bodies for prediction in body["predictions"])


def queue_tokens(address: Address) -> int:
    """Return how many tokens a server's queue holds."""
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.request("GET", "/info")
    info = json.loads(connection.getresponse().read())
    connection.close()
    tokens: int = info["limits"]["max_queue_tokens"]
    return tokens
