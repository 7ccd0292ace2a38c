"""A batcher for tests, with rows whose answers name their question."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from artifact.runtime import Engine
from server.inference.batching import Batcher, Outcome
from server.inference.cache import LogitsCache
from server.inference.cost_curve import CostCurve
from server.inference.queue import BatchLimits, Row
from server.observe.metrics import Metrics
from tests.support.engines import GatedEngine
from tests.support.figures import read_figures

LIMITS = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=10_000)
FAR = 3600.0
BATCHING_PAYS = CostCurve([(1, 1.0), (1_000_000, 1.0)])
"""A run costs the same whatever is in it, so only the limits bound a batch."""


@dataclass
class Bench:
    """A running batcher and its figures."""

    batcher: Batcher
    metrics: Metrics

    def submit(self, rows: Sequence[Row], timeout_s: float = FAR) -> "asyncio.Task[Outcome]":
        """Submit rows as a caller of their own would."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        return asyncio.create_task(self.batcher.submit(rows, deadline))

    def figures(self) -> dict[str, float]:
        """Return every metric."""
        return read_figures(self.metrics.render())


@asynccontextmanager
async def running(
    engine: Engine, limits: BatchLimits = LIMITS, workers: int = 1, cache_items: int = 0, inline_s: float = 0.0
) -> AsyncIterator[Bench]:
    """Run a batcher; a gate that the test left shut is opened, so that a failing test ends too."""
    bench = make_bench(engine, limits, workers, cache_items, inline_s)
    await bench.batcher.start()
    try:
        yield bench
    finally:
        if isinstance(engine, GatedEngine):
            engine.open()
        await bench.batcher.close()


def make_bench(
    engine: Engine, limits: BatchLimits = LIMITS, workers: int = 1, cache_items: int = 0, inline_s: float = 0.0
) -> Bench:
    """Return a batcher that has not been started."""
    metrics = Metrics()
    batcher = Batcher(
        engine,
        pad_token_id=0,
        workers=workers,
        limits=limits,
        cost=BATCHING_PAYS,
        cache=LogitsCache(cache_items),
        metrics=metrics,
        inline_s=inline_s,
    )
    return Bench(batcher, metrics)


def make_row(name: int, length: int) -> Row:
    """Return a row that ``EchoEngine`` answers with (name, length)."""
    return (name, *range(1, length))


def answers(outcome: Outcome) -> list[list[int]]:
    """Return what ``EchoEngine`` said of each row."""
    return [list(map(int, logits)) for logits in outcome.logits]


async def settle(tasks: Sequence["asyncio.Task[Outcome]"]) -> list[Any]:
    """Wait for all and return each result or exception."""
    return await asyncio.gather(*tasks, return_exceptions=True)
