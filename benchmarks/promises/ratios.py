"""Ratios: throughput and idle latency of the server against the bare loop, with the same texts, artifact and core.

In a round both get the same texts, one shortly after the other: other processes change the caches within half a second,
and the two sides are not equally sensitive to it. Other measurements run between two rounds, so each side begins with a
few short texts that do not count: they warm up its caches and connect its callers.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.figures.rounds import Effort, Measurement, Rounds, alternate
from benchmarks.figures.statistics import middle_gap, middle_ratio
from benchmarks.load.corpus import TextPool, Texts
from benchmarks.load.generator import Generator, load_runner, run
from benchmarks.load.requests import BATCH_TEXTS, batches, single
from benchmarks.load.result import LoadResult
from benchmarks.processes.loops import BareLoop, BareRun
from benchmarks.processes.servers import Rig, Server
from benchmarks.promises.finding import Finding, summarize
from benchmarks.report.section import Section

_SIDE_S: Final = 0.4
_CPU_TICK_S: Final = 0.01
_FIRST_TEXTS: Final = 16
_TEXTS_PER_CALLER: Final = 4
"""Per round at least. With fewer, its beginning and end would dominate."""


@dataclass(frozen=True, slots=True)
class RatioCase:
    """One load at which server and bare loop are compared.

    Attributes:
        what: for tables.
        shape: "sentences" or "reviews".
        callers: of the closed loop.
        bound: the ratio of throughputs must be at least this; of one caller, the latency gap at most this (ms).
        batched: whether a request has ``BATCH_TEXTS`` texts.
    """

    what: str
    shape: str
    callers: int
    bound: float
    batched: bool = False


CASES: Final[Mapping[str, RatioCase]] = {
    "closed-sentences": RatioCase("16 callers, sentences", "sentences", 16, bound=1.10),
    "closed-reviews": RatioCase("16 callers, reviews", "reviews", 16, bound=0.97),
    "batch-sentences": RatioCase(
        f"4 callers, batches of {BATCH_TEXTS} sentences", "sentences", 4, bound=1.25, batched=True
    ),
    "idle-latency": RatioCase("1 caller, sentences: median latency above the bare loop's", "sentences", 1, bound=0.7),
}


def ratio_promise(case: RatioCase) -> Callable[[Rig, Effort], list[Finding]]:
    """Return a promise that compares at one load, with its own server and bare loop."""

    def promise(rig: Rig, effort: Effort) -> list[Finding]:
        with rig.server() as server, rig.bare() as bare:
            comparison = Comparison(server, bare, rig.texts, case, effort)
            alternate([comparison.rounds])
            return [comparison.finding()]

    return promise


def measure_ratios(server: Server, bare: BareLoop, texts: Texts, effort: Effort) -> Measurement[Section]:
    """Compare at all loads, with one server and one bare loop."""
    comparisons = [Comparison(server, bare, texts, case, effort) for case in CASES.values()]

    def result() -> Section:
        return summarize("ratios", "Ratios to the bare loop", [comparison.finding() for comparison in comparisons])

    return Measurement([comparison.rounds for comparison in comparisons], result)


class Comparison:
    """A server and the bare loop with the same texts in every round. Both are warm after construction.

    Args:
        server: on the cores of the bare loop.
        bare: the bare loop.
        texts: to send, in order.
        case: the load.
        effort: how long to measure.
    """

    def __init__(self, server: Server, bare: BareLoop, texts: Texts, case: RatioCase, effort: Effort) -> None:
        pool = texts.of(case.shape)
        per_caller = BATCH_TEXTS if case.batched else 1 if effort.quick else _TEXTS_PER_CALLER
        count = _texts_for(bare, pool, min(_SIDE_S, effort.seconds), case.callers * per_caller)
        render = batches if case.batched else single
        self.rounds = Rounds(self._round, cycle=2, seconds=2 * effort.rounds * effort.seconds)
        self._server = server
        self._bare = bare
        self._case = case
        self._texts = pool.take(count)
        self._requests = render(self._texts)
        self._first = sorted(pool.texts, key=len)[:_FIRST_TEXTS]
        self._loads: list[LoadResult] = []
        self._server_cpu_s: list[float] = []
        self._bare_runs: list[BareRun] = []
        run(Generator(server.address).closed_loop(render(pool.take(count // 2 + 1)), case.callers))

    def _round(self) -> None:
        sides = (self._serve, self._loop)
        for side in reversed(sides) if len(self._loads) % 2 else sides:
            side()

    def _serve(self) -> None:
        callers = self._case.callers
        with load_runner() as runner:
            generator = Generator(self._server.address, keep=True, polls=callers == 1)
            runner.run(generator.closed_loop(single(self._first), callers))
            before = self._server.usage().cpu_s
            self._loads.append(runner.run(generator.closed_loop(self._requests, callers)))
            self._server_cpu_s.append(self._server.usage().cpu_s - before)
            generator.close()

    def _loop(self) -> None:
        self._bare.run(self._first)
        self._bare_runs.append(self._bare.run(self._texts))

    def finding(self) -> Finding:
        """Return the result of the rounds so far."""
        return self._latency_gap() if self._case.callers == 1 else self._throughput_ratio()

    def _throughput_ratio(self) -> Finding:
        """Divide the server's throughput by the bare loop's.

        The note has the same ratio by CPU seconds of either process, which is that on a core without other processes,
        and the share of the time in which the bare loop had the core: below 1 other processes used it.
        """
        count, rounds = len(self._texts), len(self._loads)
        server_s = [count / load.texts_per_s for load in self._loads]
        bare_s = [turn.wall_s for turn in self._bare_runs]
        bare_cpu_s = sum(turn.cpu_s for turn in self._bare_runs)
        ratio = middle_ratio(bare_s, server_s)
        note = (
            f"[{ratio.low:.3f}, {ratio.high:.3f}]; server {count * rounds / sum(server_s):.1f}, "
            f"bare loop {count * rounds / sum(bare_s):.1f} texts/s; "
            f"by CPU seconds {bare_cpu_s / max(sum(self._server_cpu_s), _CPU_TICK_S):.3f}; "
            f"the core was theirs for {bare_cpu_s / sum(bare_s):.0%} of the time"
        )
        limited = any(load.generator_was_the_limit for load in self._loads)
        return Finding(self._case.what, ratio.estimate, "x bare loop", "at least", self._case.bound, note, limited)

    def _latency_gap(self) -> Finding:
        """Subtract the bare loop's median time from the server's median latency."""
        server_s = [statistics.median(load.latencies_s()) for load in self._loads]
        bare_s = [statistics.median(turn.seconds) for turn in self._bare_runs]
        gap, ratio = middle_gap(server_s, bare_s), middle_ratio(server_s, bare_s).estimate
        note = (
            f"[{gap.low * 1000:.2f}, {gap.high * 1000:.2f}]; server {statistics.fmean(server_s) * 1000:.2f} ms, "
            f"bare loop {statistics.fmean(bare_s) * 1000:.2f} ms, {ratio:.3f} times it"
        )
        return Finding(self._case.what, gap.estimate * 1000, "ms", "at most", self._case.bound, note, relative=ratio)


def _texts_for(bare: BareLoop, pool: TextPool, seconds: float, multiple: int) -> int:
    """Return how many texts take the bare loop about ``seconds``: a multiple of ``multiple``."""
    trial = pool.take(20, start=len(pool.texts) // 2)
    per_text = bare.run(trial).wall_s / len(trial)
    return max(round(seconds / per_text / multiple), 1) * multiple
