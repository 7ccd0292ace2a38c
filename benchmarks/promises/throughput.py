"""Throughput and idle latency against the bare loop: what HTTP, queue and micro-batches cost or gain."""

from collections.abc import Callable, Sequence

from benchmarks.client import Request
from benchmarks.corpus import Corpus
from benchmarks.effort import Effort
from benchmarks.promises.finding import Finding
from benchmarks.ratios import BATCH_TEXTS, batches, latency_gap, rate_ratio, single
from benchmarks.rig import Rig


def closed_sentences(rig: Rig, effort: Effort) -> list[Finding]:
    """Sixteen callers send single sentences in a closed loop."""
    return [_ratio(rig, effort, "16 callers, sentences", rig.texts.sentences, single, callers=16, bound=1.10)]


def closed_reviews(rig: Rig, effort: Effort) -> list[Finding]:
    """Sixteen callers send whole reviews in a closed loop."""
    return [_ratio(rig, effort, "16 callers, reviews", rig.texts.reviews, single, callers=16, bound=0.97)]


def batch_sentences(rig: Rig, effort: Effort) -> list[Finding]:
    """Four callers send batches of 64 sentences in a closed loop."""
    what = f"4 callers, batches of {BATCH_TEXTS} sentences"
    return [_ratio(rig, effort, what, rig.texts.sentences, batches, callers=4, bound=1.25, multiple=BATCH_TEXTS)]


def idle_latency(rig: Rig, effort: Effort) -> list[Finding]:
    """One caller sends single sentences to an idle server."""
    with rig.server() as server, rig.bare() as bare:
        gap = latency_gap(server.address, bare, rig.texts.sentences, effort)
    medians = (
        f"server {gap.server_median_s * 1000:.2f} ms, bare loop {gap.bare_median_s * 1000:.2f} ms, "
        f"{gap.ratio.estimate:.3f} times it"
    )
    interval = f"[{gap.gap_s.low * 1000:.2f}, {gap.gap_s.high * 1000:.2f}]"
    what = "1 caller, sentences: median latency above the bare loop's"
    note = f"{interval}; {medians}"
    return [Finding(what, gap.gap_s.estimate * 1000, "ms", "at most", 0.7, note, relative=gap.ratio.estimate)]


def _ratio(
    rig: Rig,
    effort: Effort,
    what: str,
    corpus: Corpus,
    render: Callable[[Sequence[str]], list[Request]],
    *,
    callers: int,
    bound: float,
    multiple: int = 1,
) -> Finding:
    with rig.server() as server, rig.bare() as bare:
        measured = rate_ratio(server, bare, corpus, render, callers=callers, effort=effort, multiple=multiple)
    note = (
        f"[{measured.ratio.low:.3f}, {measured.ratio.high:.3f}]; server {measured.server_texts_per_s:.1f}, "
        f"bare loop {measured.bare_texts_per_s:.1f} texts/s; by CPU seconds {measured.cpu_ratio}; "
        f"the core was theirs for {measured.quiet_share:.0%} of the time"
    )
    limited = measured.generator_was_the_limit
    return Finding(what, measured.ratio.estimate, "x bare loop", "at least", bound, note, limited)
