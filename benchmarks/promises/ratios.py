"""Ratios: what the server makes of the same texts, artifact and core that the bare loop gets.

In a round both get the same texts, shortly one after the other: what others do to the machine's caches changes within
half a second, and the two are not equally sensitive to it. Between two rounds others are measured, so that either side
begins with a few short texts that do not count: they bring its data back into the caches, and connect the callers.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures.effort import Effort
from benchmarks.figures.rounds import Rounds
from benchmarks.figures.statistics import Interval, middle_gap, middle_ratio
from benchmarks.load.client import Request, predict, predict_batch
from benchmarks.load.corpus import Corpus
from benchmarks.load.generator import Generator, loads, run
from benchmarks.load.outcome import Outcome
from benchmarks.processes.bare import BareLoop, BareRun
from benchmarks.processes.servers import Server

BATCH_TEXTS: Final = 64
_SIDE_S: Final = 0.4
_CPU_TICK_S: Final = 0.01
_FIRST_TEXTS: Final = 16
_TEXTS_PER_CALLER: Final = 4
"""In a round at least: of fewer, its beginning and its end would be most of it."""


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


class Comparison:
    """A server and the bare loop at the same texts in every round; both are warm when it is made.

    Args:
        server: pinned where the bare loop is.
        bare: the bare loop.
        corpus: where the texts come from, in order.
        render: texts to requests.
        callers: of the closed loop.
        effort: how long to measure.
        multiple: texts of a round are rounded up to a multiple of this, so that no batch is cut short.
    """

    def __init__(
        self,
        server: Server,
        bare: BareLoop,
        corpus: Corpus,
        render: Callable[[Sequence[str]], list[Request]],
        *,
        callers: int,
        effort: Effort,
        multiple: int = 1,
    ) -> None:
        fewest = callers * (1 if multiple > 1 or effort.quick else _TEXTS_PER_CALLER)
        count = _texts_for(bare, corpus, min(_SIDE_S, effort.seconds), multiple * fewest)
        self.rounds = Rounds(self._round, cycle=2, seconds=2 * effort.rounds * effort.seconds)
        self._server = server
        self._bare = bare
        self._callers = callers
        self._texts = corpus.take(count)
        self._requests = render(self._texts)
        self._first = sorted(corpus.texts, key=len)[:_FIRST_TEXTS]
        self._outcomes: list[Outcome] = []
        self._server_cpu_s: list[float] = []
        self._bare_runs: list[BareRun] = []
        run(Generator(server.address).closed_loop(render(corpus.take(count // 2 + 1)), callers))

    def _round(self) -> None:
        sides = (self._serve, self._loop)
        for side in reversed(sides) if len(self._outcomes) % 2 else sides:
            side()

    def _serve(self) -> None:
        with loads() as runner:
            generator = Generator(self._server.address, keep=True, polls=self._callers == 1)
            runner.run(generator.closed_loop(single(self._first), self._callers))
            before = self._server.usage().cpu_s
            self._outcomes.append(runner.run(generator.closed_loop(self._requests, self._callers)))
            self._server_cpu_s.append(self._server.usage().cpu_s - before)
            generator.close()

    def _loop(self) -> None:
        self._bare.run(self._first)
        self._bare_runs.append(self._bare.run(self._texts))

    def rates(self) -> RateRatio:
        """Compare throughputs in the rounds so far."""
        count = len(self._texts)
        server_s = [count / it.texts_per_s for it in self._outcomes]
        bare_s = [it.wall_s for it in self._bare_runs]
        bare_cpu_s = sum(it.cpu_s for it in self._bare_runs)
        return RateRatio(
            ratio=middle_ratio(bare_s, server_s),
            cpu_ratio=bare_cpu_s / max(sum(self._server_cpu_s), _CPU_TICK_S),
            quiet_share=bare_cpu_s / sum(bare_s),
            server_texts_per_s=count * len(server_s) / sum(server_s),
            bare_texts_per_s=count * len(bare_s) / sum(bare_s),
            generator_share=max(outcome.generator_share for outcome in self._outcomes),
            generator_was_the_limit=any(outcome.generator_was_the_limit for outcome in self._outcomes),
        )

    def latencies(self) -> LatencyGap:
        """Compare the rounds' median latencies so far."""
        server_medians = [statistics.median(it.latencies_s()) for it in self._outcomes]
        bare_medians = [statistics.median(it.seconds) for it in self._bare_runs]
        return LatencyGap(
            middle_gap(server_medians, bare_medians),
            middle_ratio(server_medians, bare_medians),
            statistics.fmean(server_medians),
            statistics.fmean(bare_medians),
        )


def _texts_for(bare: BareLoop, corpus: Corpus, seconds: float, multiple: int) -> int:
    """Return how many texts take the bare loop about so long, a multiple of something."""
    trial = corpus.take(20, start=len(corpus.texts) // 2)
    per_text = bare.run(trial).wall_s / len(trial)
    return max(round(seconds / per_text / multiple), 1) * multiple
