"""Loops: the server over HTTP in closed loops of 1 to 64 callers and in open loops of 50 to 300 % of capacity.

Each measurement warms up its server when it is made. Its rounds are done later, between those of others.
"""

import itertools
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from benchmarks.figures.rounds import Effort, Measurement, Rounds
from benchmarks.figures.statistics import quantile
from benchmarks.load.generator import Generator, measure_rate, poisson_arrivals, run
from benchmarks.load.requests import BATCH_TEXTS, HttpRequest, batches, single
from benchmarks.load.result import LoadResult
from benchmarks.processes.servers import Rig, Server
from benchmarks.report.section import ReportColumns, ReportTable, Section

Row = Mapping[str, Any]

_CALLERS: Final = (1, 4, 16, 64)
_LOADS: Final = (0.5, 0.7, 0.9, 1.1, 3.0)
_OPEN_SEED: Final = 11
_FEWEST_FOR_P99: Final = 100


def _ms(key: str) -> Callable[[Row], str]:
    return lambda row: f"{row[key] * 1000:.1f}"


def _tail(row: Row) -> str:
    return f"{row['p99_s'] * 1000:.1f}" if row["requests"] >= _FEWEST_FOR_P99 else "-"


_CLOSED: Final[ReportColumns[Row]] = (
    ("closed loop", lambda row: row["shape"]),
    ("callers", lambda row: str(row["callers"])),
    ("texts/s", lambda row: f"{row['texts_per_s']:.1f}"),
    ("p50 ms", _ms("p50_s")),
    ("p99 ms", _tail),
)
_OPEN: Final[ReportColumns[Row]] = (
    ("load", lambda row: f"{row['load']:.0%}"),
    ("offered/s", lambda row: f"{row['offered_per_s']:.1f}"),
    ("answered/s", lambda row: f"{row['texts_per_s']:.1f}"),
    ("p50 ms", _ms("p50_s")),
    ("p99 ms", _tail),
    ("refused", lambda row: f"{row['refused_share']:.1%}"),
)


def closed_loops(rig: Rig, server: Server, effort: Effort) -> Measurement[Section]:
    """Let 1 to 64 callers send sentences, reviews and batches."""
    shapes: dict[str, list[HttpRequest]] = {
        "sentences": single(rig.texts.sentences.texts),
        "reviews": single(rig.texts.reviews.texts),
        f"batches of {BATCH_TEXTS} sentences": batches(rig.texts.sentences.take(60 * BATCH_TEXTS)),
    }
    loads = list(itertools.product(shapes, _CALLERS[:2] if effort.quick else _CALLERS))
    figures: list[dict[str, Any]] = []
    run(Generator(server.address).closed_loop(itertools.cycle(shapes["sentences"]), 4, duration_s=effort.scaled(1)))

    def measure() -> None:
        shape, callers = loads[len(figures)]
        endless = itertools.cycle(shapes[shape])
        result = run(Generator(server.address).closed_loop(endless, callers, duration_s=effort.scaled(3)))
        figures.append({"shape": shape, "callers": callers, **_figures(result)})

    def section() -> Section:
        notes = [*_notes(figures), *_refusals(figures)]
        title = "Server over HTTP, closed loop"
        return Section("closed_loops", title, figures, ReportTable.of(_CLOSED, figures), notes)

    return Measurement([Rounds(measure, cycle=len(loads))], section)


def open_loops(rig: Rig, server: Server, effort: Effort) -> Measurement[Section]:
    """Let sentences and reviews, 9 : 1, arrive by the clock, at up to three times the capacity.

    All loads are one round: they are shares of the capacity, which is measured right before.
    """
    pool = rig.texts.large_mix(_OPEN_SEED)
    requests = single(pool.texts)
    figures: list[dict[str, Any]] = []

    def measure() -> None:
        capacity = measure_rate(server.address, pool.texts, effort.scaled(6))
        for load in _LOADS:
            rate = load * capacity
            arrivals = poisson_arrivals(rate, effort.scaled(10 if load < 1 else 8), _OPEN_SEED)
            result = run(Generator(server.address).open_loop(requests, arrivals))
            refused = result.statuses().get(HTTPStatus.TOO_MANY_REQUESTS, 0) / max(len(result.attempts), 1)
            figures.append({"load": load, "offered_per_s": rate, "refused_share": refused, **_figures(result)})

    def section() -> Section:
        capacity = figures[0]["offered_per_s"] / figures[0]["load"]
        title = f"Server over HTTP, open loop: 9 sentences to 1 review, capacity {capacity:.1f} texts/s"
        notes = ["Poisson arrivals; latency counts from the moment at which a request was due.", *_notes(figures)]
        return Section("open_loops", title, figures, ReportTable.of(_OPEN, figures), notes)

    return Measurement([Rounds(measure)], section)


def _figures(result: LoadResult) -> dict[str, Any]:
    latencies = result.latencies_s()
    return {
        "texts_per_s": result.texts_per_s,
        **{f"p{share * 100:g}_s": quantile(latencies, share) for share in (0.5, 0.9, 0.99)},
        "statuses": result.statuses(),
        "requests": len(latencies),
        "generator_share": result.generator_share,
        "generator_was_the_limit": result.generator_was_the_limit,
    }


def _refusals(figures: list[dict[str, Any]]) -> list[str]:
    return [
        f"{row['callers']} callers, {row['shape']}: {refused} requests refused with 429, because the queue does not "
        "hold that many texts; the callers sent their next request at once."
        for row in figures
        if (refused := row["statuses"].get(HTTPStatus.TOO_MANY_REQUESTS))
    ]


def _notes(figures: list[dict[str, Any]]) -> list[str]:
    share = max(row["generator_share"] for row in figures)
    limited = sum(row["generator_was_the_limit"] for row in figures)
    limit = f"; IT WAS THE LIMIT in {limited} of {len(figures)} rows" if limited else " and was never the limit"
    notes = [f"The load generator took at most {share:.0%} of a core{limit}."]
    sound = (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS)
    if failed := sum(count for row in figures for status, count in row["statuses"].items() if status not in sound):
        notes.append(f"{failed} REQUESTS WERE NEITHER ANSWERED NOR REFUSED.")
    if any(row["requests"] < _FEWEST_FOR_P99 for row in figures):
        notes.append(f"p99 only where there were {_FEWEST_FOR_P99} requests: of fewer it would be the slowest one.")
    return notes
