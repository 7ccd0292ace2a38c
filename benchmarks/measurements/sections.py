"""Sections: what ``bench`` measures, each from a rig and an effort to one part of its report.

Each warms up what it measures when it is made. Its rounds are done later, in between those of the others.
"""

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from benchmarks.figures.effort import Effort
from benchmarks.figures.rounds import Rounds
from benchmarks.figures.statistics import quantile
from benchmarks.load.capacity import measure_rate
from benchmarks.load.client import Request, predict
from benchmarks.load.generator import Generator, poisson_arrivals, run
from benchmarks.load.outcome import Outcome
from benchmarks.measurements.engine_cases import choose_cases
from benchmarks.measurements.engines import ENGINES, Contest, EngineLoop
from benchmarks.processes.rig import Rig
from benchmarks.processes.servers import Server
from benchmarks.promises import throughput
from benchmarks.promises.ratios import BATCH_TEXTS, batches, single
from benchmarks.promises.summary import summarize
from benchmarks.report.section import Part, Section, Table

_CALLERS: Final = (1, 4, 16, 64)
_LOADS: Final = (0.5, 0.7, 0.9, 1.1, 3.0)
_OPEN_SEED: Final = 11
_FEWEST_FOR_P99: Final = 100


def engines(rig: Rig, loops: Mapping[str, EngineLoop], effort: Effort) -> Part:
    """Measure the artifact's graph against PyTorch, fp32 and the usual int8, without tokenizer or HTTP."""
    contests = [Contest(loops, case, effort) for case in choose_cases(rig, effort)]

    def section() -> Section:
        groups = [contest.speeds() for contest in contests]
        rows = [
            [group[0].case, *(f"{it.texts_per_s:.1f} ({it.ratio.estimate:.2f}x)" for it in group)] for group in groups
        ]
        return Section(
            "engines",
            "Engines: texts per CPU second, and how many times that this artifact does",
            [asdict(speed) for group in groups for speed in group],
            Table(["texts", *ENGINES], rows),
            [
                "Token ids in, logits out, one thread; each engine in a process of its own; short turns at one batch "
                "after the other, with a warm cache; ratios of the middle half of the rounds."
            ],
        )

    return Part([contest.rounds for contest in contests], section)


def closed_loops(rig: Rig, server: Server, effort: Effort) -> Part:
    """Let 1 to 64 callers send sentences, reviews and batches, each caller one request after the other."""
    shapes: dict[str, list[Request]] = {
        "sentences": single(rig.texts.sentences.texts),
        "reviews": single(rig.texts.reviews.texts),
        f"batches of {BATCH_TEXTS} sentences": batches(rig.texts.sentences.take(60 * BATCH_TEXTS)),
    }
    loads = list(itertools.product(shapes, _CALLERS[:2] if effort.quick else _CALLERS))
    figures: list[dict[str, Any]] = []
    run(Generator(server.address).closed_loop(itertools.cycle(shapes["sentences"]), 4, duration_s=effort.lasting(1)))

    def load() -> None:
        shape, callers = loads[len(figures)]
        endless = itertools.cycle(shapes[shape])
        outcome = run(Generator(server.address).closed_loop(endless, callers, duration_s=effort.lasting(3)))
        figures.append({"shape": shape, "callers": callers, **_figures(outcome)})

    def section() -> Section:
        columns = ["closed loop", "callers", "texts/s", "p50 ms", "p99 ms"]
        rows = [[it["shape"], str(it["callers"]), *_cells(it)] for it in figures]
        notes = [*_notes(figures), *_refusals(figures)]
        return Section("closed_loops", "Server over HTTP, closed loop", figures, Table(columns, rows), notes)

    return Part([Rounds(load, cycle=len(loads))], section)


