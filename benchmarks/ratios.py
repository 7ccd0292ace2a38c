"""Ratios: what the server makes of the same texts, artifact and core that the bare loop gets.

Server and bare loop take turns on the same texts, many times and shortly: what others do to the machine's caches
changes within half a second, and the two are not equally sensitive to it. Callers stay connected from turn to turn.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.bare import BareLoop, BareRun
from benchmarks.client import Address, Request, predict, predict_batch
from benchmarks.corpus import Corpus
from benchmarks.effort import Effort
from benchmarks.load import Generator, loads
from benchmarks.outcome import Outcome
from benchmarks.servers import Server
from benchmarks.statistics import Interval, middle_gap, middle_ratio

BATCH_TEXTS: Final = 64
_TURN_S: Final = 0.4
_CPU_TICK_S: Final = 0.01
_TEXTS_PER_CALLER: Final = 4
"""In a turn at least: of fewer, its beginning and its end would be most of it."""


@dataclass(frozen=True, slots=True)
class RateRatio:
    """Throughput of the server over that of the bare loop.

    Attributes:
        ratio: server over bare loop by the clock, with its interval over the rounds.
        cpu_ratio: per CPU second of either process, over all rounds: what it would be if the core were theirs alone.
        quiet_share: CPU seconds per second of the bare loop; below 1 others had the core in between.
        server_texts_per_s: over all rounds.
        bare_texts_per_s: likewise.
        generator_share: the load's largest share of a core.
        generator_was_the_limit: whether the figures may tell of the load instead of the server.
    """

    ratio: Interval
    cpu_ratio: float
    quiet_share: float
    server_texts_per_s: float
    bare_texts_per_s: float
    generator_share: float
    generator_was_the_limit: bool


@dataclass(frozen=True, slots=True)
class LatencyGap:
    """Median latency of one caller over HTTP, and of the bare loop.

    Attributes:
        gap_s: server minus bare loop, with its interval over the rounds.
        ratio: server over bare loop, likewise.
        server_median_s: mean of the rounds' medians.
        bare_median_s: likewise.
    """

    gap_s: Interval
    ratio: Interval
    server_median_s: float
    bare_median_s: float


def single(texts: Sequence[str]) -> list[Request]:
    """Return one request per text."""
    return [predict(text) for text in texts]


def batches(texts: Sequence[str]) -> list[Request]:
    """Return requests of ``BATCH_TEXTS`` texts."""
    return [predict_batch(list(texts[i : i + BATCH_TEXTS])) for i in range(0, len(texts), BATCH_TEXTS)]


def rate_ratio(
    server: Server,
    bare: BareLoop,
    corpus: Corpus,
    render: Callable[[Sequence[str]], list[Request]],
    *,
    callers: int,
    effort: Effort,
    multiple: int = 1,
) -> RateRatio:
    """Compare throughputs; both sides get the same texts in every round.

    Args:
        server: pinned where the bare loop is.
        bare: the bare loop.
        corpus: where the texts come from, in order.
        render: texts to requests.
        callers: of the closed loop.
        effort: how long to measure.
        multiple: texts of a round are rounded up to a multiple of this, so that no batch is cut short.
    """
    seconds = min(_TURN_S, effort.seconds)
    fewest = callers * (1 if multiple > 1 or effort.quick else _TEXTS_PER_CALLER)
    count = _texts_for(bare, corpus, seconds, multiple * fewest)
    texts = corpus.take(count)
    requests = render(texts)
    outcomes: list[Outcome] = []
    server_cpu_s: list[float] = []
    bare_runs: list[BareRun] = []
    with loads() as runner:
        generator = Generator(server.address, keep=True)

        def serve() -> None:
            before = server.usage().cpu_s
            outcomes.append(runner.run(generator.closed_loop(requests, callers)))
            server_cpu_s.append(server.usage().cpu_s - before)

        def loop() -> None:
            bare_runs.append(bare.run(texts))

        runner.run(generator.closed_loop(render(corpus.take(count // 2 + 1)), callers))  # warm-up
        _alternate(serve, loop, effort)
        generator.close()
    server_s = [count / it.texts_per_s for it in outcomes]
    bare_s = [it.wall_s for it in bare_runs]
    return RateRatio(
        ratio=middle_ratio(bare_s, server_s),
        cpu_ratio=sum(it.cpu_s for it in bare_runs) / max(sum(server_cpu_s), _CPU_TICK_S),
        quiet_share=sum(it.cpu_s for it in bare_runs) / sum(bare_s),
        server_texts_per_s=count * len(server_s) / sum(server_s),
        bare_texts_per_s=count * len(bare_s) / sum(bare_s),
        generator_share=max(outcome.generator_share for outcome in outcomes),
        generator_was_the_limit=any(outcome.generator_was_the_limit for outcome in outcomes),
    )


def latency_gap(address: Address, bare: BareLoop, corpus: Corpus, effort: Effort) -> LatencyGap:
    """Compare the median latency of one caller with the bare loop's on the same texts."""
    count = _texts_for(bare, corpus, min(_TURN_S, effort.seconds), 1)
    texts = corpus.take(count)
    server_medians: list[float] = []
    bare_medians: list[float] = []
    with loads() as runner:
        generator = Generator(address, keep=True)

        def serve() -> None:
            outcome = runner.run(generator.closed_loop(single(texts), 1))
            server_medians.append(statistics.median(outcome.latencies_s()))

        def loop() -> None:
            bare_medians.append(statistics.median(bare.run(texts).seconds))

        runner.run(generator.closed_loop(single(corpus.take(count // 2 + 1)), 1))  # warm-up
        _alternate(serve, loop, effort)
        generator.close()
    return LatencyGap(
        middle_gap(server_medians, bare_medians),
        middle_ratio(server_medians, bare_medians),
        statistics.fmean(server_medians),
        statistics.fmean(bare_medians),
    )


def _alternate(one: Callable[[], None], other: Callable[[], None], effort: Effort) -> None:
    """Let both sides take turns for as long as the effort allows, and change who is first."""
    end = time.perf_counter() + 2 * effort.rounds * effort.seconds
    while True:
        for sides in ((one, other), (other, one)):
            for side in sides:
                side()
        if time.perf_counter() >= end:
            return


def _texts_for(bare: BareLoop, corpus: Corpus, seconds: float, multiple: int) -> int:
    """Return how many texts take the bare loop about so long, a multiple of something."""
    trial = corpus.take(20, start=len(corpus.texts) // 2)
    per_text = bare.run(trial).wall_s / len(trial)
    return max(round(seconds / per_text / multiple), 1) * multiple
