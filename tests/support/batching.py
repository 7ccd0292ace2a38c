"""A batcher for tests, with rows whose answers identify them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import pytest

from artifact.cost_curve import CostCurve
from artifact.rows import Row
from artifact.runtime import Engine
from server.inference.batching import BatchedLogits, Batcher
from server.inference.cache import LogitsCache
from server.inference.one_core import InlinePolicy
from server.inference.queue import BatchLimits
from server.inference.runner import Runner
from server.observe.metrics import Metrics
from tests.support.engines import EchoEngine, GatedEngine
from tests.support.figures import read_figures

LIMITS = BatchLimits(max_batch_items=4, max_batch_tokens=32, max_queue_tokens=10_000)
FAR = 3600.0
RUN_S = 1.0
"""The cost of a run by ``BATCHING_PAYS``."""
BATCHING_PAYS = CostCurve([(1, RUN_S), (1_000_000, RUN_S)])
"""Every run costs the same, so only the limits restrict a batch."""

_Answer = TypeVar("_Answer")


@contextmanager
def clock_ahead(seconds: float) -> Iterator[None]:
    """Advance the event loop's clock by some seconds, so its timers are due without waiting."""
    loop = asyncio.get_running_loop()
    now = loop.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: now() + seconds)
        yield


class ManualClock:
    """A clock that stands still until its test moves it; it does not start at 0."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


def many_cores() -> InlinePolicy:
    """Return the policy of several cores: every run on a worker thread."""
    return InlinePolicy.for_cpus(2)


def one_core(max_run_s: float = 2 * RUN_S, **changes: Any) -> InlinePolicy:
    """Return a policy that lets the event loop's thread do every run of ``BATCHING_PAYS``."""
    return InlinePolicy(max_run_s, max_chars=0, **changes)


@dataclass
class Harness:
    """A running batcher, its engine and its figures."""

    batcher: Batcher
    engine: Engine
    metrics: Metrics

    @property
    def gate(self) -> GatedEngine:
        """The engine, where it is gated."""
        return cast(GatedEngine, self.engine)

    def submit(self, rows: Sequence[Row], timeout_s: float = FAR) -> "asyncio.Task[BatchedLogits]":
        """Submit rows as one separate caller."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        return asyncio.create_task(self.batcher.submit(rows, deadline))

    async def one_runs(self, first: Sequence[Row], *others: Sequence[Row]) -> list["asyncio.Task[BatchedLogits]"]:
        """Submit rows that run until the gate lets them pass, and others that queue behind them."""
        deadline = asyncio.get_running_loop().time() + FAR
        return await one_runs(self.gate, *[self.batcher.submit(rows, deadline) for rows in (first, *others)])

    async def queue(self, *requests: Sequence[Row]) -> list["asyncio.Task[BatchedLogits]"]:
        """Submit requests and return once all of them are queued or answered."""
        tasks = [self.submit(rows) for rows in requests]
        await asyncio.sleep(0)
        return tasks

    def figures(self) -> dict[str, float]:
        """Return every metric."""
        return read_figures(self.metrics.render())


async def one_runs(
    gate: GatedEngine, first: Coroutine[Any, Any, _Answer], *others: Coroutine[Any, Any, _Answer]
) -> list["asyncio.Task[_Answer]"]:
    """Start the first and wait until the gate holds its run; then queue the others behind it."""
    reached = len(gate.batches) + 1
    tasks = [asyncio.create_task(first)]
    await gate.reached(reached)
    tasks += [asyncio.create_task(other) for other in others]
    await asyncio.sleep(0)
    return tasks


@asynccontextmanager
async def gated(engine: Engine | None = None, limits: BatchLimits = LIMITS, **options: Any) -> AsyncIterator[Harness]:
    """Run a batcher whose runs wait at ``Harness.gate``; arguments as for ``running``."""
    async with running(GatedEngine(engine or EchoEngine()), limits, **options) as harness:
        yield harness


@asynccontextmanager
async def running(engine: Engine, limits: BatchLimits = LIMITS, **options: Any) -> AsyncIterator[Harness]:
    """Run a batcher; open a gate that the test left closed, so a failing test ends too."""
    harness = make_batcher(engine, limits, **options)
    await harness.batcher.start()
    try:
        yield harness
    finally:
        if isinstance(engine, GatedEngine):
            engine.open()
        await harness.batcher.close()


def make_batcher(
    engine: Engine,
    limits: BatchLimits = LIMITS,
    *,
    workers: int = 1,
    cache_items: int = 0,
    inline: InlinePolicy | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Harness:
    """Return a batcher that has not been started; on several cores if no policy is given."""
    metrics = Metrics()
    inline = inline or many_cores()
    batcher = Batcher(
        Runner(engine, pad_token_id=0, workers=workers, cost=BATCHING_PAYS, inline=inline),
        limits=limits,
        cost=BATCHING_PAYS,
        cache=LogitsCache(cache_items),
        metrics=metrics,
        inline=inline,
        clock=clock,
    )
    return Harness(batcher, engine, metrics)


def make_row(name: int, length: int) -> Row:
    """Return a row that ``EchoEngine`` answers with (name, length)."""
    return (name, *range(1, length))


def answers(result: BatchedLogits) -> list[list[int]]:
    """Return the answer of ``EchoEngine`` for each row."""
    return [list(map(int, logits)) for logits in result.logits]


async def settle(tasks: Sequence["asyncio.Task[BatchedLogits]"]) -> list[Any]:
    """Wait for all and return each result or exception."""
    return await asyncio.gather(*tasks, return_exceptions=True)