def open_loops(rig: Rig, server: Server, effort: Effort) -> Part:
    """Let sentences and reviews, 9 : 1, arrive by the clock, up to three times the capacity.

    All in one round: loads are shares of the capacity that was measured right before.
    """
    corpus = rig.texts.flood(_OPEN_SEED)
    requests = [predict(text) for text in corpus.texts]
    figures: list[dict[str, Any]] = []

    def loads() -> None:
        capacity = measure_rate(server, corpus, effort.lasting(6))
        for load in _LOADS:
            rate = load * capacity
            arrivals = poisson_arrivals(rate, effort.lasting(10 if load < 1 else 8), _OPEN_SEED)
            outcome = run(Generator(server.address).open_loop(requests, arrivals))
            refused = outcome.statuses().get(HTTPStatus.TOO_MANY_REQUESTS, 0) / max(len(outcome.exchanges), 1)
            figures.append({"load": load, "offered_per_s": rate, "refused_share": refused, **_figures(outcome)})

    def section() -> Section:
        columns = ["load", "offered/s", "answered/s", "p50 ms", "p99 ms", "refused"]
        rows = [
            [f"{it['load']:.0%}", f"{it['offered_per_s']:.1f}", *_cells(it), f"{it['refused_share']:.1%}"]
            for it in figures
        ]
        capacity = figures[0]["offered_per_s"] / figures[0]["load"]
        title = f"Server over HTTP, open loop: 9 sentences to 1 review, capacity {capacity:.1f} texts/s"
        notes = ["Poisson arrivals; latency counts from the moment at which a request was due.", *_notes(figures)]
        return Section("open_loops", title, figures, Table(columns, rows), notes)

    return Part([Rounds(loads)], section)


def ratios(pair: throughput.Pair) -> Part:
    """Compare with the bare loop: same artifact, same texts, one by one in one process, no HTTP."""
    measurements = throughput.together(pair)

    def section() -> Section:
        return summarize("ratios", "Ratios to the bare loop", [it.finding() for it in measurements])

    return Part([it.rounds for it in measurements], section)


def _figures(outcome: Outcome) -> dict[str, Any]:
    latencies = outcome.latencies_s()
    return {
        "texts_per_s": outcome.texts_per_s,
        **{f"p{share * 100:g}_s": quantile(latencies, share) for share in (0.5, 0.9, 0.99)},
        "statuses": outcome.statuses(),
        "requests": len(latencies),
        "generator_share": outcome.generator_share,
        "generator_was_the_limit": outcome.generator_was_the_limit,
    }


def _refusals(figures: list[dict[str, Any]]) -> list[str]:
    return [
        f"{it['callers']} callers, {it['shape']}: {refused} requests refused; that many texts at once are more than "
        "the queue holds, and nobody waited."
        for it in figures
        if (refused := it["statuses"].get(HTTPStatus.TOO_MANY_REQUESTS))
    ]


def _cells(figures: dict[str, Any]) -> list[str]:
    tail = f"{figures['p99_s'] * 1000:.1f}" if figures["requests"] >= _FEWEST_FOR_P99 else "-"
    return [f"{figures['texts_per_s']:.1f}", f"{figures['p50_s'] * 1000:.1f}", tail]


def _notes(figures: list[dict[str, Any]]) -> list[str]:
    share = max(it["generator_share"] for it in figures)
    limited = sum(it["generator_was_the_limit"] for it in figures)
    limit = f"; IT WAS THE LIMIT in {limited} of {len(figures)} rows" if limited else " and was never the limit"
    notes = [f"The load generator took at most {share:.0%} of a core{limit}."]
    if failed := sum(sum(it["statuses"].values()) - _answered_or_refused(it["statuses"]) for it in figures):
        notes.append(f"{failed} REQUESTS WERE NEITHER ANSWERED NOR REFUSED.")
    if any(it["requests"] < _FEWEST_FOR_P99 for it in figures):
        notes.append(f"p99 only where there were {_FEWEST_FOR_P99} requests: of fewer it would be the slowest one.")
    return notes


def _answered_or_refused(statuses: Mapping[int, int]) -> int:
    return statuses.get(HTTPStatus.OK, 0) + statuses.get(HTTPStatus.TOO_MANY_REQUESTS, 0)
