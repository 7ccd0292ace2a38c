"""Sharing: callers that loop the largest permitted batches slow ordinary ones down, and refuse none of them."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Final

from benchmarks.figures.rounds import Effort
from benchmarks.figures.statistics import quantile
from benchmarks.load.corpus import Texts
from benchmarks.load.generator import Generator
from benchmarks.load.requests import HttpRequest, predict_batch
from benchmarks.load.result import LoadResult
from benchmarks.processes.servers import Rig
from benchmarks.promises.answers import predictions
from benchmarks.promises.finding import Finding
from benchmarks.promises.neighbours import Neighbourhood, compare_neighbours
from benchmarks.promises.overload import queue_tokens

_CORES: Final = (1, 2)
_GREEDY: Final = 4
_TEXTS: Final = 20
_CHARS: Final = 100_000
_BATCHES: Final = 8
_SLOWDOWN: Final = 8.0
"""An ordinary row waits while the four callers run one micro-batch each: eight times its own run at most."""


def sharing(rig: Rig, effort: Effort) -> list[Finding]:
    """Ten ordinary callers beside four that loop batches of 20 texts of 100,000 characters, on one core and on two."""
    available = len({*rig.placement.server, *rig.placement.load})
    findings = []
    for cores in _CORES:
        if cores <= available:
            placed = replace(rig, placement=rig.placement.resized(cores))
            findings += _share(placed, effort, f"sharing, {cores} core{'s' * (cores > 1)}")
    return findings


def _share(rig: Rig, effort: Effort, name: str) -> list[Finding]:
    batches = largest_batches(rig.texts, _BATCHES)
    with rig.server() as server:
        generator = Generator(server.address)
        greedy = partial(_loop, generator, batches)
        found = compare_neighbours(server, rig.texts.mixed(400, seed=9), greedy, effort)
        limit = queue_tokens(server.address)
    return [*found.findings(name, _SLOWDOWN), _bounded_by_the_queue(found, limit, name)]


def largest_batches(texts: Texts, count: int) -> list[HttpRequest]:
    """Return batches of 20 texts of 100,000 characters, all different: the server computes equal rows once."""
    reviews = itertools.cycle(texts.reviews.texts)

    def longest() -> str:
        text = ""
        while len(text) < _CHARS:
            text += next(reviews) + " "
        return text[: _CHARS - 1] + "."

    return [predict_batch([longest() for _ in range(_TEXTS)]) for _ in range(count)]


async def _loop(generator: Generator, batches: Sequence[HttpRequest], duration_s: float) -> LoadResult:
    return await generator.closed_loop(itertools.cycle(batches), _GREEDY, duration_s=duration_s)


def _bounded_by_the_queue(found: Neighbourhood, limit: int, name: str) -> Finding:
    """Compare ordinary callers' p99 with the time of a full queue, at the rate of tokens of the same round."""
    shares, rates = [], []
    for ours, theirs in zip(found.beside, found.others, strict=True):
        rates.append(sum(map(_tokens, (ours, theirs))) / theirs.wall_s)
        shares.append(quantile(ours.latencies_s(), 0.99) / (limit / rates[-1]))
    answered = LoadResult.joined(found.others)
    note = (
        f"{limit} tokens at {median(rates):.0f} a second; the batches {answered.statuses()}, "
        f"p50 {quantile(answered.latencies_s(), 0.5):.1f} s"
    )
    what = f"{name}: p99 of ordinary callers, of the time that a full queue takes"
    return Finding(what, median(shares), "x a full queue", "at most", 1, note)


def _tokens(result: LoadResult) -> int:
    return sum(answer["tokens"] for attempt in result.attempts for answer in predictions(attempt))
