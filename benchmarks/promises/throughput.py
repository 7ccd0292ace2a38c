"""Throughput and idle latency against the bare loop: what HTTP, queue and micro-batches cost or gain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.figures.effort import Effort
from benchmarks.figures.rounds import Rounds, spread
from benchmarks.load.client import Request
from benchmarks.load.corpus import Corpus
from benchmarks.processes.bare import BareLoop
from benchmarks.processes.rig import Rig, Texts
from benchmarks.processes.servers import Server
from benchmarks.promises.finding import Finding
from benchmarks.promises.ratios import BATCH_TEXTS, Comparison, batches, single


@dataclass(frozen=True, slots=True)
class Pair:
    """A server and a bare loop on the same cores, and what they are given.

    Attributes:
        server: the one.
        bare: the other.
        texts: what both get.
        effort: how long.
    """

    server: Server
    bare: BareLoop
    texts: Texts
    effort: Effort


@dataclass(frozen=True, slots=True)
class Measurement:
    """A promise while it is measured.

    Attributes:
        rounds: what is still to do for it.
        finding: what the rounds so far say.
    """

    rounds: Rounds
    finding: Callable[[], Finding]


def alone(begin: Callable[[Pair], Measurement]) -> Callable[[Rig, Effort], list[Finding]]:
    """Return a promise that starts a server and a bare loop of its own."""

    def promise(rig: Rig, effort: Effort) -> list[Finding]:
        with rig.server() as server, rig.bare() as bare:
            measurement = begin(Pair(server, bare, rig.texts, effort))
            spread([measurement.rounds])
            return [measurement.finding()]

    return promise


def together(pair: Pair) -> list[Measurement]:
    """Begin all of them on one server and one bare loop."""
    return [begin(pair) for begin in (closed_sentences, closed_reviews, batch_sentences, idle_latency)]


def closed_sentences(pair: Pair) -> Measurement:
    """Sixteen callers send single sentences in a closed loop."""
    comparison = _compare(pair, pair.texts.sentences, single, callers=16)
    return _rates(comparison, "16 callers, sentences", bound=1.10)


def closed_reviews(pair: Pair) -> Measurement:
    """Sixteen callers send whole reviews in a closed loop."""
    comparison = _compare(pair, pair.texts.reviews, single, callers=16)
    return _rates(comparison, "16 callers, reviews", bound=0.97)


def batch_sentences(pair: Pair) -> Measurement:
    """Four callers send batches of 64 sentences in a closed loop."""
    comparison = _compare(pair, pair.texts.sentences, batches, callers=4, multiple=BATCH_TEXTS)
    return _rates(comparison, f"4 callers, batches of {BATCH_TEXTS} sentences", bound=1.25)


def idle_latency(pair: Pair) -> Measurement:
    """One caller sends single sentences to an idle server."""
    comparison = _compare(pair, pair.texts.sentences, single, callers=1)

    def finding() -> Finding:
        gap = comparison.latencies()
        note = (
            f"[{gap.gap_s.low * 1000:.2f}, {gap.gap_s.high * 1000:.2f}]; server {gap.server_median_s * 1000:.2f} ms, "
            f"bare loop {gap.bare_median_s * 1000:.2f} ms, {gap.ratio.estimate:.3f} times it"
        )
        what = "1 caller, sentences: median latency above the bare loop's"
        return Finding(what, gap.gap_s.estimate * 1000, "ms", "at most", 0.7, note, relative=gap.ratio.estimate)

    return Measurement(comparison.rounds, finding)


def _compare(
    pair: Pair, corpus: Corpus, render: Callable[[Sequence[str]], list[Request]], *, callers: int, multiple: int = 1
) -> Comparison:
    return Comparison(pair.server, pair.bare, corpus, render, callers=callers, effort=pair.effort, multiple=multiple)


def _rates(comparison: Comparison, what: str, *, bound: float) -> Measurement:
    def finding() -> Finding:
        measured = comparison.rates()
        note = (
            f"[{measured.ratio.low:.3f}, {measured.ratio.high:.3f}]; server {measured.server_texts_per_s:.1f}, "
            f"bare loop {measured.bare_texts_per_s:.1f} texts/s; by CPU seconds {measured.cpu_ratio:.3f}; "
            f"the core was theirs for {measured.quiet_share:.0%} of the time"
        )
        limited = measured.generator_was_the_limit
        return Finding(what, measured.ratio.estimate, "x bare loop", "at least", bound, note, limited)

    return Measurement(comparison.rounds, finding)
