"""Overload: three times the capacity; what is refused is refused at once, and the rest is answered as before."""

import http.client
import itertools
import json
from bisect import bisect_left
from typing import Final

from benchmarks.figures.effort import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.capacity import Capacity, measure_capacity, measure_rate
from benchmarks.load.client import Address, predict
from benchmarks.load.generator import Generator, poisson_arrivals, run
from benchmarks.load.outcome import Outcome
from benchmarks.processes.rig import Rig
from benchmarks.processes.watch import Watch
from benchmarks.promises.finding import Finding

_LOAD: Final = 3.0
_OK: Final = 200
_TOO_MANY: Final = 429
_QUEUE_TOLERANCE: Final = 1.25


def overload(rig: Rig, effort: Effort) -> list[Finding]:
    """Sentences and reviews, 9 : 1, arrive for 30 s at 300 % of capacity, which is measured before and again after."""
    corpus = rig.texts.flood(seed=2)
    duration_s = effort.lasting(30)
    with rig.server() as server:
        capacity = measure_capacity(server, corpus, effort.lasting(10))
        arrivals = poisson_arrivals(_LOAD * capacity.texts_per_s, duration_s, seed=2)
        with Watch(server, every_s=0.25) as watch:
            outcome = run(Generator(server.address).open_loop([predict(text) for text in corpus.texts], arrivals))
        queue_tokens = _queue_tokens(server.address)
        capacity = capacity.averaged(measure_rate(server, corpus, effort.lasting(10)))
    # The queue fills first; from then on nothing more may be taken until the load ends.
    early, late = (max(it.resident_bytes for it in watch.between(*span)) for span in ((0, 0.4), (0.6, 1)))
    growth = Finding(
        "overload: memory, the first 40 % of the time against the last", (late - early) / 1e6, "MB", "at most", 5
    )
    return [*_answers(outcome, capacity, duration_s), _wait(outcome, capacity, queue_tokens), growth]


def _answers(outcome: Outcome, capacity: Capacity, duration_s: float) -> list[Finding]:
    in_time = sum(it.status == _OK and it.done_s <= duration_s for it in outcome.exchanges)
    refusals = [it for it in outcome.exchanges if it.status == _TOO_MANY]
    mute = sum("retry-after" not in it.answer.headers for it in refusals if it.answer)
    other = sum(it.status not in {_OK, _TOO_MANY} for it in outcome.exchanges)
    slowest = max((it.done_s - it.sent_s for it in refusals), default=0.0)
    note = f"capacity {capacity.texts_per_s:.1f} texts/s; answers {outcome.statuses()}; {outcome.generator_note}"
    limited = outcome.generator_was_the_limit
    goodput = in_time / duration_s / capacity.texts_per_s
    spread = f"p50 {quantile([it.done_s - it.sent_s for it in refusals], 0.5) * 1000:.1f} ms"
    return [
        Finding("overload: goodput", goodput, "x capacity", "at least", 0.9, note, limited),
        Finding("overload: answers other than 200 and 429", other, "answers", "exactly", 0),
        Finding("overload: refusals without Retry-After", mute, "answers", "exactly", 0),
        Finding("overload: slowest refusal", slowest * 1000, "ms", "at most", 50, spread, limited),
    ]


def _wait(outcome: Outcome, capacity: Capacity, queue_tokens: int) -> Finding:
    """Whoever is accepted waits for a full queue at most.

    Counted in tokens that were answered meanwhile: the seconds that these took are the machine's, and another load's
    capacity does not tell how many they may be.
    """
    note = (
        f"a queue of {queue_tokens} tokens, and a quarter more; p99 {quantile(outcome.latencies_s(), 0.99):.2f} s, "
        f"at capacity it would be {queue_tokens / (capacity.tokens_per_text * capacity.texts_per_s):.2f} s"
    )
    tail = quantile(tokens_waited_for(outcome), 0.99)
    bound, limited = _QUEUE_TOLERANCE * queue_tokens, outcome.generator_was_the_limit
    return Finding("overload: answered before one that waits, p99", tail, "tokens", "at most", bound, note, limited)


def tokens_waited_for(outcome: Outcome) -> list[int]:
    """Return, for each accepted single text, the tokens of those answered between its due time and its own answer."""
    accepted = sorted((it for it in outcome.exchanges if it.answer and it.status == _OK), key=lambda it: it.done_s)
    ends = [it.done_s for it in accepted]
    tokens = [json.loads(it.answer.body)["tokens"] for it in accepted if it.answer]
    sums = list(itertools.accumulate(tokens, initial=0))
    return [sums[index] - sums[bisect_left(ends, it.due_s)] for index, it in enumerate(accepted)]


def _queue_tokens(address: Address) -> int:
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.request("GET", "/info")
    info = json.loads(connection.getresponse().read())
    connection.close()
    tokens: int = info["limits"]["max_queue_tokens"]
    return tokens
